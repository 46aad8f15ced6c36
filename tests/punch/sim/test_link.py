"""One direction of a wire, by itself."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from punch.sim.link import Link, Wire, packet_size

chances = st.one_of(st.just(0.0), st.floats(0.0, 1.0))
links = st.builds(
    Link,
    delay=st.floats(0.0, 1.0),
    jitter=st.floats(0.0, 0.5),
    loss=chances,
    duplicate=chances,
    rate=st.one_of(st.none(), st.floats(1e4, 1e9)),
    queue=st.integers(1500, 100_000),
)


def carried(wire: Wire, sizes: list[int], *, gap: float, seed: int = 1) -> list[tuple[float, ...] | str]:
    """What becomes of packets put on a wire one after the other."""
    entropy = random.Random(seed)
    return [wire.carry(size, entropy, now=number * gap) for number, size in enumerate(sizes)]


@settings(max_examples=60)
@given(link=links, sizes=st.lists(st.integers(28, 1600), max_size=60), gap=st.floats(0.0, 0.1), seed=st.integers(0, 99))
def test_packets_keep_their_order_and_are_never_early(link: Link, sizes: list[int], gap: float, seed: int) -> None:
    latest = 0.0
    for number, outcome in enumerate(carried(Wire(link), sizes, gap=gap, seed=seed)):
        if isinstance(outcome, str):
            assert outcome in ("mtu", "queue", "loss")
            assert (outcome == "mtu") == (sizes[number] > link.mtu)
        else:
            assert len(outcome) in (1, 2)
            assert min(outcome) >= max(number * gap + link.delay, latest)
            latest = max(outcome)


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.3, 1.0])
def test_loss_is_as_frequent_as_asked(loss: float) -> None:
    lost = carried(Wire(Link(loss=loss)), [100] * 20_000, gap=0.001).count("loss")
    sigma = (20_000 * loss * (1 - loss)) ** 0.5
    assert abs(lost - 20_000 * loss) <= 4 * sigma


def test_duplicates_are_as_frequent_as_asked() -> None:
    twice = [outcome for outcome in carried(Wire(Link(duplicate=0.1)), [100] * 20_000, gap=0.001) if len(outcome) == 2]
    assert abs(len(twice) - 2000) < 200


def test_held_back_packets_are_overtaken() -> None:
    outcomes = carried(Wire(Link(reorder=0.1, held=0.005)), [100] * 1000, gap=0.001)
    times = [outcome[0] for outcome in outcomes if not isinstance(outcome, str)]
    assert sum(a > b for a, b in itertools.pairwise(times)) in range(50, 150)


def test_a_rate_spaces_packets_and_its_queue_drops_the_tail() -> None:
    wire = Wire(Link(delay=0.0, rate=8000.0, queue=5000))
    assert carried(wire, [1000] * 7, gap=0.0) == [(1.0,), (2.0,), (3.0,), (4.0,), (5.0,), "queue", "queue"]
    assert wire.carry(1000, random.Random(1), now=3.0) == (6.0,)
    assert wire.carry(1000, random.Random(1), now=10.0) == (11.0,)


def test_what_is_too_large_is_dropped() -> None:
    wire = Wire(Link(mtu=1500))
    entropy = random.Random(1)
    assert wire.carry(packet_size(bytes(1472), ipv6=False), entropy, now=0.0) != "mtu"
    assert wire.carry(packet_size(bytes(1473), ipv6=False), entropy, now=0.0) == "mtu"
    assert wire.carry(packet_size(bytes(1453), ipv6=True), entropy, now=0.0) == "mtu"
