"""What a person reads of a peer's attempts: measured, tried, ended because. Bounded.

12.3 s  attempt 1: we ask
12.4 s    we: NAT3 (port-restricted); they: NAT4 (symmetric), sequential +1
12.4 s    trying sandwich
12.9 s  ended: direct by sandwich, 41 packets
"""

from __future__ import annotations

from collections import deque

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
        plain = "".join(each if each.isprintable() else "?" for each in text)
        self._lines.append(f"{now:.2f} s  {indent}{plain[:LINE_LENGTH]}")


_TYPES = {
    "NAT1": "NAT1 (full cone)",
    "NAT2": "NAT2 (restricted cone)",
    "NAT3": "NAT3 (port-restricted)",
    "NAT4": "NAT4 (symmetric)",
    "open": "a public address",
    "blocked": "UDP blocked",
    "unknown": "a NAT not measured yet",
}


def describe(profile: NatProfile) -> str:
    """A profile in a line: `NAT4 (symmetric), sequential +1, about 20 foreign mappings/s`."""
    parts = [_TYPES[profile.type]]
    if profile.type == "NAT4":
        step = f" {profile.step:+d}" if profile.allocation == "sequential" and profile.step else ""
        parts.append("ports not understood" if profile.allocation == "unknown" else f"{profile.allocation}{step}")
        if profile.block is not None:
            parts.append(f"{profile.block[1]} ports from {profile.block[0]}")
        if profile.foreign is not None and profile.foreign >= 1:
            parts.append(f"about {profile.foreign:.0f} foreign mappings/s")
    if profile.poisonable:
        parts.append("poisonable")
    return ", ".join(parts)
