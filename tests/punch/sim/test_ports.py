"""Outside ports come about as their allocator is named."""

from __future__ import annotations

import itertools
import random
from collections import Counter as Tally

import pytest

from punch.sim.model import NatModel
from punch.sim.ports import allocator, poisson


def ports(model: NatModel, count: int = 400, *, gap: float = 0.0, seed: int = 1) -> list[int]:
    made = allocator(model, model.foreign, random.Random(seed))
    return [made.propose(5000 + number, now=number * gap) for number in range(count)]


def steps(seen: list[int], size: int = 64512) -> list[int]:
    return [(after - before + size // 2) % size - size // 2 for before, after in itertools.pairwise(seen)]


@pytest.mark.parametrize("step", [1, -1, 2, 8, -256])
def test_a_quiet_counter_advances_by_its_step(step: int) -> None:
    assert set(steps(ports(NatModel(allocator="sequential", step=step)))) == {step}


@pytest.mark.parametrize("foreign", [5.0, 100.0, 2000.0])
def test_others_advance_a_counter_at_their_rate(foreign: float) -> None:
    moved = [step - 1 for step in steps(ports(NatModel(allocator="sequential", foreign=foreign), 2000, gap=0.02))]
    assert sum(moved) / (len(moved) * 0.02) == pytest.approx(foreign, rel=0.15)
    assert len(set(moved)) > 1


def test_keeping_ports_fails_as_often_as_there_is_a_conflict() -> None:
    seen = ports(NatModel(conflict=0.1), 5000)
    kept = sum(port == 5000 + number for number, port in enumerate(seen))
    assert kept / 5000 == pytest.approx(0.9, abs=0.02)
    assert set(map(bool, steps(ports(NatModel())))) == {True}


def test_a_preserver_asked_again_in_the_same_moment_gives_another() -> None:
    made = allocator(NatModel(), 0.0, random.Random(1))
    assert made.propose(5000, now=1.0) == 5000
    assert made.propose(5000, now=1.0) != 5000
    assert made.propose(5000, now=2.0) == 5000


@pytest.mark.parametrize(("size", "aligned"), [(512, True), (1024, True), (1000, False)])
def test_a_block_is_as_large_as_it_says(size: int, aligned: bool) -> None:
    bases = set()
    for seed in range(20):
        seen = ports(NatModel(allocator="block", size=size, aligned=aligned), 6 * size, seed=seed)
        assert size * 0.98 <= max(seen) - min(seen) + 1 <= size
        bases.add((min(seen) - 1024) // size if aligned else min(seen))
        assert not aligned or (min(seen) - 1024) // size == (max(seen) - 1024) // size
    assert len(bases) > 10


def test_uniform_ports_use_the_whole_range_evenly() -> None:
    tally = Tally((port - 1024) // 8064 for port in ports(NatModel(allocator="uniform"), 8000))
    assert len(tally) == 8
    assert max(tally.values()) < 1.15 * min(tally.values())


def test_a_cluster_stays_near_where_it_began() -> None:
    assert max(map(abs, steps(ports(NatModel(allocator="cluster", width=16), 40)))) < 2000


def test_what_no_hypothesis_models() -> None:
    swapped = steps(ports(NatModel(allocator="swapped"), 200), 65536)
    assert swapped.count(256) > 190
    assert set(steps(ports(NatModel(allocator="random-step", step=8)))) == set(range(1, 9))
    lanes = ports(NatModel(allocator="multicore", cores=4), 400)
    assert len({port // 150 for port in lanes}) <= 8
    mixed = steps(ports(NatModel(allocator="mixed", share=0.6), 1000))
    assert 0.25 < mixed.count(1) / 1000 < 0.5
    half = ports(NatModel(allocator="half", share=0.5), 1000)
    assert 400 < sum(port == 5000 + number for number, port in enumerate(half)) < 600
    scattered = ports(NatModel(allocator="scatter"), 1000)
    assert len(set(scattered)) == 1000
    assert len(set(steps(scattered))) <= 2
    two = sorted(ports(NatModel(allocator="two-blocks", size=64), 2000, seed=3))
    assert len(set(two)) <= 128


@pytest.mark.parametrize("mean", [0.0, 0.5, 8.0, 300.0])
def test_poisson_numbers_have_their_mean_and_spread(mean: float) -> None:
    dice = random.Random(1)
    drawn = [poisson(mean, dice) for _ in range(4000)]
    average = sum(drawn) / 4000
    assert average == pytest.approx(mean, rel=0.06)
    assert sum((each - average) ** 2 for each in drawn) / 4000 == pytest.approx(mean, rel=0.12)
