"""The table of strategies, and that both sides read it alike."""

from __future__ import annotations

import itertools

import pytest

from punch.strategies.build import MAKERS
from punch.strategies.choose import NEAR_FIRST, choose, side
from punch.values import Allocation, NatProfile

NAT1 = NatProfile(mapping="eim", filtering="eif")
NAT2 = NatProfile(mapping="eim", filtering="adf")
NAT3 = NatProfile(mapping="eim", filtering="apdf")
OPEN = NatProfile(open=True)
UNKNOWN = NatProfile()


def nat4(allocation: Allocation, foreign: float | None = None) -> NatProfile:
    return NatProfile(mapping="apdm", filtering="apdf", allocation=allocation, foreign=foreign)


ADM = NatProfile(mapping="adm", filtering="adf", allocation="uniform")
ALL = [OPEN, NAT1, NAT2, NAT3, UNKNOWN, ADM] + [
    nat4(each) for each in ("preserving", "sequential", "block", "cluster", "uniform", "unknown")
]


def names(local: NatProfile, remote: NatProfile, *, near: bool = False, learned: str = "") -> list[str]:
    return [each.name for each in choose(local, remote, first=True, near=near, learned=learned)]


@pytest.mark.parametrize("easy", [OPEN, NAT1, NAT2, NAT3, UNKNOWN])
def test_easy_pairs_send_at_once(easy: NatProfile) -> None:
    assert names(NAT3, easy)[0] == "simultaneous"


@pytest.mark.parametrize(
    ("allocation", "expected"),
    [
        ("preserving", ["sandwich", "birthday"]),
        ("sequential", ["sandwich", "birthday"]),
        ("cluster", ["sandwich", "birthday"]),
        ("unknown", ["sandwich", "birthday"]),
        ("block", ["block", "birthday"]),
        ("uniform", ["birthday"]),
    ],
)
def test_a_search_by_the_hard_sides_allocator(allocation: Allocation, expected: list[str]) -> None:
    assert names(NAT3, nat4(allocation)) == expected
    assert names(NAT1, nat4(allocation)) == ["reachable", *expected]


def test_both_hard_walk_unless_one_minds_addresses_only() -> None:
    assert names(nat4("sequential"), nat4("sequential")) == ["anchor_walk"]
    assert names(nat4("uniform"), ADM) == ["birthday"]


def test_near_endpoints_go_first() -> None:
    choices = choose(NAT3, nat4("uniform"), first=True, near=True)
    assert [(each.name, each.until) for each in choices] == [("simultaneous", NEAR_FIRST), ("birthday", 0.0)]


def test_what_worked_last_goes_first() -> None:
    assert names(NAT3, nat4("sequential"), learned="birthday") == ["birthday", "sandwich"]
    assert names(NAT3, nat4("sequential"), learned="no such") == ["sandwich", "birthday"]


def test_one_site() -> None:
    assert choose(NAT3, NAT3, first=True, near=True, one_site=True)[0].name == "hairpin"


def test_both_poisonable_begin_with_openings_that_die() -> None:
    poisonable = NatProfile(mapping="eim", filtering="apdf", poisonable=True)
    assert names(poisonable, poisonable) == ["low_ttl", "simultaneous"]
    assert names(poisonable, NAT3)[0] == "simultaneous"


@pytest.mark.parametrize(("local", "remote"), list(itertools.product(ALL, ALL)))
def test_both_sides_read_it_alike_with_opposite_parts(local: NatProfile, remote: NatProfile) -> None:
    for first in (True, False):
        ours = choose(local, remote, first=first, near=False)
        theirs = choose(remote, local, first=not first, near=False)
        assert [each.name for each in ours] == [each.name for each in theirs]
        assert [each.exclusive for each in ours] == [each.exclusive for each in theirs]
        searches = [(mine, other) for mine, other in zip(ours, theirs, strict=True) if side_matters(mine.name)]
        assert all(mine.hard != other.hard for mine, other in searches)


def side_matters(name: str) -> bool:
    return name not in ("simultaneous", "low_ttl", "hairpin")


def test_the_noisier_counter_holds_still() -> None:
    (ours,) = choose(nat4("sequential", 100.0), nat4("sequential", 1.0), first=False, near=False)
    assert ours.hard
    (ours,) = choose(nat4("block"), nat4("sequential", 500.0), first=False, near=False)
    assert ours.hard
    (ours,) = choose(nat4("preserving"), nat4("sequential"), first=True, near=False)
    assert not ours.hard


def test_every_name_of_the_table_can_be_built() -> None:
    used = {each.name for local in ALL for remote in ALL for each in choose(local, remote, first=True, near=True)}
    assert used <= set(MAKERS)


def test_undecided_counts_as_the_strictest() -> None:
    assert side(NatProfile(mapping="eim")) == "strict"
    assert side(NatProfile()) == "strict"
    assert side(OPEN) == "reachable"
