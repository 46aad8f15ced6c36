"""Deadlines by name: all timers of a machine live in one table."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Name = TypeVar("Name")


class Timers(Generic[Name]):
    """A set of named deadlines; a name is hashable, often an enum member or a tuple that starts with one.

    Equal deadlines expire in the order they were set, so that a world replays from its seed.
    """

    def __init__(self) -> None:
        self._deadlines: dict[Name, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Name]] = []
        self._order = 0

    def set(self, name: Name, at: float) -> None:
        """Let `name` expire at `at` seconds, replacing its earlier deadline."""
        self._order += 1
        self._deadlines[name] = (at, self._order)
        heapq.heappush(self._heap, (at, self._order, name))
        if len(self._heap) > 64 + 4 * len(self._deadlines):
            self._heap = [(when, order, key) for key, (when, order) in self._deadlines.items()]
            heapq.heapify(self._heap)

    def clear(self, name: Name) -> None:
        """Forget the deadline of `name`, if there is one."""
        self._deadlines.pop(name, None)

    def get(self, name: Name) -> float | None:
        """The deadline of `name`, or None."""
        entry = self._deadlines.get(name)
        return entry[0] if entry else None

    def next(self) -> float | None:
        """The earliest deadline, or None."""
        while self._heap:
            at, order, name = self._heap[0]
            if self._deadlines.get(name) == (at, order):
                return at
            heapq.heappop(self._heap)
        return None

    def expired(self, now: float) -> list[Name]:
        """Remove and return every name due at `now`, earliest first; names set meanwhile wait for the next call."""
        due: list[Name] = []
        while (at := self.next()) is not None and at <= now:
            _, _, name = heapq.heappop(self._heap)
            del self._deadlines[name]
            due.append(name)
        return due
