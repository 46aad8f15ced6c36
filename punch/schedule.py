"""When a peer is attempted by itself: what its last attempt says, what the settings say, what is wanted.

nothing known yet        at once: two offers tell which kind of pair it is, and no probe is sent for that
easy pair; hard, auto    when it is wanted: traffic goes by a relay, or a person asks
hard pair, always        at once
after a failure          30 s, 2 min, 10 min, 1 h (+-20 %) later; a demand sets that aside
infeasible               never, until a network or a profile changes
they are busy            2, 4, 8, ... s later, if they did not ask before
they ended it            at once, but once in 30 s only
"""

from __future__ import annotations

import random

from punch.config import Mode, PunchConfig
from punch.peers import Peer
from punch.terms import mode_of

PROMPT = ("network_changed", "peer_changed", "busy")
"""Reasons after which it begins anew at once; after the last of them when its turn comes."""
QUIET = ("off", "idle", "direct", "infeasible", "peer_gone")
"""Reasons after which there is nothing to wait for: `due` decides."""
BUSY_WAIT = 2.0
BUSY_MOST = 5
"""Seconds a busy peer is left alone, doubled each time, so often at most; it asks us when it is free."""


def mode(peer: Peer, config: PunchConfig) -> Mode | None:
    """The setting this pair needs; None: an easy one, or not known yet."""
    return mode_of(peer.kind, peer.modes_in_force(config))


def is_allowed(peer: Peer, config: PunchConfig) -> bool:
    """Whether the settings allow an attempt at all."""
    return config.enabled and mode(peer, config) != "off"


def due(peer: Peer, config: PunchConfig, *, now: float) -> float | None:
    """When the next attempt by itself is due; None: nothing is planned."""
    if not peer.is_up or peer.direct or peer.hopeless or not is_allowed(peer, config):
        return None
    unasked = mode(peer, config) == "always" or (not peer.kind and not peer.let_go)
    return peer.next_at if unasked or peer.is_wanted(now=now) else None


def is_quiet(peer: Peer, *, now: float) -> bool:
    """Whether it would be attempted only to learn what it is behind."""
    return not peer.kind and not peer.is_wanted(now=now)


def after(peer: Peer, reason: str, entropy: random.Random, *, heard: bool, now: float) -> None:
    """An attempt ended, perhaps by their word: set the waiting time."""
    peer.busy = peer.busy + 1 if reason == "peer_busy" else 0
    if reason == "direct":
        peer.start_over(now=now)
        peer.demand = False
    elif reason == "infeasible":
        peer.hopeless, peer.demand = True, False
    elif reason == "peer_busy":
        peer.next_at = now + BUSY_WAIT * 2 ** min(peer.busy - 1, BUSY_MOST) * (1 + entropy.random())
    elif heard and reason in (*PROMPT, *QUIET):
        peer.heed(now=now)
    elif reason in PROMPT:
        peer.next_at = now
    elif reason not in QUIET:
        peer.wait_longer(entropy, now=now)
        peer.demand = False
