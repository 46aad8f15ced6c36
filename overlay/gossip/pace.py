"""How often one thing may be said: a burst, then evenly, and what must wait is said once, at its newest."""

from __future__ import annotations

from msgspec import Struct


class Pace(Struct):
    """The generic cell rate algorithm (ITU-T I.371 annex A), where calls that must wait share one slot."""

    burst: int
    """Slots given at once after a silence."""
    every: float
    """Seconds between slots from then on."""
    earned: float = float("-inf")
    """The moment the allowance is whole again."""
    slot: float = float("-inf")
    """The last slot given."""

    def at(self, *, now: float) -> float:
        """The moment to speak: now, or the slot that is still to come."""
        if self.slot <= now:
            self.slot = max(now, self.earned - (self.burst - 1) * self.every)
            self.earned = max(self.earned, self.slot) + self.every
        return self.slot
