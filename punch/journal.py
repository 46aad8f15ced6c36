"""What a person reads of a peer's attempts: measured, tried, ended because. Bounded.

12.3 s  attempt 1: we ask
12.4 s    we: NAT3 port restricted; they: NAT4 symmetric, ports count by +1
12.4 s    trying sandwich
12.9 s  ended: direct by sandwich, 41 packets
"""

from __future__ import annotations

from collections import deque

from punch.detect.words import label
from punch.values import NatProfile

MOST_LINES = 120
"""Of one peer; the oldest go."""
LINES_AN_ATTEMPT = 40
"""Notes of one attempt; what comes on top is counted."""
LINE_LENGTH = 200


class Journal:
    """One peer's."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._notes = 0

    def open(self, text: str, *, now: float) -> None:
        """An attempt begins."""
        self._notes = 0
        self._write(text, "", now)

    def note(self, text: str, *, now: float) -> None:
        """Something about the attempt under way."""
        self._notes += 1
        if self._notes <= LINES_AN_ATTEMPT:
            self._write(text, "  ", now)

    def close(self, text: str, *, now: float) -> None:
        """It ended."""
        if self._notes > LINES_AN_ATTEMPT:
            self._write(f"({self._notes - LINES_AN_ATTEMPT} lines left out)", "  ", now)
        self._write(text, "", now)

    def lines(self) -> tuple[str, ...]:
        """All kept, oldest first."""
        return tuple(self._lines)

    def _write(self, text: str, indent: str, now: float) -> None:
        plain = text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
        self._lines.append(f"{now:.2f} s  {indent}{plain[:LINE_LENGTH]}")


def describe(profile: NatProfile) -> str:
    """A profile in a line: `NAT4 symmetric, ports count by +1, ~20 foreign mappings/s`."""
    if profile.type == "unknown":
        return "a NAT not measured yet"
    spoilt = ", which unasked packets can spoil" if profile.poisonable else ""
    return label(profile) + spoilt
