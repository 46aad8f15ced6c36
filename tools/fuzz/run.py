"""Inputs in blocks, each replayable from target, seed and number; failing ones with the command that replays them."""

from __future__ import annotations

import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator

from msgspec import Struct, field

from tools.fuzz.mutate import Mutator
from tools.fuzz.target import Feed, Target

BLOCK = 1000
"""Inputs that one room is fed."""

SLOW = 2.0
"""Seconds after which an input counts as failing, though it is answered."""

SHOWN = 5
"""Failing inputs told of one target; one for each place that raises."""


class Failure(Struct, frozen=True):
    """An input that the house did not bear."""

    data: bytes
    where: str
    """Exception, file and line."""
    block: int
    alone: bool
    """A fresh room fails on it too."""


class Outcome(Struct):
    """What a target bore."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    failures: dict[str, Failure] = field(default_factory=dict)
    """By where."""

    @property
    def rate(self) -> float:
        """Inputs a second."""
        return self.inputs / self.seconds if self.seconds else 0.0


def inputs_of(target: Target, seed: int, block: int) -> Iterator[bytes]:
    """The endless inputs of one block, always the same."""
    dice = random.Random(f"{target.name}/{seed}/{block}")
    mutator = Mutator(target.corpus(), dice)
    while True:
        data = mutator.next()
        yield target.polish(data, dice) if target.polish else data


def run(target: Target, *, inputs: int, seconds: float, seed: int) -> Outcome:
    """Feed `target` until inputs or seconds are spent."""
    outcome = Outcome(target.name)
    began = time.perf_counter()
    block = 0
    while outcome.inputs < inputs and outcome.seconds < seconds:
        run_block(target, seed, block, min(BLOCK, inputs - outcome.inputs), outcome)
        outcome.seconds = time.perf_counter() - began
        block += 1
    return outcome


def run_block(target: Target, seed: int, block: int, count: int, outcome: Outcome) -> None:
    """Feed one fresh room `count` inputs; after a failure the rest goes to another one."""
    feed = target.room()
    source = inputs_of(target, seed, block)
    for _ in range(count):
        data = next(source)
        outcome.inputs += 1
        if where := fault(feed, data):
            if where not in outcome.failures and len(outcome.failures) < SHOWN:
                alone = fault(target.room(), data) is not None
                outcome.failures[where] = Failure(data, where, block, alone)
            feed = target.room()


def fault(feed: Feed, data: bytes) -> str | None:
    """Where `feed` failed on `data`; None if it bore it."""
    began = time.perf_counter()
    try:
        feed(data)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
    taken = time.perf_counter() - began
    return f"slow: {taken:.1f} s" if taken > SLOW else None


def report(outcome: Outcome, seed: int, say: Callable[[str], object] = print) -> None:
    """One line a target, and two a failing input."""
    verdict = f"{len(outcome.failures)} FAILED" if outcome.failures else "ok"
    say(
        f"{outcome.target:<26} {outcome.inputs:>9,} inputs {outcome.seconds:>7.1f} s {outcome.rate:>9,.0f}/s  {verdict}"
    )
    for failure in outcome.failures.values():
        how = f"--hex {failure.data.hex()}" if failure.alone else f"--seed {seed} --block {failure.block}"
        say(f"  {failure.where}")
        say(f"  replay: python -m tools.fuzz {outcome.target} {how}")


def replay(feed: Feed, inputs: Iterator[bytes], count: int) -> bool:
    """Feed `count` inputs to one room and let the first failure show its whole traceback; True if there was none."""
    for _ in range(count):
        data = next(inputs)
        try:
            feed(data)
        except Exception:
            print(f"failing input: {data.hex()}", file=sys.stderr)
            traceback.print_exc()
            return False
    return True
