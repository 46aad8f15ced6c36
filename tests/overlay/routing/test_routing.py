"""Costs, relays and links, as tables and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.routing.choose import own_links, relay_candidates
from overlay.routing.costs import MAX_COST, STEP, UNMEASURED_MS, cost, cost_ms
from overlay.routing.values import Neighbour, Target
from overlay.values import NodeId


def node(number: int) -> NodeId:
    """A node id."""
    return NodeId(number.to_bytes(32, "big"))


def near(number: int, rtt_ms: float | None, *, loss: float | None = 0.0, relay: bool = True) -> Neighbour:
    """A neighbour at some distance."""
    return Neighbour(node(number), rtt_ms, loss, relay)


PEER = node(99)
rtts = st.one_of(st.none(), st.floats(0.0, 5000.0))
losses = st.one_of(st.none(), st.floats(0.0, 1.0))
neighbours = st.lists(
    st.builds(Neighbour, st.integers(1, 40).map(node), rtts, losses, st.booleans()),
    max_size=20,
    unique_by=lambda n: n.id,
)


@pytest.mark.parametrize(
    ("rtt_ms", "steps"), [(0.05, 0), (1.0, 0), (1.5, 1), (7.6, 5), (58.0, 10), (438.0, 15), (1e9, 40), (None, 11)]
)
def test_cost_counts_steps_of_one_and_a_half(rtt_ms: float | None, steps: int) -> None:
    assert cost(rtt_ms, 0.0) == steps


def test_loss_makes_a_link_longer() -> None:
    assert [cost(58.0, loss) for loss in (None, 0.0, 0.02, 0.10, 1.0)] == [10, 10, 11, 13, 18]


@given(rtt_ms=rtts, loss=losses)
def test_costs_stay_in_range_and_stand_for_their_milliseconds(rtt_ms: float | None, loss: float | None) -> None:
    steps = cost(rtt_ms, loss)
    assert 0 <= steps <= MAX_COST
    weighed = max(1.0, UNMEASURED_MS if rtt_ms is None else rtt_ms) * (1 + 25 * (loss or 0.0))
    assert cost_ms(steps) / STEP**0.51 <= weighed <= cost_ms(steps) * STEP**0.51


@given(before=st.integers(0, 30), drift=st.floats(-0.74, 0.74))
def test_a_cost_stays_while_the_link_is_near_it(before: int, drift: float) -> None:
    rtt = STEP ** (before + drift)
    if rtt >= 1.0:
        assert cost(rtt, 0.0, before=before) == before


@given(before=st.integers(0, 30), drift=st.one_of(st.floats(0.76, 5.0), st.floats(-5.0, -0.76)))
def test_a_cost_follows_a_link_that_moved(before: int, drift: float) -> None:
    rtt = STEP ** (before + drift)
    if rtt >= 1.0:
        assert cost(rtt, 0.0, before=before) == cost(rtt, 0.0) != before


def test_costs_a_record_lies_about_are_capped() -> None:
    assert cost_ms(-5) == 1.0
    assert cost_ms(10**9) == STEP**MAX_COST


def test_only_relays_that_the_target_lists_count_by_both_links() -> None:
    around = [near(1, 10.0), near(2, 20.0), near(3, 5.0), near(4, 1.0, relay=False), near(5, 1.0)]
    target = Target(PEER, ((node(1), 13), (node(2), 5), (node(4), 0), (node(7), 0)))
    assert relay_candidates(target, around) == [node(2), node(1)]


def test_without_a_word_from_the_target_any_relay_may_try() -> None:
    around = [near(1, 10.0), near(2, 5.0), near(3, None), near(4, 1.0, relay=False), Neighbour(PEER, 1.0, 0.0, True)]
    assert relay_candidates(Target(PEER, ()), around) == [node(2), node(1), node(3)]


def test_loss_weighs_in_the_choice() -> None:
    around = [near(1, 30.0), near(2, 20.0, loss=0.1)]
    assert relay_candidates(Target(PEER, ((node(1), 5), (node(2), 5))), around) == [node(1), node(2)]


def test_a_link_that_was_refused_is_ignored() -> None:
    around = [near(1, 10.0), near(2, 20.0)]
    assert relay_candidates(Target(PEER, ()), around, denied=[node(1)]) == [node(2)]


def test_the_relay_in_use_stays_until_another_is_better_by_a_step() -> None:
    target = Target(PEER, ((node(1), 0), (node(2), 0)))
    assert relay_candidates(target, [near(1, 10.0), near(2, 14.0)], current=node(2)) == [node(2), node(1)]
    assert relay_candidates(target, [near(1, 10.0), near(2, 17.0)], current=node(2)) == [node(1), node(2)]
    assert relay_candidates(target, [near(1, 10.0)], current=node(2)) == [node(1)]


def test_ties_go_by_the_order_given() -> None:
    around = [near(9, 10.0), near(1, 10.0), near(5, 10.0)]
    assert relay_candidates(Target(PEER, ()), around) == [node(9), node(1), node(5)]
    assert [link for link, _ in own_links(around)] == [node(9), node(1), node(5)]


@given(around=neighbours, listed=st.lists(st.tuples(st.integers(1, 40).map(node), st.integers(-9, 99)), max_size=8))
def test_candidates_are_relays_that_both_reach(around: list[Neighbour], listed: list[tuple[NodeId, int]]) -> None:
    found = relay_candidates(Target(PEER, tuple(listed)), around)
    able = {n.id for n in around if n.relay} & ({link for link, _ in listed} if listed else {n.id for n in around})
    assert len(found) == len(able)
    assert set(found) == able


def test_a_record_names_relays_first_then_the_nearest_eight_in_all() -> None:
    around = [near(number, 2.0 ** (13 - number), relay=number % 2 == 0) for number in range(1, 13)]
    links = own_links(around)
    assert [link for link, _ in links] == [node(n) for n in (12, 10, 8, 6, 4, 2, 11, 9)]
    assert links[0] == (node(12), cost(2.0, 0.0))


def test_a_record_does_not_flutter() -> None:
    first = own_links([near(1, 10.0), near(2, 10.0)])
    assert own_links([near(2, 11.0), near(1, 9.0)], before=first) == first
    assert own_links([near(2, 40.0), near(1, 9.0)], before=first) != first


@given(around=neighbours, before=st.lists(st.tuples(st.integers(1, 40).map(node), st.integers(0, 40)), max_size=8))
def test_links_are_few_and_ours(around: list[Neighbour], before: list[tuple[NodeId, int]]) -> None:
    links = own_links(around, before=before)
    assert len(links) == min(8, len(around))
    relays = [next(n.relay for n in around if n.id == link) for link, _ in links]
    assert relays == sorted(relays, reverse=True)
    assert own_links(around, before=links) == own_links(around, before=own_links(around, before=links))
