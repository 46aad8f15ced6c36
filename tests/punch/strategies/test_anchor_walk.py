"""Two symmetric NATs, one counter at least: a few dozen packets; with a block, what arithmetic allows and no more."""

from __future__ import annotations

from statistics import median

import pytest

from punch.predict.feasible import outlook
from punch.signals import Aim, Sampled
from tests.punch.strategies.searches import BLOCK_WALKS, FAR, NEAR, WALKS, Both, meeting, walk


@pytest.mark.parametrize("both", WALKS, ids=lambda both: both.name)
def test_without_delay(both: Both) -> None:
    runs = walk(both, 20, NEAR)
    assert all(met.ok for met in runs)
    assert median(met.seconds for met in runs) < 2.0
    assert median(met.packets for met in runs) < 150


@pytest.mark.parametrize("both", WALKS, ids=lambda both: both.name)
def test_over_a_long_way_with_loss(both: Both) -> None:
    runs = walk(both, 20, FAR)
    assert sum(met.ok for met in runs) >= (20 if max(both.foreign) <= 100 else 14)
    if max(both.foreign) <= 100:
        assert median(met.seconds for met in runs) < 2.0
        assert median(met.packets for met in runs) < 150


@pytest.mark.parametrize("both", BLOCK_WALKS, ids=lambda both: both.name)
def test_a_block_is_as_likely_as_was_told_and_bounded(both: Both) -> None:
    runs = walk(both, 60, NEAR)
    told = outlook(*both.profiles).chance
    assert abs(sum(met.ok for met in runs) / 60 - told) < 0.2
    assert max(met.packets for met in runs) < 700
    world = next(
        world for seed in range(60) if not (world := meeting(both, seed, NEAR)).run(seconds=60.0).ok and world.over
    )
    assert {side.ended[0] for side in world.sides if side.ended} == {"exhausted"}


def test_a_lost_aim_is_asked_for_again() -> None:
    world = meeting(WALKS[0], 1, NEAR)
    anchor = world.sides[0]
    say = anchor.say
    lost: list[Aim] = []

    def forgetful(signal) -> None:  # type: ignore[no-untyped-def]
        if isinstance(signal, Aim) and len(lost) < 3:
            lost.append(signal)
        else:
            say(signal)

    anchor.say = forgetful  # type: ignore[method-assign]
    met = world.run(seconds=10.0)
    assert len(lost) == 3
    assert met.ok
    assert met.seconds < 3.0


def test_silence_ends_both() -> None:
    for number in (0, 1):
        world = meeting(WALKS[0], 1, NEAR)
        world.sides[1 - number].strategy = None
        world.run(seconds=60.0)
        ended = world.sides[number].ended
        assert ended is not None
        assert ended[0] == "silent"


def test_nonsense_is_ignored() -> None:
    world = meeting(WALKS[0], 2, NEAR)
    for side in world.sides:
        assert side.strategy is not None
        side.strategy.heard(Sampled(1, 0, (), ()), now=0.0)
        side.strategy.heard(Aim(1, 77, 5000, 6000, "192.0.2.9", 1024, 0.0), now=0.0)
    assert world.run(seconds=10.0).ok
