"""Pairs for the tests of searches: an easy side, a hard side of some allocator, and what is known of it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from msgspec import Struct

from punch.sim.model import NatModel
from punch.strategies.anchor_walk import AnchorWalk
from punch.strategies.birthday import Birthday
from punch.strategies.block import Block
from punch.strategies.sandwich import Sandwich
from punch.values import NatProfile, udp
from tests.punch.strategies.pair import Met, Pair, figures, pair

EASY = NatProfile(mapping="eim", filtering="apdf", reflexive=udp("198.51.100.1", 27182))
NEAR: dict[str, float] = {}
FAR = {"delay": 0.04, "stun": 0.06, "signal": 0.1, "loss": 0.02}
"""40 ms one way, 60 ms to the STUN service and back, signals 100 ms, 2 % loss."""
Search = type[Sandwich] | type[Block] | type[Birthday]


def hard(**fields: object) -> NatProfile:
    """A symmetric NAT of which so much is known."""
    return NatProfile(mapping="apdm", filtering="apdf", **fields)  # type: ignore[arg-type]


def nat(allocator: str, **fields: object) -> NatModel:
    """How it really is."""
    return NatModel(allocator=allocator, **fields)  # type: ignore[arg-type]


class Case(Struct, frozen=True):
    """One hard side."""

    name: str
    search: Search
    model: NatModel
    profile: NatProfile
    foreign: float = 0.0


def begin(case: Case, seed: int, links: dict[str, float], *, late: float = 0.0) -> Pair:
    """An easy side 0 and a hard side 1, the birthday to follow where chance alone is left."""
    world = pair(
        f"{case.name} {seed}",
        (None, case.model),
        (EASY, case.profile),
        lambda desk, number: case.search(desk, number == 1),
        foreign=(0.0, case.foreign),
        late=late,
        **links,
    )
    if case.search is not Birthday:
        world.stages.append(lambda desk, number: Birthday(desk, number == 1))
    return world


def search(case: Case, runs: int, links: dict[str, float]) -> list[Met]:
    """So many of them, to their ends."""
    return [begin(case, seed, links).run(seconds=60.0) for seed in range(runs)]


class Both(Struct, frozen=True):
    """Two hard sides: the anchor's and the walker's."""

    name: str
    models: tuple[NatModel, NatModel]
    profiles: tuple[NatProfile, NatProfile]
    foreign: tuple[float, float] = (0.0, 0.0)


def walk(both: Both, runs: int, links: dict[str, float]) -> list[Met]:
    """So many anchors and walks, to their ends."""
    return [meeting(both, seed, links).run(seconds=60.0) for seed in range(runs)]


def meeting(both: Both, seed: int, links: dict[str, float]) -> Pair:
    """One of them."""
    return pair(
        f"{both.name} {seed}",
        both.models,
        both.profiles,
        lambda desk, number: AnchorWalk(desk, number == 0),
        foreign=both.foreign,
        **links,
    )


def counters(
    name: str, foreign: tuple[float, float] = (0.0, 0.0), steps: tuple[int, int] = (1, 1), known: bool = True
) -> Both:
    """Two sequential NATs."""
    return Both(
        name,
        (nat("sequential", step=steps[0]), nat("sequential", step=steps[1])),
        (
            hard(allocation="sequential", step=steps[0], foreign=foreign[0] if known else None),
            hard(allocation="sequential", step=steps[1], foreign=foreign[1] if known else None),
        ),
        foreign,
    )


SEARCHES = (
    Case("seq +1", Sandwich, nat("sequential"), hard(allocation="sequential", step=1, foreign=0.0)),
    Case("seq -1", Sandwich, nat("sequential", step=-1), hard(allocation="sequential", step=-1, foreign=0.0)),
    Case("seq +2, 5/s", Sandwich, nat("sequential", step=2), hard(allocation="sequential", step=2, foreign=5.0), 5.0),
    Case("seq +1, 100/s", Sandwich, nat("sequential"), hard(allocation="sequential", step=1, foreign=100.0), 100.0),
    Case("seq +1, 100/s, unknown", Sandwich, nat("sequential"), hard(), 100.0),
    Case("preserving", Sandwich, nat("preserving", conflict=0.1), hard(allocation="preserving")),
    Case("block 1024", Block, nat("block", size=1024), hard(allocation="block")),
    Case("block 1024, unknown", Sandwich, nat("block", size=1024), hard()),
    Case("block 4096", Block, nat("block", size=4096), hard(allocation="block")),
    Case("uniform", Birthday, nat("uniform"), hard(allocation="uniform")),
    Case("uniform, unknown", Sandwich, nat("uniform"), hard()),
)
UNMODELLED = (
    Case("4 counters", Sandwich, nat("multicore"), hard(), 50.0),
    Case("60 % seq, 40 % random", Sandwich, nat("mixed"), hard(), 50.0),
    Case("half preserving, half seq", Sandwich, nat("half", share=0.5), hard(), 30.0),
    Case("random step 1..8", Sandwich, nat("random-step", step=8), hard(), 20.0),
    Case("two blocks", Sandwich, nat("two-blocks"), hard()),
    Case("bytes swapped", Sandwich, nat("swapped"), hard(), 50.0),
    Case("scatter", Sandwich, nat("scatter"), hard()),
    Case("cluster", Sandwich, nat("cluster"), hard(allocation="cluster")),
    Case("seq, detected as uniform", Birthday, nat("sequential"), hard(allocation="uniform"), 20.0),
    Case("block, detected as seq", Sandwich, nat("block", size=1024), hard(allocation="sequential", step=1)),
    Case("uniform, detected as preserving", Sandwich, nat("uniform"), hard(allocation="preserving")),
)
WALKS = (
    counters("quiet"),
    counters("20/s each", (20.0, 20.0)),
    counters("100/s each", (100.0, 100.0)),
    counters("100/s each, unknown", (100.0, 100.0), known=False),
    counters("300/s each", (300.0, 300.0)),
    counters("100/s and quiet", (100.0, 0.0)),
    counters("+1 and +2, 50/s", (50.0, 50.0), (1, 2)),
    counters("-1 and +1, 50/s", (50.0, 50.0), (-1, 1)),
    counters("+2 and -2, 50/s", (50.0, 50.0), (2, -2)),
    counters("+3 and -1", (50.0, 0.0), (3, -1)),
    Both(
        "seq 100/s and preserving",
        (nat("sequential"), nat("preserving", conflict=0.1)),
        (hard(allocation="sequential", step=1, foreign=100.0), hard(allocation="preserving")),
        (100.0, 0.0),
    ),
    Both(
        "preserving both",
        (nat("preserving", conflict=0.1), nat("preserving", conflict=0.1)),
        (hard(allocation="preserving"), hard(allocation="preserving")),
    ),
)
BLOCK_WALKS = tuple(
    Both(
        f"block {size} and seq",
        (nat("block", size=size), nat("sequential")),
        (hard(allocation="block", block=(1024, size)), hard(allocation="sequential", step=1, foreign=20.0)),
        (0.0, 20.0),
    )
    for size in (512, 1024)
)


def table(runs: int, say: Callable[[str], object] = print) -> None:
    """Print figures, without delay and over a long way with loss."""
    for links, where in ((NEAR, "no delay"), (FAR, "40 ms one way, 2 % loss")):
        say(where)
        for case in SEARCHES + UNMODELLED:
            say(f"  {case.name:32s} {figures(search(case, runs, links))}")
        for both in WALKS + BLOCK_WALKS:
            say(f"  {both.name:32s} {figures(walk(both, runs, links))}")


if __name__ == "__main__":
    table(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
