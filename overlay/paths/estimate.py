"""Round-trip time, jitter and loss of a way, from its own samples."""

from __future__ import annotations

from collections import deque

from msgspec import Struct

SETTLING = 6
"""Samples of which the least counts: the first ones queue behind the starts of two nodes, and nothing follows them on
an idle way for long."""
FLOOR_SAMPLES = 500
"""Samples after which a floor is taken anew: a path may become longer for good."""
MEANT = 8
"""Further samples after which less than a tenth of the jitter is still what it started with (3/4 a sample)."""


class RoundTrip:
    """Smoothed RTT and mean deviation after RFC 6298 section 2 (alpha 1/8, beta 1/4), in seconds."""

    __slots__ = ("_floors", "_samples", "jitter", "smoothed")

    def __init__(self) -> None:
        self._samples = 0
        self._floors: tuple[float | None, float | None] = (None, None)
        """The least of the last FLOOR_SAMPLES, whole, and of those since."""
        self.smoothed: float | None = None
        self.jitter: float | None = None

    @property
    def deviation(self) -> float | None:
        """The jitter once enough samples came to mean it; before, it is only a share of the first ones."""
        return self.jitter if self._samples >= SETTLING + MEANT else None

    @property
    def floor(self) -> float | None:
        """The least of late: what the path takes with empty queues."""
        return min((each for each in self._floors if each is not None), default=None)

    def sample(self, rtt: float) -> None:
        """Take one measured round trip."""
        before, since = self._floors
        self._floors = (before, rtt if since is None else min(since, rtt))
        self._samples += 1
        if self._samples % FLOOR_SAMPLES == 0:
            self._floors = (self._floors[1], None)
        if self.smoothed is None or self.jitter is None or self._samples <= SETTLING:
            self.smoothed = rtt if self.smoothed is None else min(self.smoothed, rtt)
            self.jitter = self.smoothed / 2
            return
        self.jitter += (abs(self.smoothed - rtt) - self.jitter) / 4
        self.smoothed += (rtt - self.smoothed) / 8


class Totals(Struct, frozen=True):
    """The account of one Report."""

    complete: int = 0
    incomplete: int = 0
    slices: int = 0
    missed: int = 0
    rebuilt: int = 0


class Loss:
    """What gets lost on the way to a peer, over the last 30 s, from its Reports (totals)."""

    WINDOW = 30.0
    GRAIN = 0.1
    """Seconds between two accounts kept; those between them are not, however many come."""

    __slots__ = ("_reports",)

    def __init__(self) -> None:
        self._reports: deque[tuple[float, Totals]] = deque()

    def report(self, totals: Totals, *, now: float) -> Totals:
        """Take one Report; what it adds to the one before. Totals that went back (a new session) start afresh."""
        last = self._reports[-1][1] if self._reports else Totals()
        if _went_back(last, totals):
            self._reports.clear()
            last = Totals()
        if len(self._reports) > 1 and now - self._reports[-2][0] < self.GRAIN:
            self._reports.pop()
        self._reports.append((now, totals))
        while len(self._reports) > 2 and self._reports[1][0] <= now - self.WINDOW:
            self._reports.popleft()
        return _added(last, totals)

    def reset(self) -> None:
        """A new session counts afresh."""
        self._reports.clear()

    def share(self, *, now: float) -> float | None:
        """Of the slices, as the path loses them; 0..1, or None when nothing was reported in the window."""
        return _share(window.missed, window.slices) if (window := self._window(now)) is not None else None

    def inside(self, *, now: float) -> float | None:
        """Of the envelopes, as the packets inside feel it; 0..1, or None as above."""
        return _share(window.incomplete, window.complete) if (window := self._window(now)) is not None else None

    def _window(self, now: float) -> Totals | None:
        if not self._reports or self._reports[-1][0] < now - self.WINDOW:
            return None
        first = self._reports[0][1] if len(self._reports) > 1 else Totals()
        return _added(first, self._reports[-1][1])


def _added(before: Totals, after: Totals) -> Totals:
    return Totals(
        after.complete - before.complete,
        after.incomplete - before.incomplete,
        after.slices - before.slices,
        after.missed - before.missed,
        after.rebuilt - before.rebuilt,
    )


def _went_back(before: Totals, after: Totals) -> bool:
    added = _added(before, after)
    return min(added.complete, added.incomplete, added.slices, added.missed, added.rebuilt) < 0


def _share(lost: int, got: int) -> float:
    return lost / (lost + got) if lost + got else 0.0
