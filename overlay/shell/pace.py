"""How often the plane is looked at: often while something is sent, each second otherwise.

idle   |----- 1 s -----|----- 1 s -----|              counters
busy   |-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|              pulses, and counters each second
"""

from __future__ import annotations

TICK = 1.0
"""Seconds between two pulls of all counters."""
QUICK = 0.05
"""Seconds between two looks while something is sent: silence is to be noticed before the first retransmission of an
inner TCP (200 ms and a round trip: RFC 6298, with Linux' floor)."""
TRAIL = 3.0
"""Seconds after the last send in which the looks stay quick: what was sent may still be unanswered."""

ASLEEP = 3.0
"""Seconds that a look may be late; only a host that slept or a process that was stopped lets more pass."""


class Pace:
    """The next look, and whether all counters are due with it."""

    def __init__(self, now: float) -> None:
        self.next = self._full = now + TICK
        """When the next look is due."""

    def since(self, now: float) -> float:
        """From when on a send keeps the looks quick."""
        return now - TRAIL

    def slept(self, now: float) -> bool:
        """Whether the next look is so late that this host slept."""
        return now - self.next > ASLEEP

    def look(self, now: float) -> bool:
        """A look is due now: whether all counters are. Call `busy` next."""
        full = now >= self._full - QUICK / 2
        if full:
            self._full = now + TICK
        self.next = self._full
        return full

    def busy(self, now: float) -> None:
        """Something was sent of late: look again soon."""
        self.next = min(max(now, self._full), now + QUICK)
