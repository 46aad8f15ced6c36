"""How large envelopes on a way are, and how many parity slices follow each: what its losses ask for (design section 2).

    full, no parity --slices missed, RTT near its floor--> smaller, parity by the measured loss --clean--> back, slowly
          |
          +--slices missed, RTT well above its floor--> smaller and smaller, no parity: a queue shows its drops

Loss beside a queue that builds is congestion, whoever fills it: parity there would push others aside and be lost too.
"""

from __future__ import annotations

from collections import deque
from math import comb

from msgspec import Struct

HALF_LIFE = 5.0
"""Seconds of traffic after which what was reported counts half: from 1 % to none in half a minute."""
FAST = 1.0
"""The same of the quick estimate, which only ever raises."""
FAST_LEAST = 3.0
"""Slices missed of late for the quick estimate to mean something."""
GAP = 1.5
"""Seconds between two reports that count at most: a pause is no evidence."""
BEGIN, BEGIN_FEW = 2e-4, 5e-3
"""Loss from which on something is done: once FAST_LEAST slices were missed, or at the first one."""
END = 5e-5
"""Loss below which a way is clean."""
TARGET = 1e-4
"""Share of envelopes that may be lost in spite of parity."""
GUARDS = ((32, 1), (16, 1), (32, 4), (16, 2), (32, 8), (16, 4))
"""Slices of a guarded envelope at most, and its parity slices: the cheapest first, a quarter of the bytes at most
(design section 2)."""
QUEUE_SHARE, QUEUE_TIME = 0.25, 0.01
"""RTT above its floor, by a share of it and seconds, from which on a queue is taken to build."""
RTT_FRESH = 2.5
"""Seconds a round trip says something about the queue."""
RTT_EVERY = 0.4
"""Seconds between two round trips measured while slices are missed or guarded."""
STEPS = (32, 16, 8, 4, 1)
"""Slices of an envelope at most while a queue drops, one step a report with losses; 1: a datagram an envelope."""
STEP_UP = 8.0
"""Seconds without a loss until one step is taken back."""


class Shape(Struct, frozen=True):
    """How envelopes go on a way."""

    slices: int = 0
    """Slices of an envelope at most; 0: a full one."""
    parity: int = 0
    """Parity slices that follow each: 0, 1, 2, 4 or 8."""


class Redundancy:
    """Loss control of one way."""

    __slots__ = (
        "_came",
        "_fast_came",
        "_fast_missed",
        "_lossy",
        "_missed",
        "_moved_at",
        "_report_at",
        "_rtt_at",
        "_samples",
        "_step",
        "shape",
    )

    def __init__(self) -> None:
        self._came = self._missed = self._fast_came = self._fast_missed = 0.0
        """Slices, what is older weighing less."""
        self._report_at: float | None = None
        self._samples: deque[tuple[float, float]] = deque(maxlen=3)
        """When, and seconds."""
        self._rtt_at = 0.0
        """When a round trip was last wanted."""
        self._lossy = False
        self._step = 0
        """How far down `STEPS`; 0: not at all."""
        self._moved_at = 0.0
        """When the step was last taken or held."""
        self.shape = Shape()

    @property
    def loss(self) -> float:
        """The share of slices lost, as far as is known now."""
        slow = self._missed / (self._came + self._missed) if self._missed else 0.0
        if self._fast_missed < FAST_LEAST:
            return slow
        return max(slow, self._fast_missed / (self._fast_came + self._fast_missed))

    def reported(self, came: int, missed: int, floor: float | None, *, now: float) -> bool:
        """Take what a Report adds, in slices; whether the shape changed. `floor`: the least RTT known, seconds."""
        gap = min(GAP, now - self._report_at) if self._report_at is not None else 0.0
        self._report_at = now
        slow, fast = 0.5 ** (gap / HALF_LIFE), 0.5 ** (gap / FAST)
        self._came, self._missed = self._came * slow + came, self._missed * slow + missed
        self._fast_came, self._fast_missed = self._fast_came * fast + came, self._fast_missed * fast + missed
        few = self._missed >= 1 and self.loss >= BEGIN_FEW
        if few or (self._missed >= FAST_LEAST and self.loss >= BEGIN):
            self._lossy = True
        elif self.loss < END:
            self._lossy = False
        queued = self._queued(floor, now=now)
        if missed and queued and self._lossy:
            self._step = min(self._step + 1, len(STEPS))
            self._moved_at = now
        elif self._step and now - self._moved_at >= STEP_UP:
            self._step -= 1
            self._moved_at = now
        return self._decide(queued)

    def measured(self, rtt: float, floor: float | None, *, now: float) -> bool:
        """Take one round trip, in seconds; whether the shape changed."""
        self._samples.append((now, rtt))
        return self._decide(self._queued(floor, now=now))

    def wants_rtt(self, *, now: float) -> bool:
        """Whether a round trip should be measured now; asked when a Report came."""
        if not (self._lossy or self._missed >= 1) or now - self._rtt_at < RTT_EVERY:
            return False
        self._rtt_at = now
        return True

    def _queued(self, floor: float | None, *, now: float) -> bool | None:
        """Whether a queue builds, by the middle one of the last round trips; None: nothing is known of it."""
        fresh = sorted(rtt for at, rtt in self._samples if now - at <= RTT_FRESH)
        if not fresh or floor is None:
            return None
        return fresh[(len(fresh) - 1) // 2] > floor * (1 + QUEUE_SHARE) + QUEUE_TIME

    def _decide(self, queued: bool | None) -> bool:
        before = self.shape
        small = STEPS[self._step - 1] if self._step else 0
        if not self._lossy:
            self.shape = Shape(small, 0)
        elif queued is False:
            slices, parity = guard(self.loss)
            self.shape = Shape(min(slices, small) if small else slices, parity)
        elif queued or not before.parity:
            self.shape = Shape(small or STEPS[0], 0)
        return self.shape != before


def guard(loss: float) -> tuple[int, int]:
    """Slices of an envelope at most, and its parity slices, for so much loss: the cheapest that meets the target, or
    what a quarter of the bytes gives."""
    return next((each for each in GUARDS if residual(*each, loss) <= TARGET), GUARDS[-1])


def residual(slices: int, parity: int, loss: float) -> float:
    """The share of envelopes that are lost in spite of their parity, losses being independent."""
    members = slices // parity + 1
    whole = sum(comb(members, lost) * loss**lost * (1 - loss) ** (members - lost) for lost in (0, 1))
    return float(1 - whole**parity)
