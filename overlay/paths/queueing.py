"""Whether a queue builds on a way, from its round trips: a queue makes all of them longer, a busy host some.

RTT     .                       o o o
        |                   o o       o o             a queue: several in a row, whatever the host does
        |   o         o   o             o o o
long  - | - - - - - - - - - - - - - - - - - -         above the floor by a share, some time, and what hosts vary
floor   | o   o o o o   o
"""

from __future__ import annotations

from collections import deque

SHARE, TIME, SPREADS = 0.1, 0.005, 2.0
"""RTT above its floor from which on it is long: a share of it, seconds, and times what it differs between two."""
IN_ROW = 3
"""Round trips that have to be long one after the other: hosts are late by chance, a queue is not."""
VERY, IN_ROW_VERY = 2.0, 2
"""Or, where they are this many times as long above the floor, so few: a queue that is full loses them, too."""
FRESH = 1.5
"""Seconds a round trip says something about now."""
KEPT = 32
"""Round trips kept: some seconds."""
EVERY, EVERY_BUSY = 0.9, 0.1
"""Seconds between two round trips measured under traffic, little and much of it."""
PEAK_FADES = 0.98
"""The longest queue of late shrinks by this much with each round trip."""
HALF = 0.5
"""A queue that drops is full: what is lost while it is this much of that is lost elsewhere."""


class Queueing:
    """The round trips of one way of late, in seconds."""

    __slots__ = ("_asked_at", "_peak", "_samples", "_spread")

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=KEPT)
        """When, and how long."""
        self._spread = 0.0
        """How much one differs from the one before."""
        self._peak = 0.0
        """The longest queue of late."""
        self._asked_at = 0.0

    @property
    def known(self) -> bool:
        """Enough were measured to know about how far the peer is."""
        return len(self._samples) >= IN_ROW

    def measured(self, rtt: float, floor: float | None, *, now: float) -> None:
        """Take one."""
        if self._samples and now - self._samples[-1][0] <= FRESH:
            self._spread += (abs(rtt - self._samples[-1][1]) - self._spread) / 8
        self._samples.append((now, rtt))
        if floor is not None:
            self._peak = max(self._peak * PEAK_FADES, self._least(IN_ROW) - floor)

    def wants(self, *, busy: bool, now: float) -> bool:
        """Whether one should be measured now."""
        if now - self._asked_at < (EVERY_BUSY if busy else EVERY):
            return False
        self._asked_at = now
        return True

    def long(self, floor: float) -> float:
        """From how much on one is long."""
        return floor * (1 + SHARE) + TIME + SPREADS * self._spread

    def builds(self, floor: float, *, now: float) -> bool:
        """Whether there is a queue now: the last ones are all long."""
        at, _ = self._samples[-1] if self._samples else (0.0, 0.0)
        return now - at <= FRESH and self._least(IN_ROW) > self.long(floor)

    def built(self, since: float, until: float, floor: float | None) -> bool | None:
        """Whether there was one in that time, and about as full as it gets; None: there may have been."""
        row = [rtt for at, rtt in self._samples if since <= at <= until]
        if not row or floor is None:
            return None
        long = self.long(floor)
        full = max(long, floor + HALF * self._peak)
        if max(row) <= full:
            return False
        most, very = _longest(row, IN_ROW), _longest(row, IN_ROW_VERY)
        if most > full or (very > full and very - floor > VERY * (long - floor)):
            return True
        return None

    def _least(self, count: int) -> float:
        return min((rtt for _, rtt in list(self._samples)[-count:]), default=0.0)


def _longest(row: list[float], count: int) -> float:
    """The most that `count` of a row one after the other are all as long as."""
    return max(min(row[at : at + count]) for at in range(max(1, len(row) - count + 1)))
