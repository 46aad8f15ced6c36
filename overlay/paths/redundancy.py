"""How large envelopes on a way are, and how many parity slices follow each: what its losses ask for (design section 2).

    full, no parity --slices missed, queues empty--> smaller, parity by the measured loss --clean--> back, slowly
          |
          +--slices missed, a queue builds--> smaller and smaller, no parity: a queue shows its drops

Losses beside a queue that builds are congestion, whoever fills it: parity against them would push others aside. So
parity is made for what the way loses with its queues empty, and for nothing else; while a queue builds it stays only
as long as no more is lost than that.
"""

from __future__ import annotations

from collections import deque
from math import comb

from msgspec import Struct

HALF_LIFE = 5.0
"""Seconds of traffic after which what was reported counts half: from 1 % to none in half a minute."""
FAST = 1.0
"""The same of the quick estimate, which only ever raises, and of the one that is compared with a queue empty."""
LEAST = 3.0
"""Slices missed for an estimate to mean something."""
GAP = 1.5
"""Seconds between two reports that count at most: a pause is no evidence."""
BEGIN, BEGIN_FEW = 2e-4, 5e-3
"""Loss from which on something is done: once LEAST slices were missed, or at once; in two reports at least, as one may
tell of a stream that began too fast."""
END = 5e-5
"""Loss below which a way is clean."""
TARGET = 1e-5
"""Share of envelopes that may be lost in spite of parity."""
GUARDS = ((32, 1), (16, 1), (32, 4), (16, 2), (16, 4), (32, 8))
"""Slices of a guarded envelope at most, and its parity slices: the cheapest first, a quarter of the bytes at most
(design section 2)."""
QUEUE_SHARE, QUEUE_TIME = 0.1, 0.005
"""RTT above its floor, by a share of it and seconds, from which on a queue is taken to build."""
FRESH = 1.5
"""Seconds a round trip says something about the queue."""
RTT_EVERY, RTT_BUSY = 0.9, 0.3
"""Seconds between two round trips measured under traffic, and while slices are missed."""
EXCESS = 2.0
"""Times what the way loses with its queues empty: what is lost beyond that is the queue's."""
STEPS = (32, 16, 8, 4, 1)
"""Slices of an envelope at most while a queue drops; 1: a datagram an envelope."""
STEP_DOWN, STEP_UP = 1.0, 8.0
"""Seconds between two steps down while it drops, and without a drop until one is taken back."""
FAR = 0.01
"""RTT from which on a way nothing is known of is guarded: there a TCP stream takes half a minute to make up for losses
of its first second."""
KNOWN = 1500
"""Slices reported after which a way is known: one that loses 0.2 % has shown it. One with a queue needs none."""
UNKNOWN = (16, 4)
"""The guard until then."""


class Shape(Struct, frozen=True):
    """How envelopes go on a way."""

    slices: int = 0
    """Slices of an envelope at most; 0: a full one."""
    parity: int = 0
    """Parity slices that follow each: 0, 1, 2, 4 or 8."""


class _Counted:
    """Slices that came and were missed; the older, the less they weigh."""

    __slots__ = ("_half_life", "came", "missed")

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self.came = self.missed = 0.0

    def add(self, came: int, missed: int, gap: float) -> None:
        weight = 0.5 ** (gap / self._half_life)
        self.came, self.missed = self.came * weight + came, self.missed * weight + missed

    @property
    def share(self) -> float:
        return self.missed / (self.came + self.missed) if self.missed else 0.0


