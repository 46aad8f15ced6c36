"""All timers of `session`, and how long each runs."""

from __future__ import annotations

from enum import Enum

from overlay.values import Label, NodeId


class Timer(Enum):
    """What may be due. Names are (Timer, label) for handshakes, (Timer, peer, epoch we open with) for keys."""

    DIAL = "the dialler repeats m1 or m3, or gives up"
    ANSWER = "an answered handshake is forgotten"
    RESUME = "the dialler repeats r1, goes over to m1, or forgets a late r2"
    CONFIRM = "the answering side repeats m4 or Rekeyed until a frame opens under the new keys, or drops them"
    REKEY = "keys are due to be replaced"
    REKEY_REPEAT = "Rekey was not answered"
    RETIRE = "newer keys proved themselves a while ago, or the keys are too old"


Due = tuple[Timer, Label] | tuple[Timer, NodeId, int]

REPEATS = 6
"""Repeats of a message that is waited upon (protocol section 3)."""
_FIRST, _LAST = 0.25, 4.0

ANSWER_LIFE = 20.0
"""Seconds an answered handshake is kept: as long as its dialler repeats."""
YIELDED = 1.0
"""Seconds a dial stands back for the crossing one; then it goes on, should the other have been a forgery."""

RESUME_TRIES = 2
"""r1 sent in vain over a link before m1 takes its place (protocol section 4)."""
RESUME_LATE = 5.0
"""Seconds that r2 is still taken after that."""

REKEY_AFTER = 120.0
"""Age of keys at which the Noise initiator of their run replaces them (protocol section 4)."""
REKEY_AFTER_OTHER = 130.0
"""Age at which the other side does."""
REKEY_FRAMES = 2**32
"""Frames after which either does."""
REKEY_RETRY = 5.0
"""Seconds until a rekey that could not begin is tried again; also the longest wait between repeats of Rekey."""
KEY_LIFE = 180.0
"""Age at which keys seal and open no more."""
OVERLAP = 10.0
"""Seconds that old keys and labels live on after a frame opened under newer ones."""


def wait_after(sent: int) -> float:
    """Seconds to wait after a message was sent for the `sent`th time: 250 ms, doubling; 4 s after the last repeat."""
    return _FIRST * 2.0 ** (sent - 1) if sent <= REPEATS else _LAST
