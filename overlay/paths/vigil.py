"""Pure: what was sent to one peer and is not answered so far; when that is too long.

sent      x x x x x x x x . . . x . . . . . x            (an inner TCP slows down when it hears nothing)
opened     o o o o o o o
                        |-- quiet ------------->
lively (answers came within some 100 ms of late):      doubt after twice the longest of late
else (a stream one way, a packet now and then):        ask after a while, doubt when that is not answered either
"""

from __future__ import annotations

UNKNOWN = 1.0
"""Seconds an answer is taken to need before any was seen: as long as between two Reports."""
FADES = 0.9
"""The longest wait of late shrinks by this much with each answer that comes sooner."""
LIVELY = 0.25
"""Seconds: where answers come that quickly, their absence says something by itself."""
SOONEST = 0.12
"""Seconds of silence before which nobody doubts: a scheduler may keep a process that long."""
ASK_AFTER = 0.3
"""Seconds of silence until a way is asked whose peer has no need to answer soon."""
LOOKS = 0.05
"""Seconds between two looks at what the plane sent: it may have been sent so much earlier."""


class Vigil:
    """The watch over one peer's answers; times in seconds."""

    __slots__ = ("_sent", "asked_at", "doubted_at", "gap", "looks", "since")

    def __init__(self) -> None:
        self.since: float | None = None
        """Since when something is unanswered."""
        self.asked_at: float | None = None
        """When the way in use was asked on that account."""
        self.doubted_at: float | None = None
        """When it came to be doubted."""
        self.gap = UNKNOWN
        """The longest an answer took of late."""
        self.looks = 0
        """Looks at which something new was sent, since a Report came."""
        self._sent = 0.0

    def look(self, sent: float, heard: float) -> None:
        """Take when something was last sent and last heard."""
        if self.since is not None and heard > self.since:
            self.gap = max(heard - self.since, self.gap * FADES)
            self.since = self.asked_at = None
        elif self.since is None and heard >= sent > self._sent:
            self.gap = max(min(LOOKS, heard - self._sent), self.gap * FADES)
        self.looks += sent > self._sent
        self._sent = sent
        if self.since is None and sent > heard:
            self.since = max(heard, sent - LOOKS)

    def quiet(self, now: float) -> float:
        """Seconds without an answer to what was sent."""
        return 0.0 if self.since is None else max(0.0, now - self.since)

    def is_suspect(self, answer: float, *, now: float) -> bool:
        """Whether the way should be asked; `answer`: seconds in which an answer comes by it."""
        return self.asked_at is None and self.quiet(now) >= max(ASK_AFTER, answer)

    def is_doubtful(self, answer: float, *, now: float) -> bool:
        """Whether the way should be doubted."""
        if self.gap <= LIVELY and self.quiet(now) >= max(SOONEST, 2.0 * self.gap, answer):
            return True
        return self.asked_at is not None and now - self.asked_at >= max(ASK_AFTER / 2, answer)

    def rest(self) -> None:
        """Nothing that was sent before counts any more."""
        self.since = self.asked_at = self.doubted_at = None
