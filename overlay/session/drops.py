"""Why frames led nowhere: the fixed words of `Sessions.drops`."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "handshake_malformed",  # no handshake or cookie frame by size or header
    "mac1",  # made by somebody who does not know the network's name
    "version",  # of another major
    "handshake_label",  # for a handshake that is not, or no longer, under way
    "self",  # from ourselves, or from a node that uses our identity
    "crossed",  # lost against our own handshake over the same link
    "cookie",  # answered by a cookie: too many handshakes at once, or too many guesses
    "half_open",  # 64 handshakes are half open
    "guess_budget",  # too many guesses at the secret
    "share",  # a CPace share of low order
    "guess",  # wrong secret: answered, and never proven (the token stays taken)
    "noise",  # a handshake message that does not open
    "payload",  # its payload is none
    "wrong_id",  # the id in it is not that of its static key, or not the one dialled
    "cipher",  # no cipher in common
    "resume_unknown",  # a ticket that we do not hold, or that was used
    "resume_mac",  # made by somebody who does not hold the ticket it names
    "rekey",  # a Rekey or Rekeyed that fits no run
    "rekey_crossed",  # lost against our own rekey
    "no_session",  # nothing is open with that peer
    "no_epoch",  # no key has that epoch
    "expired",  # its key is too old
    "replayed",  # its counter was seen, or is too old to tell
    "tag",  # it does not open
    "malformed",  # it opened, and is no message
    "oversized",  # a message of ours over 16 KiB
    "unsealed",  # a message of ours while no key may seal
]
