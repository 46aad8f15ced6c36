"""Samples as text: median or maximum beside floor and aim; pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from msgspec import Struct

from tools.bench.dataplane import number

Samples = dict[str, list[float]]
"""Figure -> what each round measured."""
Value = Callable[[Samples], float | None]


class Goal(Struct, frozen=True, kw_only=True):
    """A figure made of samples, with what it must reach and what we aim at."""

    title: str
    value: Value
    floor: float
    aim: float
    less: bool = True
    """Smaller is better."""
    around: float | None = None
    """Set: `floor` and `aim` are how far the value may be from here."""

    def verdict(self, value: float) -> str:
        """`aim`, `floor` or `BELOW FLOOR`."""
        for word, bound in (("aim", self.aim), ("floor", self.floor)):
            if self.around is not None:
                reached = abs(value - self.around) <= bound
            else:
                reached = value <= bound if self.less else value >= bound
            if reached:
                return word
        return "BELOW FLOOR"

    def bounds(self) -> tuple[str, str]:
        """Floor and aim as people read them."""
        if self.around is None:
            return f"{self.floor:g}", f"{self.aim:g}"
        floor, aim = (f"{self.around - bound:g}-{self.around + bound:g}" for bound in (self.floor, self.aim))
        return floor, aim


class Told(Struct, frozen=True, kw_only=True):
    """A row as it was measured."""

    goals: Sequence[Goal]
    samples: Samples
    runs: int
    failed: Sequence[str] = ()
    """What ended the rounds that failed."""
    beside: Sequence[str] = ()
    """Figures shown without a goal, by name."""


def median(name: str) -> Value:
    """The middle of a figure's rounds."""
    return lambda samples: statistics.median(samples[name]) if samples.get(name) else None


def worst(name: str) -> Value:
    """The largest of a figure's rounds."""
    return lambda samples: max(samples[name]) if samples.get(name) else None


def ratio(over: str, under: str) -> Value:
    """The median of one figure by that of another."""

    def value(samples: Samples) -> float | None:
        above, below = median(over)(samples), median(under)(samples)
        return above / below if above is not None and below else None

    return value


def lines(rows: Sequence[Told]) -> list[str]:
    """The table: a line a goal, below it what was measured beside, and what failed."""
    out = [f"{'figure':66}{'measured':>10}{'floor':>8}{'aim':>8}  met"]
    for row in rows:
        for goal in row.goals:
            value = goal.value(row.samples)
            floor, aim = goal.bounds()
            met = "not measured" if value is None else goal.verdict(value)
            note = f", {len(row.failed)} of {row.runs} runs FAILED" if row.failed else ""
            out.append(f"{goal.title:66}{number(value):>10}{floor:>8}{aim:>8}  {met}{note}")
        beside = [f"{name} {number(median(name)(row.samples))}" for name in row.beside if name in row.samples]
        out += [f"    beside: {', '.join(beside)}"] if beside else []
        out += [f"    failed: {in_short(text)}" for text in row.failed]
    return out


def in_short(text: str) -> str:
    """So much of an error as fits below a row: what it is about, and what was said last."""
    said = [line for line in text.splitlines() if line.strip()] or ["it does not say why"]
    return said[0][:160] if len(said) == 1 else f"{said[0][:80]} .. {said[-1][-120:]}"
