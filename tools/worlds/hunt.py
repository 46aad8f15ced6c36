"""Many worlds on all cores: each worker takes every so manyth seed, and tells what came of each.

parent --spawn--> worker 0: seeds 0, 2, 4 ..  --pipe--> parent      they share nothing, so one that dies stops nobody
             `--> worker 1: seeds 1, 3, 5 ..  --pipe--'
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections.abc import Generator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from punch.sim.journal import Quiet
from tools.worlds.plan import plan
from tools.worlds.story import Outcome, live

SELDOM = 50_000
"""New objects after which Python looks for garbage: those of a world (its default is 700)."""


def one(kind: str, seed: int) -> Outcome:
    """One world without its conversation."""
    return live(plan(kind, seed), journal=Quiet())


def hunt(kind: str, seeds: range, *, jobs: int) -> Generator[Outcome]:
    """What came of every seed, as soon as it is known; `jobs` processes at once.

    Closed early, or interrupted, it ends the processes. One that dies is told as a broken world of the seed it was at.
    """
    if jobs <= 1:
        _collect_seldom()
        for seed in seeds:
            yield one(kind, seed)
        return
    context = multiprocessing.get_context("spawn")
    workers: dict[Connection, tuple[SpawnProcess, range]] = {}
    done: dict[Connection, int] = {}
    try:
        for number in range(jobs):
            near, far = context.Pipe(duplex=False)
            share = seeds[number::jobs]
            worker = context.Process(target=_work, args=(far, kind, share), daemon=True)
            worker.start()
            far.close()
            workers[near], done[near] = (worker, share), 0
        while done:
            for ready in wait(list(done)):
                assert isinstance(ready, Connection)
                share = workers[ready][1]
                outcome = _next(ready, kind, share, done[ready])
                if outcome is not None:
                    yield outcome
                done[ready] += 1
                if outcome is None or outcome.word == "died" or done[ready] == len(share):
                    del done[ready]
    finally:
        for worker, _ in workers.values():
            worker.kill()
        for near, (worker, _) in workers.items():
            worker.join()
            near.close()


def _next(ready: Connection, kind: str, share: range, done: int) -> Outcome | None:
    """What a worker says; None: it had nothing to do."""
    try:
        said = ready.recv()
    except EOFError:
        if done == len(share):
            return None
        return Outcome(kind=kind, seed=share[done], word="died", text="the process ended without a word", at=0.0)
    assert isinstance(said, Outcome)
    return said


def _work(to: Connection, kind: str, share: range) -> None:
    """One process' share. Ctrl-C goes to every process of a terminal: the first of them sees to the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _collect_seldom()
    for seed in share:
        to.send(one(kind, seed))


def _collect_seldom() -> None:
    """A world is garbage as a whole once it is over."""
    gc.freeze()
    gc.set_threshold(SELDOM)
