"""What is believed after nine samples, and in which order ports are tried."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from punch.predict import Pool, Posterior
from punch.predict.hypothesis import HIGH, LOW, Hole
from punch.signals import Sample
from punch.values import NatProfile

Allocate = Callable[[int], int]
HOST = "198.51.100.7"


def counter(start: int, step: int) -> Allocate:
    port = start

    def take(local: int) -> int:
        nonlocal port
        port = LOW + (port + step - LOW) % (HIGH - LOW + 1)
        return port

    return take


def burst(
    allocate: Allocate, dice: random.Random, groups: int = 8, each: int = 4
) -> tuple[list[Sample], list[Hole], set[int]]:
    """S HHHH S ... S through one NAT: samples, holes, and where the holes really are."""
    samples, holes, outside = [], [], set()
    index, at = 0, 0.0
    for group in range(groups + 1):
        local = dice.randrange(32768, 61000)
        samples.append(Sample(index, at, local, allocate(local), HOST))
        index, at = index + 1, at + 0.002
        for _ in range(each if group < groups else 0):
            local = dice.randrange(32768, 61000)
            holes.append((index, local, at))
            outside.add(allocate(local))
            index, at = index + 1, at + 0.002
    return samples, holes, outside


def uniform(dice: random.Random) -> Allocate:
    return lambda local: dice.randint(LOW, HIGH)


def within(dice: random.Random, low: int, count: int) -> Allocate:
    ports = list(range(low, low + count))
    dice.shuffle(ports)
    return lambda local: ports.pop()


@pytest.mark.parametrize(
    ("make", "family"),
    [
        (lambda dice: lambda local: local, "preserving"),
        (lambda dice: counter(40000, 1), "sequential"),
        (lambda dice: counter(40000, -1), "sequential"),
        (lambda dice: counter(65500, 2), "sequential"),
        (lambda dice: counter(40000, 256), "sequential"),
        (lambda dice: counter(40000, 7), "sequential"),
        (lambda dice: within(dice, 20480, 1024), "block"),
        (lambda dice: within(dice, 20123, 1000), "block"),
        (uniform, "uniform"),
    ],
)
def test_the_right_family_wins(make: Callable[[random.Random], Allocate], family: str) -> None:
    right = 0
    for seed in range(20):
        dice = random.Random(seed)
        samples, holes, _ = burst(make(dice), dice)
        weights = Posterior(samples, holes, profile=NatProfile(), entropy=dice).weights()
        right += max(weights, key=weights.__getitem__) == family
        assert sum(weights.values()) == pytest.approx(1.0)
        assert weights["uniform"] >= 0.0199
    assert right >= 16


@pytest.mark.parametrize("step", [1, -1, 2, -2, 8, 256])
def test_a_quiet_counter_takes_one_probe_and_wraps(step: int) -> None:
    for start in (40000, 65530, 1030):
        dice = random.Random(start)
        samples, holes, outside = burst(counter(start, step), dice)
        found = Posterior(samples, holes, profile=NatProfile(), entropy=dice).next()
        assert found is not None
        assert found[0] in outside
        assert found[1] > 0.9


def test_two_samples_and_three_holes_do_for_a_known_quiet_counter() -> None:
    dice = random.Random(3)
    samples, holes, outside = burst(counter(40000, 1), dice, groups=1, each=3)
    profile = NatProfile(mapping="apdm", allocation="sequential", step=1, foreign=0.0)
    found = Posterior(samples, holes, profile=profile, entropy=dice).next()
    assert found is not None
    assert found[0] in outside


def test_a_known_preserving_nat_needs_no_sample() -> None:
    profile = NatProfile(mapping="apdm", allocation="preserving")
    found = Posterior([], [(0, 40001, 0.0)], profile=profile, entropy=random.Random(1)).next()
    assert found is not None
    assert found[0] == 40001
    assert found[1] > 0.75


def test_no_port_below_1024_and_none_twice_before_all_were_tried() -> None:
    dice = random.Random(5)
    samples = [Sample(i, i * 0.002, 33000 + i, 1024 + 3 * i, HOST) for i in range(9)]
    posterior = Posterior(samples, [(9, 500, 0.02), (10, 40000, 0.02)], profile=NatProfile(), entropy=dice)
    tried = [found[0] for _ in range(1500) if (found := posterior.next())]
    assert min(tried) >= LOW
    assert len(set(tried)) > 0.9 * len(tried)


def test_parity_halves_the_ports() -> None:
    dice = random.Random(6)
    samples = [Sample(i, i * 0.002, 40000 + 2 * i, dice.randrange(1024, 65536, 2), HOST) for i in range(9)]
    holes = [(9 + i, 41000 + 2 * i, 0.02) for i in range(256)]
    profile = NatProfile(mapping="apdm", allocation="uniform", parity=True)
    posterior = Posterior(samples, holes, profile=profile, entropy=dice)
    drawn = [found for _ in range(200) if (found := posterior.next())]
    assert all(port % 2 == 0 for port, _ in drawn)
    assert drawn[0][1] == pytest.approx(256 / 32256, rel=0.05)
    odd = [Sample(0, 0.0, 40000, 50001, HOST), *samples[1:]]
    contradicted = Posterior(odd, holes, profile=profile, entropy=dice)
    drawn = [found for _ in range(50) if (found := contradicted.next())]
    assert any(port % 2 for port, _ in drawn)


def test_a_uniform_search_is_given_up_when_it_is_no_bad_luck_any_more() -> None:
    dice = random.Random(7)
    samples, holes, _ = burst(uniform(dice), dice)
    posterior = Posterior(samples, holes, profile=NatProfile(), entropy=dice)
    assert posterior.holes_wanted() == 256
    posterior.open_more(256 - len(holes))
    while not posterior.exhausted:
        assert posterior.next() is not None
    assert 1600 < posterior.probes < 1850


def test_how_many_holes_a_block_is_asked_for() -> None:
    dice = random.Random(8)
    for low, count, wanted in ((20480, 512, 64), (20480, 2048, 256)):
        samples, holes, _ = burst(within(dice, low, count), dice)
        assert Posterior(samples, holes, profile=NatProfile(), entropy=dice).holes_wanted() == wanted


def test_a_lost_probe_of_the_right_port_is_made_good_later() -> None:
    dice = random.Random(9)
    samples, holes, outside = burst(counter(40000, 1), dice, groups=1, each=3)
    profile = NatProfile(mapping="apdm", allocation="sequential", step=1, foreign=0.0)
    posterior = Posterior(samples, holes, profile=profile, entropy=dice)
    tried = [found[0] for _ in range(12) if (found := posterior.next())]
    assert sum(port in outside for port in tried) > len(outside)


def test_two_addresses_share_the_holes() -> None:
    dice = random.Random(10)
    samples, holes, _ = burst(uniform(dice), dice)
    mixed = [
        Sample(s.index, s.at, s.local, s.external, HOST if i % 3 else "198.51.100.8") for i, s in enumerate(samples)
    ]
    pool = Pool(mixed, holes, [HOST, "198.51.100.8"], profile=NatProfile(), entropy=dice)
    assert pool.shares[HOST] == pytest.approx(6.5 / 10)
    hosts = [found[0] for _ in range(100) if (found := pool.next())]
    assert 20 < hosts.count(HOST) < 80
    alone = Pool(mixed, holes, [HOST], profile=NatProfile(), entropy=dice)
    found = alone.next()
    assert found is not None
    assert found[0] == HOST
    whole = Posterior([s for s in mixed if s.host == HOST], holes, profile=NatProfile(), entropy=dice).next()
    assert whole is not None
    assert found[2] == pytest.approx(0.65 * whole[1], rel=0.01)


def test_the_same_seed_gives_the_same_ports() -> None:
    def ports() -> list[int]:
        dice = random.Random(11)
        samples, holes, _ = burst(within(dice, 20480, 1024), dice)
        posterior = Posterior(samples, holes, profile=NatProfile(), entropy=dice)
        return [found[0] for _ in range(60) if (found := posterior.next())]

    assert ports() == ports()
