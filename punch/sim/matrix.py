"""Duels of many pairs, many seeds each, as a table.

local               remote              direct   s median   s p95   packets   entries   else
nat3                nat4-uniform         98.0 %       2.61    9.80       402       512   too_late 2
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations_with_replacement

from msgspec import Struct

from punch.sim.duel import Outcome, duel
from punch.sim.meeting import Terms
from punch.sim.zoo import READABLE

HEAD = f"{'local':22}{'remote':22}{'direct':>8}{'s median':>11}{'s p95':>8}{'packets':>10}{'entries':>10}   else"


class Cell(Struct, frozen=True, kw_only=True):
    """One pair over all its seeds; figures of seconds are of the duels that got direct."""

    local: str
    remote: str
    duels: int
    direct: int
    median: float | None
    """Seconds."""
    p95: float | None
    packets: float
    """Of both sides, median of all duels."""
    entries: int
    """The most in any NAT of any duel."""
    pps: int
    """The most datagrams of a side within one second of any duel."""
    reasons: dict[str, int]
    """Why the others did not get direct."""

    def line(self) -> str:
        """As a line under HEAD."""
        share = f"{100 * self.direct / self.duels:.1f} %"
        seconds = f"{_number(self.median):>11}{_number(self.p95):>8}"
        others = ", ".join(f"{reason} {count}" for reason, count in self.reasons.items())
        named = f"{self.local:22}{self.remote:22}{share:>8}"
        return f"{named}{seconds}{self.packets:>10.0f}{self.entries:>10}   {others}".rstrip()


def pairs(kinds: Iterable[str] = tuple(READABLE)) -> list[tuple[str, str]]:
    """All pairs of these kinds of the zoo, each once."""
    return list(combinations_with_replacement(kinds, 2))


def matrix(wanted: Iterable[tuple[str, str]], *, seeds: Iterable[int], terms: Terms | None = None) -> Iterator[Cell]:
    """Fight each pair once a seed; a cell is yielded as soon as its pair is through.

    Raises:
        KeyError: no kind of the zoo is called so.
    """
    numbers = tuple(seeds)
    for local, remote in wanted:
        yield cell(local, remote, [duel(local, remote, seed=seed, terms=terms) for seed in numbers])


def cell(local: str, remote: str, outcomes: list[Outcome]) -> Cell:
    """What became of one pair, at least once fought."""
    seconds = sorted(each.seconds for each in outcomes if each.seconds is not None)
    packets = sorted(float(sum(each.packets)) for each in outcomes)
    return Cell(
        local=local,
        remote=remote,
        duels=len(outcomes),
        direct=len(seconds),
        median=_quantile(seconds, 0.5),
        p95=_quantile(seconds, 0.95),
        packets=_quantile(packets, 0.5) or 0.0,
        entries=max(max(each.entries) for each in outcomes),
        pps=max(max(each.pps) for each in outcomes),
        reasons=dict(Counter(each.reason for each in outcomes if not each.success)),
    )


def _quantile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
