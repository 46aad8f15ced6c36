"""Somebody else signs as we do: an earlier run of ours, or a copy of this device that runs now (protocol section 8).

record of our id that this run did not sign, at our sequence or above
    the first time      an earlier run got so far: go above it
    again               go above it by a random step, which no earlier run can know
    above that step     its signer heard us: a clone. Told to the person; outbid three times, then every ten minutes
"""

from __future__ import annotations

import random

from overlay.gossip.pace import Pace
from overlay.gossip.record import Record

STEP_LEAST, STEP_MOST = 1 << 10, 1 << 20
"""How far above: chance does not meet it, and 2^63 sequences last."""
OUTBID_BURST, OUTBID_EVERY = 3, 600.0
"""Records against a clone at once, so that both see that the other lives, and seconds between two from then on."""
FORGOTTEN = 3 * OUTBID_EVERY
"""Seconds without a word of a clone after which it is gone."""


class Clones:
    """What we know of others that hold our key."""

    def __init__(self, boot: bytes, *, entropy: random.Random) -> None:
        self._boot = boot
        self._entropy = entropy
        self._met = 0
        self._step: int | None = None
        """The sequence that only one that heard us can exceed."""
        self._pace = Pace(OUTBID_BURST, OUTBID_EVERY)
        self._seen_at = 0.0
        self._last: Record | None = None
        self._due: tuple[float, int] | None = None

    @property
    def record(self) -> Record | None:
        """The last record of a clone that lives; None: there is none that we know of."""
        return self._last

    def foreign(self, record: Record, *, now: float) -> int | None:
        """A record of ours that this run did not sign: the sequence to go above now; None: not yet, see `due`."""
        lives = self._step is not None and record.sequence > self._step
        if lives and record.boot != self._boot and not record.left:
            self._last, self._seen_at = record, now
        self._met += 1
        if self._last is None:
            return self._above(record.sequence)
        at = self._pace.at(now=now)
        if at > now:
            self._due = (at, max(record.sequence, self._due[1] if self._due else 0))
            return None
        return self._above(record.sequence)

    def due(self) -> float | None:
        """When a clone may be outbid again."""
        return self._due[0] if self._due else None

    def outbid(self, *, now: float) -> int | None:
        """The sequence to go above, if it is time."""
        if self._due is None or self._due[0] > now:
            return None
        (_, sequence), self._due = self._due, None
        return self._above(sequence)

    def tidy(self, *, now: float) -> None:
        """Forget a clone that ended."""
        if self._last is not None and now - self._seen_at > FORGOTTEN:
            self._last = self._due = self._step = None
            self._met = 0

    def _above(self, sequence: int) -> int:
        if self._met < 2:
            return sequence
        self._step = sequence + self._entropy.randrange(STEP_LEAST, STEP_MOST)
        return self._step
