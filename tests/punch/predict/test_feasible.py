"""The tables of nat-science 2 and 3, from the formulas."""

from __future__ import annotations

import math

import pytest

from punch.predict.feasible import birthday, hit, outlook, seconds_for
from punch.predict.hypothesis import PORTS
from punch.values import Allocation, NatProfile, udp

EASY = NatProfile(mapping="eim", filtering="apdf", reflexive=udp("198.51.100.1", 27182))


def hard(allocation: Allocation, block: tuple[int, int] | None = None) -> NatProfile:
    return NatProfile(mapping="apdm", filtering="apdf", allocation=allocation, block=block)


@pytest.mark.parametrize(
    ("holes", "probes", "percent"),
    [(32, 100, 4.8), (84, 700, 60.0), (128, 1000, 86.5), (256, 256, 63.9), (256, 1750, 99.9), (512, 400, 95.9)],
)
def test_one_random_side(holes: int, probes: int, percent: float) -> None:
    assert 100 * hit(PORTS, holes, probes) == pytest.approx(percent, abs=0.06)


def test_a_budget_lets_packets_out_slowly() -> None:
    assert seconds_for(40) == 0.0
    assert seconds_for(73) == pytest.approx(1.0)
    assert seconds_for(239) == pytest.approx(3.0, abs=0.02)


def test_an_even_chance_is_where_both_send_alike() -> None:
    found = birthday(PORTS)
    each = found.packets / 2
    assert 1 - math.exp(-each * each / PORTS) == pytest.approx(0.5, abs=0.01)
    assert found.chance > 0.999
    assert found.seconds < 3.0


@pytest.mark.parametrize(
    ("ours", "theirs", "least", "most"),
    [
        (EASY, EASY, 0.99, 1.0),
        (EASY, hard("sequential"), 0.99, 1.0),
        (EASY, hard("block", (20000, 1024)), 0.99, 1.0),
        (EASY, hard("uniform"), 0.99, 1.0),
        (hard("sequential"), hard("sequential"), 0.99, 1.0),
        (hard("sequential"), hard("preserving"), 0.99, 1.0),
        (hard("sequential"), hard("block", (20000, 1024)), 0.2, 0.35),
        (hard("sequential"), hard("block", (20000, 512)), 0.3, 0.45),
        (hard("uniform"), hard("uniform"), 0.0, 0.0),
        (hard("sequential"), hard("uniform"), 0.0, 0.0),
        (hard("block", (20000, 512)), hard("block", (30000, 512)), 0.0, 0.0),
        (EASY, NatProfile(blocked=True), 0.0, 0.0),
    ],
)
def test_what_a_pair_allows(ours: NatProfile, theirs: NatProfile, least: float, most: float) -> None:
    found = outlook(ours, theirs)
    assert least <= found.chance <= most
    assert outlook(theirs, ours) == found
    assert found.feasible == (least > 0.0)


@pytest.mark.parametrize(
    ("one", "other", "feasible"),
    [
        ("sequential", "sequential", True),
        ("preserving", "cluster", True),
        ("sequential", "block", True),
        ("preserving", "uniform", False),
        ("cluster", "cluster", False),
        ("block", "cluster", False),
        ("block", "block", False),
        ("uniform", "uniform", False),
    ],
)
def test_of_two_symmetric_sides_one_has_to_come_to_a_chosen_port(
    one: Allocation, other: Allocation, feasible: bool
) -> None:
    block = (4096, 1024)
    pair = hard(one, block if one == "block" else None), hard(other, block if other == "block" else None)
    assert outlook(*pair).feasible is feasible
    assert outlook(*reversed(pair)).feasible is feasible
