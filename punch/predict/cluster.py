"""A new port lies near one seen before (nat-science 4.1, K): an urn that fits what nobody modelled.

    seen   |    |          |
         /\\|/\\ /|\\       /\\|/\\      two-sided geometric, W ports wide

Covers counters of several cores, mixed NATs, random steps and counters that run with time.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import partial

from punch.predict.hypothesis import HIGH, LOSS, LOW, PORTS, Evidence, Explanation

WIDTHS = (4, 16, 64, 256)
CONCENTRATION = 0.5
"""How much of an observation the wide prior counts for."""
FADED = 10
"""Widths beyond which nothing of a sample is felt: e^-10."""
FAINT = math.exp(-4.0)
"""Ports farther than four widths from a lone sample are left to the others."""


def explain(evidence: Evidence) -> list[Explanation]:
    """One hypothesis a width, with its log likelihood."""
    ports = [sample.external for sample in evidence.samples]
    if not ports:
        return []
    prior = -math.log(len(WIDTHS))
    return [(prior + _likelihood(ports, width), partial(Cluster, ports, width, evidence)) for width in WIDTHS]


def _likelihood(ports: list[int], width: int) -> float:
    total, reach = -math.log(PORTS), FADED * width
    for count in range(1, len(ports)):
        port = ports[count]
        ways = [port - earlier for earlier in ports[:count] if -reach <= port - earlier <= reach]
        near = sum([math.exp(-abs(way) / width) for way in ways]) / (2 * width + 1)
        total += math.log((near + CONCENTRATION / PORTS) / (count + CONCENTRATION))
    return total


class Cluster:
    """Ports around the samples, the densest first; nothing is written down before it is wanted."""

    family = "cluster"

    def __init__(self, ports: list[int], width: int, evidence: Evidence) -> None:
        self._ports = sorted(ports)
        self._width = width
        self._parity = evidence.parity
        self._tried = evidence.tried
        self._holes = float(len(evidence.holes))
        self.least = min(ports) - FADED * width
        self.most = max(ports) + FADED * width
        self._spent = 0.0
        self._scale = 1.0 / ((2 * width + 1) * (len(ports) + CONCENTRATION))
        self._order = self._around()
        self._head: int | None = None
        self._head_near = 0.0

    def _around(self) -> Iterator[int]:
        """From every sample outwards on both sides, always on where the samples are densest."""
        front = [(-self._near(port + side), port + side, side) for port in self._ports for side in (1, -1)]
        heapq.heapify(front)
        while front:
            _, port, side = heapq.heappop(front)
            yield port
            further = port + side
            if further not in self._ports and self._near(further) > FAINT * self._scale:
                heapq.heappush(front, (-self._near(further), further, side))

    def head(self) -> int | None:
        """See `Hypothesis`."""
        while self._head is None:
            port = next(self._order, None)
            if port is None:
                return None
            if LOW <= port <= HIGH and port not in self._tried and self._parity in (None, port & 1):
                self._head, self._head_near = port, self._near(port)
        return self._head

    def chance(self, port: int) -> float:
        """See `Hypothesis`."""
        if not self.least <= port <= self.most or self._parity not in (None, port & 1):
            return 0.0
        near = self._head_near if port == self._head else self._near(port)
        if not near:
            return 0.0
        chance = min(0.95, self._holes * near / max(0.05, 1.0 - self._spent))
        return chance * LOSS if port in self._tried else chance

    def _near(self, port: int) -> float:
        width, ports = self._width, self._ports
        first = bisect_left(ports, port - FADED * width)
        last = bisect_right(ports, port + FADED * width, first)
        if first == last:
            return 0.0
        return self._scale * sum([math.exp(-abs(port - seen) / width) for seen in ports[first:last]])

    def miss(self, port: int, *, first: bool) -> None:
        """See `Hypothesis`."""
        if first and self.least <= port <= self.most:
            self._spent += self._head_near if port == self._head else self._near(port)
        if port == self._head:
            self._head = None

    def more(self, count: int) -> None:
        """See `Hypothesis`."""
        self._holes += count
