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
        self._deadlines: dict[Name, tuple[float, int, Name]] = {}
        """Those entries of the heap that still count."""
        self._heap: list[tuple[float, int, Name]] = []
        self._order = 0

    def set(self, name: Name, at: float) -> None:
        """Let `name` expire at `at` seconds, replacing its earlier deadline."""
        self._order += 1
        entry = self._deadlines[name] = (at, self._order, name)
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 64 + 4 * len(self._deadlines):
            self._heap = list(self._deadlines.values())
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
        heap = self._heap
        while heap:
            entry = heap[0]
            if self._deadlines.get(entry[2]) is entry:
                return entry[0]
            heapq.heappop(heap)
        return None

    def expired(self, now: float) -> list[Name]:
        """Remove and return every name due at `now`, earliest first; names set meanwhile wait for the next call."""
        due: list[Name] = []
        if not self._heap or self._heap[0][0] > now:
            return due
        while (at := self.next()) is not None and at <= now:
            _, _, name = heapq.heappop(self._heap)
            del self._deadlines[name]
            due.append(name)
        return due
