"""Runs as text: medians and 95th percentiles, beside floor, aim and the others; pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from msgspec import Struct

from tools.bench.punch.rows import Bound, Row
from tools.bench.punch.trial import Trial

_COLUMNS = (("direct", 8), ("median s", 10), ("p95 s", 8), ("packets", 9), ("in all", 8), ("entries", 9), ("lost", 6))


class Summary(Struct, frozen=True):
    """Of all runs of one contender in one row; None: nothing succeeded, or it is not to be had."""

    runs: int
    successes: int
    median_s: float | None
    p95_s: float | None
    packets: float | None
    """Median over all runs, of both sides."""
    in_all: float | None
    entries: float | None
    """The most in either NAT in any run."""
    lost: int
    """Pings lost in all runs."""


def summary(trials: Sequence[Trial]) -> Summary:
    """Medians over the runs that succeeded; packets over all."""
    times = [trial.seconds for trial in trials if trial.success and trial.seconds is not None]
    packets = [trial.packets for trial in trials if trial.packets is not None]
    in_all = [trial.in_all for trial in trials if trial.in_all is not None]
    entries = [max(trial.entries) for trial in trials if trial.entries is not None]
    return Summary(
        runs=len(trials),
        successes=sum(trial.success for trial in trials),
        median_s=statistics.median(times) if times else None,
        p95_s=percentile(times, 0.95),
        packets=statistics.median(packets) if packets else None,
        in_all=statistics.median(in_all) if in_all else None,
        entries=max(entries) if entries else None,
        lost=sum(trial.lost for trial in trials),
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def verdict(row: Row, found: Summary) -> str:
    """`aim`, `floor` or `BELOW FLOOR`; a row without bounds says how often it got there."""
    if row.goal is None:
        return f"{found.successes} of {found.runs}"
    if found.successes < found.runs:
        return "BELOW FLOOR"
    for word, bound in (("aim", row.goal.aim), ("floor", row.goal.floor)):
        if _within(found, bound):
            return word
    return "BELOW FLOOR"


def _within(found: Summary, bound: Bound) -> bool:
    pairs = ((found.median_s, bound.median_s), (found.p95_s, bound.p95_s), (found.packets, bound.packets))
    return all(value is not None and value <= limit for value, limit in pairs)


def lines(rows: Sequence[Row], found: dict[str, dict[str, Summary]]) -> list[str]:
    """The table: one line a row and contender; `found` is row name -> contender -> summary, ours first."""
    columns = (
        ("direct", 8),
        ("median s", 10),
        ("p95 s", 8),
        ("packets", 9),
        ("in all", 8),
        ("entries", 9),
        ("lost", 6),
    )
    head = f"{'pair':44}{'who':10}" + "".join(f"{title:>{width}}" for title, width in columns)
    out = [f"{head}  {'floor s, p95, packets':24}{'aim s, packets':16}met"]
    for row in rows:
        for position, (who, each) in enumerate(found.get(row.name, {}).items()):
            cells = f"{row.title if not position else '':44}{who:10}{f'{each.successes}/{each.runs}':>8}"
            cells += f"{number(each.median_s):>10}{number(each.p95_s):>8}{number(each.packets):>9}"
            cells += f"{number(each.in_all):>8}{number(each.entries):>9}{each.lost:>6}"
            out.append(cells if position else f"{cells}  {_bounds(row)}{verdict(row, each)}")
    return out


def _bounds(row: Row) -> str:
    if row.goal is None:
        return f"{'-':24}{'-':16}"
    floor = f"{row.goal.floor.median_s:g}, {row.goal.floor.p95_s:g}, {row.goal.floor.packets:g}"
    return f"{floor:24}{f'{row.goal.aim.median_s:g}, {row.goal.aim.packets:g}':16}"


def number(value: float | None) -> str:
    """Two decimals below 100, none above."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"
