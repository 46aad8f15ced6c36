"""The matrix of all pairs, on several cores, and how fast this machine simulates."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import time
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from punch.predict.feasible import outlook
from punch.sim.duel import duel
from punch.sim.matrix import Cell, matrix, pairs
from punch.sim.meeting import Terms
from punch.sim.zoo import KINDS

Pair = tuple[str, str]
EVERYDAY = (
    *("open", "nat1", "nat2", "nat3", "adm"),
    *("nat4-preserving", "nat4-sequential", "nat4-block-1024", "nat4-uniform", "cgn-block"),
)
"""Kinds that stand for all the others: their pairs are simulated where none is named."""
ALL = "all"
"""Stands for the pairs of all kinds whose every axis can be told."""
TIMED = ("nat3", "nat4-uniform")
"""The pair that worlds a minute are counted of: the longest search there is."""
SURE = 0.95
"""Chance from which on a pair counts as promised."""
SELDOM = 50_000
"""New objects after which Python looks for garbage: those of a few worlds (its default is 700)."""


def read_pairs(text: str) -> list[Pair]:
    """`nat3:nat4-uniform,nat1:nat3` as pairs; a name alone stands for it with each kind, `all` for the whole matrix,
    nothing for that of everyday kinds.

    Raises:
        ValueError: no kind is called so.
    """
    if text in ("", ALL):
        return pairs() if text else pairs(EVERYDAY)
    found: list[Pair] = []
    for word in text.split(","):
        local, colon, remote = word.strip().partition(":")
        for name in (local, remote) if colon else (local,):
            if name not in KINDS:
                raise ValueError(f"no NAT is called {name!r}; there are {', '.join(KINDS)}")
        found += [(local, remote)] if colon else [(local, other) for other in KINDS]
    return found


def cells(wanted: Sequence[Pair], *, seeds: range, terms: Terms, jobs: int) -> Generator[Cell]:
    """The matrix, in order, a cell as soon as it and those before it are through; `jobs` processes at once.

    Closed early, or interrupted, it ends the processes. They share nothing, so that one which is killed stops nobody
    (`multiprocessing.Pool` waits for ever for a lock that a killed worker held).
    """
    if jobs == 1:
        _collect_seldom()
        yield from matrix(wanted, seeds=seeds, terms=terms)
        return
    context = multiprocessing.get_context("spawn")
    workers: list[tuple[SpawnProcess, Connection]] = []
    try:
        for number in range(jobs):
            near, far = context.Pipe(duplex=False)
            share = wanted[number::jobs]
            worker = context.Process(target=_work, args=(far, share, seeds, terms), daemon=True)
            worker.start()
            far.close()
            workers.append((worker, near))
        for number in range(len(wanted)):
            yield workers[number % jobs][1].recv()
    finally:
        for worker, _ in workers:
            worker.kill()
        for worker, near in workers:
            worker.join()
            near.close()


def _work(to: Connection, wanted: Sequence[Pair], seeds: range, terms: Terms) -> None:
    """One process' share. Ctrl-C goes to every process of a terminal: the first of them sees to the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _collect_seldom()
    for cell in matrix(wanted, seeds=seeds, terms=terms):
        to.send(cell)


def worlds_a_minute(*, seconds: float, terms: Terms) -> float:
    """Worlds of NAT3 and NAT4 uniform that one core simulates in a minute, measured for so many seconds of CPU."""
    _collect_seldom()
    began = time.process_time()
    count = 0
    while (spent := time.process_time() - began) < seconds or not count:
        duel(*TIMED, seed=f"rate {count}", terms=terms)
        count += 1
    return 60 * count / spent


def chance(cell: Cell) -> float:
    """What arithmetic promises this pair, for one attempt after another (`predict.feasible`)."""
    return outlook(KINDS[cell.local].expected, KINDS[cell.remote].expected).chance


def success(found: Sequence[Cell]) -> tuple[int, int]:
    """Duels that got direct, and those that could, of pairs that arithmetic promises to meet."""
    sure = [cell for cell in found if chance(cell) >= SURE]
    return sum(cell.direct for cell in sure), sum(_tried(cell) for cell in sure)


def by_chance(found: Sequence[Cell]) -> tuple[int, int, float]:
    """The same of pairs that may meet or not, and how many of them should have in one attempt each."""
    left = [cell for cell in found if chance(cell) < SURE]
    return sum(cell.direct for cell in left), sum(map(_tried, left)), sum(_tried(cell) * chance(cell) for cell in left)


def _tried(cell: Cell) -> int:
    """Duels that neither engine called infeasible."""
    return cell.duels - cell.reasons.get("infeasible", 0)


def _collect_seldom() -> None:
    """A world is garbage as a whole once it is over, so Python need not look for some in it again and again."""
    gc.freeze()
    gc.set_threshold(SELDOM)
