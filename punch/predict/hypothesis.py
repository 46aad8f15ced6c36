"""What every hypothesis is given and what it offers, and the two queues most of them are made of.

    Ranked      some ports are likelier than others: a list, the likeliest first
    Scattered   any port of a range is as likely as the next: drawn like cards, without writing the range down

A port that was tried and missed keeps a chance of `LOSS`: the probe, the answer or the hole's packet may have been
lost. So each queue offers its ports a second time once all were tried.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from punch.signals import Sample
from punch.values import NatProfile

LOW, HIGH = 1024, 65535
"""Ports a search may touch: never one below 1,024 (protocol section 9)."""
PORTS = HIGH - LOW + 1
LOSS = 0.03
"""Chance that a probe of the right port goes unanswered; 10 % real loss changes the ranking little (4.2)."""

Hole = tuple[int, int, float]
"""(index, local port, when): as `signals.Sampled` carries them."""


class Evidence(Struct, frozen=True, kw_only=True):
    """What a search knows when it begins."""

    samples: tuple[Sample, ...]
    """In the order they were made."""
    holes: tuple[Hole, ...]
    profile: NatProfile
    """What detection knows of the NAT that made them."""
    entropy: random.Random
    tried: set[int]
    """Ports that need no (first) try; shared with the posterior, who adds to it."""
    parity: int | None
    """0 or 1: all holes have such ports outside; None: any."""


class Hypothesis(Protocol):
    """One explanation, with its own order of ports."""

    family: str
    """preserving, sequential, block, cluster or uniform."""
    least: int
    most: int
    """First and last port that it says anything of: another has no chance, and a miss there changes nothing."""

    def head(self) -> int | None:
        """The port to try next if this explanation is true; None: it has no more to offer."""

    def chance(self, port: int) -> float:
        """Chance of a hole at `port` now if it is true."""

    def miss(self, port: int, *, first: bool) -> None:
        """`port` was tried in vain; `first`: for the first time."""

    def more(self, count: int) -> None:
        """The hard side opened `count` more holes whose place nothing is known of."""


Explanation = tuple[float, Callable[[], Hypothesis]]
"""The log likelihood of the samples' outside ports, and how to build the hypothesis if that is worth it."""


class Ranked:
    """Ports with chances of their own."""

    def __init__(self, family: str, chances: dict[int, float]) -> None:
        self.family = family
        self._chances = chances
        self._missed: dict[int, int] = {}
        self._round = 1
        self._order = sorted(chances, key=chances.__getitem__, reverse=True)
        self.least, self.most = min(chances, default=0), max(chances, default=0)
        self._next = 0

    def head(self) -> int | None:
        """See `Hypothesis`."""
        while self._round <= 2:
            while self._next < len(self._order):
                port = self._order[self._next]
                if self._missed.get(port, 0) < self._round:
                    return port
                self._next += 1
            self._round, self._next = self._round + 1, 0
        return None

    def chance(self, port: int) -> float:
        """See `Hypothesis`."""
        return self._chances.get(port, 0.0)

    def miss(self, port: int, *, first: bool) -> None:
        """See `Hypothesis`."""
        chance = self._chances.get(port)
        if chance is not None:
            self._missed[port] = self._missed.get(port, 0) + 1
            self._chances[port] = chance * LOSS / (1.0 - chance * (1.0 - LOSS))

    def more(self, count: int) -> None:
        """Nothing: where they are is not known to a ranking."""


def draw(count: int, entropy: random.Random) -> Iterator[int]:
    """0..count-1 in random order: Fisher and Yates, writing down only what was swapped."""
    swapped: dict[int, int] = {}
    roll = entropy.random
    for index in range(count):
        other = index + int(roll() * (count - index))
        yield swapped.get(other, other)
        swapped[other] = swapped.pop(index, index)


class Scattered:
    """Holes anywhere in `low`..`low + count - 1`, none likelier than another."""

    def __init__(self, family: str, low: int, count: int, evidence: Evidence) -> None:
        self.family = family
        self._tried = evidence.tried
        self._entropy = evidence.entropy
        self._stride = 1 if evidence.parity is None else 2
        self._low = low if evidence.parity is None else low + ((low ^ evidence.parity) & 1)
        self._high = low + count
        self.least, self.most = self._low, self._high - 1
        self._count = max(1, len(range(self._low, self._high, self._stride)))
        self._free = float(self._count - sum(self._has(port) for port in evidence.tried))
        self._holes = float(len(evidence.holes))
        self._draw = draw(self._count, self._entropy)
        self._round = 1
        self._head: int | None = None

    def _has(self, port: int) -> bool:
        return self._low <= port < self._high and (port - self._low) % self._stride == 0

    def head(self) -> int | None:
        """See `Hypothesis`."""
        while self._head is None:
            drawn = next(self._draw, None)
            if drawn is None:
                if self._round == 2:
                    return None
                self._round, self._draw = 2, draw(self._count, self._entropy)
            elif (port := self._low + drawn * self._stride) not in self._tried or self._round == 2:
                self._head = port
        return self._head

    def chance(self, port: int) -> float:
        """See `Hypothesis`: every hole still unfound is among the ports not tried."""
        if not self._low <= port < self._high or (self._stride == 2 and (port ^ self._low) & 1):
            return 0.0
        chance = self._holes / self._free if self._free > self._holes else 0.98
        return chance * LOSS if port in self._tried else chance

    def miss(self, port: int, *, first: bool) -> None:
        """See `Hypothesis`."""
        if port == self._head:
            self._head = None
        if first and self._has(port):
            self._free -= 1.0

    def more(self, count: int) -> None:
        """See `Hypothesis`: one opened now may also lie where a try came too early."""
        self._holes += count * max(0.0, self._free) / self._count
