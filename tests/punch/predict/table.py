"""Unique ports probed until a hole is hit, by allocator: the table of nat-science 4.3.

    python -m tests.punch.predict.table [TRIALS]

The burst S HHHH S ... S at 500 packets a second, up to 256 holes where the posterior wants them, as in the source.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

from msgspec import Struct

from punch.predict import Posterior
from punch.predict.hypothesis import Hole
from punch.signals import Sample
from punch.sim.model import NatModel
from punch.sim.ports import allocator
from punch.values import NatProfile

GAP = 0.002
ESCALATE = 40
"""Misses after which the hard side is asked for all 256 holes."""
MOST = 6000


class Row(Struct, frozen=True):
    """An allocator, and what the source reports for it: ports probed, median and p95."""

    name: str
    model: NatModel
    median: int
    p95: int
    foreign: float = 0.0


def _model(allocator: str, **fields: object) -> NatModel:
    return NatModel(allocator=allocator, **fields)  # type: ignore[arg-type]


ROWS = (
    Row("preserving, 10 % conflict", _model("preserving", conflict=0.1), 1, 2),
    Row("seq +1, 0/s", _model("sequential"), 1, 1),
    Row("seq +1, 20/s", _model("sequential"), 1, 1, 20.0),
    Row("seq +1, 100/s", _model("sequential"), 1, 1, 100.0),
    Row("seq +1, 300/s", _model("sequential"), 1, 3, 300.0),
    Row("seq +1, 1000/s", _model("sequential"), 2, 6, 1000.0),
    Row("seq +2, 20/s", _model("sequential", step=2), 1, 1, 20.0),
    Row("seq -1, 20/s", _model("sequential", step=-1), 1, 1, 20.0),
    Row("seq +8, 20/s", _model("sequential", step=8), 1, 1, 20.0),
    Row("block 512", _model("block", size=512), 6, 24),
    Row("block 1024", _model("block", size=1024), 6, 24),
    Row("block 2048", _model("block", size=2048), 6, 23),
    Row("block 4096", _model("block", size=4096), 12, 47),
    Row("uniform", _model("uniform"), 172, 732),
)
ROBUST = (
    Row("4 counters (cores)", _model("multicore"), 1, 2, 50.0),
    Row("block 512, sequential", _model("sequential", low=20480, high=20991), 1, 1, 5.0),
    Row("random step 1..8", _model("random-step", step=8), 3, 11, 20.0),
    Row("unaligned block 1000", _model("block", size=1000, aligned=False), 7, 28),
    Row("two blocks of 512", _model("two-blocks", size=512, aligned=True), 21, 46),
    Row("scatter (LCG)", _model("scatter"), 178, 752),
    Row("60 % seq, 40 % random", _model("mixed", share=0.6), 1, 3, 50.0),
    Row("half preserving, half seq", _model("half", share=0.5), 1, 4, 30.0),
    Row("bytes swapped, 20/s", _model("swapped"), 1, 162, 20.0),
)


class Burst:
    """One NAT, and the sequence of mappings made in it."""

    def __init__(self, row: Row, dice: random.Random) -> None:
        self.samples: list[Sample] = []
        self.holes: list[Hole] = []
        self.outside: set[int] = set()
        self._ports = allocator(row.model, row.foreign, dice)
        self._dice = dice
        self._taken: set[int] = set()
        self._index = 0

    def _map(self) -> tuple[int, int, float, int]:
        at, local = self._index * GAP, self._dice.randrange(32768, 61000)
        port = self._ports.propose(local, now=at)
        while port in self._taken:
            port = self._ports.propose(local, now=at)
        self._taken.add(port)
        self._index += 1
        return self._index - 1, local, at, port

    def sample(self) -> None:
        """S"""
        index, local, at, port = self._map()
        self.samples.append(Sample(index, at, local, port, "198.51.100.7"))

    def hole(self) -> None:
        """H"""
        index, local, at, port = self._map()
        self.holes.append((index, local, at))
        self.outside.add(port)


def ports_probed(row: Row, seed: object) -> int | None:
    """One search; None: not found in 6,000 ports."""
    dice = random.Random(f"{row.name} {seed}")
    burst = Burst(row, dice)
    for _ in range(8):
        burst.sample()
        for _ in range(4):
            burst.hole()
    burst.sample()
    posterior = Posterior(burst.samples, burst.holes, profile=NatProfile(), entropy=dice)
    for count in range(1, MOST):
        wanted = 256 if count > ESCALATE else posterior.holes_wanted() if count == 1 else 0
        more = max(0, wanted - len(burst.holes))
        for _ in range(more):
            burst.hole()
        if more:
            posterior.open_more(more)
        found = posterior.next()
        if found is None:
            return None
        if found[0] in burst.outside:
            return count
    return None


def measure(row: Row, trials: int) -> tuple[float, int, int]:
    """Share found, median and p95 of the ports probed."""
    found = sorted(ports_probed(row, seed) or MOST for seed in range(trials))
    good = sum(each < MOST for each in found)
    return good / trials, found[trials // 2], found[int(0.95 * trials)]


def table(trials: int, say: Callable[[str], object] = print) -> None:
    """Print it."""
    say(f"{'allocator':28s} {'source':>9s} {'here':>9s}   found, of {trials}")
    for row in ROWS + ROBUST:
        share, half, late = measure(row, trials)
        say(f"{row.name:28s} {f'{row.median}/{row.p95}':>9s} {f'{half}/{late}':>9s}   {100 * share:.1f} %")


if __name__ == "__main__":
    table(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
