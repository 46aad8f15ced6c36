"""Round-trip time, jitter and loss of a way, from its own samples."""

from __future__ import annotations

from collections import deque

SETTLING = 6
"""Samples of which the least counts: the first ones queue behind the starts of two nodes, and nothing follows them on
an idle way for long."""


class RoundTrip:
    """Smoothed RTT and mean deviation after RFC 6298 section 2 (alpha 1/8, beta 1/4), in seconds."""

    __slots__ = ("_samples", "jitter", "smoothed")

    def __init__(self) -> None:
        self._samples = 0
        self.smoothed: float | None = None
        self.jitter: float | None = None

    @property
    def deviation(self) -> float | None:
        """The jitter once enough samples came to mean it; before, it is only a share of the first ones."""
        return self.jitter if self._samples > SETTLING else None

    def sample(self, rtt: float) -> None:
        """Take one measured round trip."""
        self._samples += 1
        if self.smoothed is None or self.jitter is None or self._samples <= SETTLING:
            self.smoothed = rtt if self.smoothed is None else min(self.smoothed, rtt)
            self.jitter = self.smoothed / 2
            return
        self.jitter += (abs(self.smoothed - rtt) - self.jitter) / 4
        self.smoothed += (rtt - self.smoothed) / 8


class Loss:
    """The share of envelopes the other side did not get whole, over the last 30 s, from its Reports (totals)."""

    WINDOW = 30.0

    __slots__ = ("_reports",)

    def __init__(self) -> None:
        self._reports: deque[tuple[float, int, int]] = deque()

    def report(self, complete: int, incomplete: int, *, now: float) -> None:
        """Take one Report; totals that went back (a new session) start afresh."""
        if self._reports and (complete < self._reports[-1][1] or incomplete < self._reports[-1][2]):
            self._reports.clear()
        self._reports.append((now, complete, incomplete))
        while len(self._reports) > 2 and self._reports[1][0] <= now - self.WINDOW:
            self._reports.popleft()

    def reset(self) -> None:
        """A new session counts afresh."""
        self._reports.clear()

    def share(self, *, now: float) -> float | None:
        """0..1, or None when nothing was reported in the window."""
        if not self._reports or self._reports[-1][0] < now - self.WINDOW:
            return None
        first, last = self._reports[0], self._reports[-1]
        if len(self._reports) == 1:
            first = (0.0, 0, 0)
        lost, got = last[2] - first[2], last[1] - first[1]
        return lost / (lost + got) if lost + got else 0.0
