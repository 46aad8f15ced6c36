"""What was measured in networks that this host may come back to."""

from __future__ import annotations

from msgspec import Struct

from punch.detect.classify import Tests

KEPT = 86_400.0
"""Seconds a network's profile is believed when the host comes back to it."""
NETWORKS = 32
"""Networks remembered; the one measured longest ago gives way."""

Place = tuple[str, str]
"""The network's key and the public prefix."""


class Remembered(Struct, frozen=True, kw_only=True):
    """What was measured in one network, and when."""

    tests: Tests
    at: float


class Memory:
    """By place."""

    def __init__(self) -> None:
        self._known: dict[Place, Remembered] = {}

    def find(self, place: Place | None, *, now: float) -> Remembered | None:
        """What is still believed of it."""
        found = self._known.get(place) if place is not None else None
        return found if found is not None and now - found.at < KEPT else None

    def keep(self, place: Place | None, tests: Tests, *, at: float) -> None:
        """It was measured `at`; None: a place that has no name is not remembered."""
        if place is None:
            return
        self._known.pop(place, None)
        self._known[place] = Remembered(tests=tests, at=at)
        while len(self._known) > NETWORKS:
            del self._known[next(iter(self._known))]
