"""The fewest faults that still break a world: leave one out after the other, and keep what is not needed out."""

from __future__ import annotations

from collections.abc import Callable

from punch.sim.journal import Quiet
from tools.worlds.plan import Plan
from tools.worlds.story import Outcome, live

Run = Callable[[Plan, tuple[int, ...]], Outcome]


def quiet(plan: Plan, only: tuple[int, ...]) -> Outcome:
    """One world, without its conversation."""
    return live(plan, only=only, journal=Quiet())


def shrink(plan: Plan, word: str, run: Run = quiet) -> tuple[int, ...]:
    """Numbers of the faults without any of which the invariant `word` holds; halves first, then one by one."""
    kept = tuple(range(len(plan.faults)))
    size = max(1, len(kept) // 2)
    while size and kept:
        smaller = _without_some(plan, word, kept, size, run)
        if smaller == kept:
            size //= 2
        kept = smaller
    return kept


def _without_some(plan: Plan, word: str, kept: tuple[int, ...], size: int, run: Run) -> tuple[int, ...]:
    """`kept` without each run of `size` faults that it breaks without too."""
    at = 0
    while at < len(kept):
        fewer = kept[:at] + kept[at + size :]
        if run(plan, fewer).word == word:
            kept = fewer
        else:
            at += size
    return kept
