"""Problems a person should know, each with what to do about it."""

from __future__ import annotations

from collections import deque

from overlay.node.events import Event, ProblemGone, ProblemShown
from overlay.node.snapshot import Problem


class Problems:
    """The problems there are now, by code; beginnings and ends are told once."""

    def __init__(self, news: deque[Event]) -> None:
        self._news = news
        self._open: dict[str, tuple[str, str, float]] = {}

    def found(self, code: str, text: str, fix: str, *, now: float) -> None:
        """A problem is there; a new text of a known one is kept without telling it again."""
        known = self._open.get(code)
        self._open[code] = (text, fix, known[2] if known else now)
        if known is None:
            self._news.append(ProblemShown(code, text, fix))

    def over(self, code: str) -> None:
        """A problem is gone."""
        if self._open.pop(code, None) is not None:
            self._news.append(ProblemGone(code))

    def listed(self, *, now: float) -> list[Problem]:
        """As `status` shows them."""
        return [Problem(code, text, fix, round(now - since, 1)) for code, (text, fix, since) in self._open.items()]