class Redundancy:
    """Loss control of one way."""

    __slots__ = (
        "_base",
        "_base_fast",
        "_hits",
        "_known",
        "_lossy",
        "_moved_at",
        "_pending",
        "_recent",
        "_report_at",
        "_rtt_at",
        "_samples",
        "_step",
        "shape",
    )

    def __init__(self) -> None:
        self._base, self._base_fast = _Counted(HALF_LIFE), _Counted(FAST)
        """What was reported while queues were empty."""
        self._recent = _Counted(FAST)
        """What was reported of late."""
        self._pending = (0, 0, 0.0)
        """What came, was missed, and in how many seconds, since it is not known whether a queue builds."""
        self._hits = 0
        """Reports with losses while queues were empty, since the way was clean."""
        self._known = 0
        """Slices reported so far, until they are enough."""
        self._report_at: float | None = None
        self._samples: deque[tuple[float, float]] = deque(maxlen=3)
        """When, and seconds."""
        self._rtt_at = 0.0
        """When a round trip was last wanted."""
        self._lossy = False
        self._step = 0
        """How far down `STEPS`; 0: not at all."""
        self._moved_at = 0.0
        """When the step was last taken."""
        self.shape = Shape()

    @property
    def loss(self) -> float:
        """The share of slices lost with queues empty, as far as is known now."""
        return max(self._base.share, self._base_fast.share if self._base_fast.missed >= LEAST else 0.0)

    def reported(self, came: int, missed: int, floor: float | None, *, now: float) -> bool:
        """Take what a Report adds, in slices; whether the shape changed. `floor`: the least RTT known, seconds."""
        gap = min(GAP, now - self._report_at) if self._report_at is not None else 0.0
        self._report_at = now
        self._known = min(KNOWN, self._known + came + missed)
        self._recent.add(came, missed, gap)
        before = self._pending
        self._pending = (before[0] + came, before[1] + missed, min(GAP, before[2] + gap))
        return self._weigh(floor, now=now)

    def measured(self, rtt: float, floor: float | None, *, now: float) -> bool:
        """Take one round trip, in seconds; whether the shape changed."""
        self._samples.append((now, rtt))
        return self._weigh(floor, now=now)

    def wants_rtt(self, *, now: float) -> bool:
        """Whether a round trip should be measured now; asked when a Report came."""
        busy = self._recent.missed >= 0.5 or self._pending[1] or self._known < KNOWN
        if now - self._rtt_at < (RTT_BUSY if busy else RTT_EVERY):
            return False
        self._rtt_at = now
        return True

    def _weigh(self, floor: float | None, *, now: float) -> bool:
        fresh = sorted(rtt for at, rtt in self._samples if now - at <= FRESH)
        if floor is None or not fresh:
            return self._decide(None, floor)
        long = floor * (1 + QUEUE_SHARE) + QUEUE_TIME
        queued = fresh[0] > long  # a queue makes all of them longer, a busy host some
        if max(fresh[(len(fresh) - 1) // 2], self._samples[-1][1]) <= long:
            self._credit()
        elif queued:
            self._known = KNOWN
        missed = self._pending[1]
        self._pending = (0, 0, 0.0)
        if queued and missed and self._in_excess():
            if now - self._moved_at >= STEP_DOWN:
                self._step, self._moved_at = min(self._step + 1, len(STEPS)), now
        elif self._step and now - self._moved_at >= STEP_UP:
            self._step, self._moved_at = self._step - 1, now
        return self._decide(queued, floor)

    def _credit(self) -> None:
        """What is pending was lost, or not, with queues empty."""
        came, missed, gap = self._pending
        self._base.add(came, missed, gap)
        self._base_fast.add(came, missed, gap)
        self._hits += missed > 0
        if self.loss < END:
            self._lossy, self._hits = False, 0
        elif self._hits > 1 and self.loss >= (BEGIN if self._base.missed >= LEAST else BEGIN_FEW):
            self._lossy = True

    def _in_excess(self) -> bool:
        """Whether more is lost now than with queues empty."""
        return self._recent.missed >= LEAST and self._recent.share > EXCESS * self.loss + BEGIN

    def _decide(self, queued: bool | None, floor: float | None) -> bool:
        before = self.shape
        small = STEPS[self._step - 1] if self._step else 0
        if queued and self._in_excess():
            self.shape = Shape(small)
        elif self._lossy:
            if queued is not None or before.parity:
                self.shape = Shape(*guard(self.loss))
        elif self._known < KNOWN and floor is not None and floor >= FAR and not queued:
            self.shape = Shape(*UNKNOWN)
        else:
            self.shape = Shape(small)
        return self.shape != before


def guard(loss: float) -> tuple[int, int]:
    """Slices of an envelope at most, and its parity slices, for so much loss: the cheapest that meets the target, or
    what a quarter of the bytes gives."""
    return next((each for each in GUARDS if residual(*each, loss) <= TARGET), GUARDS[-1])


def residual(slices: int, parity: int, loss: float) -> float:
    """The share of envelopes that are lost in spite of their parity, losses being independent."""
    sent = slices + parity
    return sum(comb(sent, lost) * loss**lost * (1 - loss) ** (sent - lost) for lost in range(parity + 1, sent + 1))
