"""The sandwich finds what can be predicted with a handful of packets, and leaves the rest to the birthday."""

from __future__ import annotations

from statistics import median

import pytest

from punch.signals import Sampled
from punch.strategies.sandwich import Sandwich
from tests.punch.strategies.searches import FAR, NEAR, SEARCHES, UNMODELLED, Case, begin, hard, nat, search

SANDWICHES = tuple(case for case in SEARCHES if case.search is Sandwich and "uniform" not in case.name)


@pytest.mark.parametrize("case", SANDWICHES, ids=lambda case: case.name)
def test_near_and_far(case: Case) -> None:
    for links, seconds in ((NEAR, 0.2), (FAR, 1.0)):
        runs = search(case, 20, links)
        assert all(met.ok for met in runs)
        assert median(met.seconds for met in runs) < seconds
        assert median(met.packets for met in runs) < (60 if "block" not in case.name else 150)


@pytest.mark.parametrize("case", UNMODELLED, ids=lambda case: case.name)
def test_what_no_hypothesis_models_ends_as_a_birthday_at_worst(case: Case) -> None:
    runs = search(case, 10, NEAR)
    assert all(met.ok for met in runs)


def test_a_known_quiet_counter_costs_two_samples_or_three_and_a_probe() -> None:
    case = next(case for case in SEARCHES if case.name == "seq +1")
    assert max(met.packets for met in search(case, 20, NEAR)) <= 15


def test_a_side_four_seconds_late_is_waited_for() -> None:
    case = next(case for case in SEARCHES if case.name == "seq +1, 100/s")
    for seed in range(5):
        met = begin(case, seed, FAR, late=4.0).run(seconds=20.0)
        assert met.ok
        assert met.seconds < 5.0


def test_poisonable_easy_sides_get_openings_that_die_on_the_way() -> None:
    ttls = []
    world = begin(SEARCHES[0], 1, NEAR)
    side = world.sides[1]
    side.remote = hard(poisonable=True)
    probe = side.probe
    side.probe = lambda via, to, **how: (ttls.append(how["ttl"]), probe(via, to, **how))[1]  # type: ignore[method-assign, func-returns-value]
    world.run(seconds=1.0)
    assert set(ttls) == {8}


def test_without_a_stun_service_holes_take_the_samples_place() -> None:
    case = Case("no service", Sandwich, nat("preserving"), hard(allocation="preserving"))
    world = begin(case, 1, NEAR)
    world.sides[1].sample = lambda via, *, now: False  # type: ignore[method-assign]
    assert world.run(seconds=10.0).ok


def test_a_silent_hard_side_ends_it() -> None:
    world = begin(SEARCHES[0], 1, NEAR)
    world.stages.clear()
    world.sides[1].strategy = None
    assert not world.run(seconds=60.0).ok
    assert world.sides[0].ended is not None
    assert world.sides[0].ended[0] == "silent"
    assert world.sides[0].packets == 0


def test_no_socket_ends_it() -> None:
    world = begin(SEARCHES[0], 1, NEAR)
    world.stages.clear()
    side = world.sides[1]
    ask = side.open
    side.open = lambda count, **how: ask(0)  # type: ignore[method-assign]
    world.run(seconds=5.0)
    assert side.ended is not None
    assert side.ended[0] == "sockets"


def test_a_late_account_of_another_search_is_not_believed() -> None:
    world = begin(next(case for case in SEARCHES if case.name == "uniform"), 1, NEAR)
    easy = world.sides[0]
    assert easy.strategy is not None
    easy.strategy.heard(Sampled(1, 1, (), ((0, 40000, 0.0),)), now=0.0)
    world.run(seconds=0.3)
    assert not any("1 samples" in note for note in easy.notes)
    assert easy.planned == 1750


def test_two_runs_of_a_seed_are_alike() -> None:
    case = next(case for case in SEARCHES if case.name == "block 1024, unknown")
    assert begin(case, 3, FAR).run(seconds=60.0) == begin(case, 3, FAR).run(seconds=60.0)
