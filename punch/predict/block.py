"""Random inside a block of ports that belongs to the subscriber (nat-science 4.1, B and Bu).

    aligned     |--------|---x-x--x|--------|      at a multiple of its size, from port 0 or from 1,024
    window            |--x-x--x-----|              anywhere: between the samples for sure, less so outside of them

Carriers hand out 512, 1,000, 1,024, 2,016, 4,096 (nat-science 1.3, 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from punch.predict.hypothesis import HIGH, LOSS, LOW, PORTS, Evidence, Explanation, Scattered, draw

SIZES = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
ODD_SIZES = (250, 500, 1000, 2000, 2016, 4000)
"""What carriers give in decimal, aligned to nothing."""
ALIGNED = 0.75
"""Of blocks three in four lie at a multiple of their size."""


def explain(evidence: Evidence) -> list[Explanation]:
    """Every block that holds all samples, with its log likelihood."""
    seen = [sample.external for sample in evidence.samples]
    low, high = _hull(seen, evidence)
    if low > high:
        return []
    return _aligned(low, high, len(seen), evidence) + _windows(low, high, len(seen), evidence)


def _hull(seen: list[int], evidence: Evidence) -> tuple[int, int]:
    """First and last port known to belong to the block; detection's count if these samples do not contradict."""
    known = evidence.profile.block
    if known is None or evidence.profile.allocation not in ("block", "cluster"):
        return (min(seen), max(seen)) if seen else (1, 0)
    low, high = known[0], known[0] + known[1] - 1
    if any(not low - known[1] <= port <= high + known[1] for port in seen):
        return (min(seen), max(seen))
    return min([low, *seen]), max([high, *seen])


def _aligned(low: int, high: int, count: int, evidence: Evidence) -> list[Explanation]:
    found: list[Explanation] = []
    prior = math.log(ALIGNED) - math.log(len(SIZES))
    for size in SIZES:
        bases = (0, LOW) if LOW % size else (0,)
        for base in bases:
            start = base + (low - base) // size * size
            if high < start + size:
                first, last = max(LOW, start), min(HIGH, start + size - 1)
                likelihood = prior - math.log(len(bases)) - count * math.log(size) - math.log(PORTS / size)
                found.append((likelihood, partial(Block, first, last - first + 1, evidence)))
    return found


def _windows(low: int, high: int, count: int, evidence: Evidence) -> list[Explanation]:
    found: list[Explanation] = []
    sizes = (*SIZES, *ODD_SIZES)
    prior = math.log(1.0 - ALIGNED) - math.log(len(sizes))
    for size in sizes:
        slack = size - (high - low + 1)
        if slack >= 0:
            likelihood = prior + math.log(slack + 1) - count * math.log(size) - math.log(PORTS)
            found.append((likelihood, partial(Window, low, high, size, evidence)))
    return found


class Block(Scattered):
    """A block whose place is known."""

    def __init__(self, low: int, size: int, evidence: Evidence) -> None:
        super().__init__("block", low, size, evidence)
        self.size = size


class Window:
    """A block of a known size somewhere around what was seen of it."""

    family = "block"

    def __init__(self, low: int, high: int, size: int, evidence: Evidence) -> None:
        self.size = size
        self._low, self._high = low, high
        self._slack = size - (high - low + 1)
        self.least, self.most = low - self._slack, high + self._slack
        self._evidence = evidence
        self._tried = evidence.tried
        self._stride = 1 if evidence.parity is None else 2
        self._holes = float(len(evidence.holes))
        self._free = size / self._stride - sum(self._inside(port) for port in evidence.tried)
        self._order = self._outward()
        self._head: int | None = None

    def _inside(self, port: int) -> float:
        """Chance that the block reaches as far as `port`."""
        if self._evidence.parity not in (None, port & 1) or not LOW <= port <= HIGH:
            return 0.0
        if self._low <= port <= self._high:
            return 1.0
        away = max(self._low - port, port - self._high)
        return max(0.0, 1.0 - away / (self._slack + 1))

    def _outward(self) -> Iterator[int]:
        for offset in draw(self._high - self._low + 1, self._evidence.entropy):
            yield self._low + offset
        for away in range(1, self._slack + 1):
            yield self._high + away
            yield self._low - away

    def head(self) -> int | None:
        """See `Hypothesis`."""
        while self._head is None:
            port = next(self._order, None)
            if port is None:
                return None
            if port not in self._tried and self._inside(port) > 0.0:
                self._head = port
        return self._head

    def chance(self, port: int) -> float:
        """See `Hypothesis`."""
        if not self.least <= port <= self.most:
            return 0.0
        chance = min(0.95, self._inside(port) * self._holes / max(1.0, self._free))
        return chance * LOSS if port in self._tried else chance

    def miss(self, port: int, *, first: bool) -> None:
        """See `Hypothesis`."""
        if port == self._head:
            self._head = None
        if first and self.least <= port <= self.most:
            self._free -= self._inside(port)

    def more(self, count: int) -> None:
        """See `Hypothesis`."""
        self._holes += count * max(0.0, self._free) * self._stride / self.size
