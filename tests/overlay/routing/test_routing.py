"""Costs, and the links a record names, as tables and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.routing.choose import own_links
from overlay.routing.costs import MAX_COST, STEP, UNMEASURED_MS, cost, cost_ms
from overlay.routing.values import Neighbour
from overlay.values import NodeId


def node(number: int) -> NodeId:
    """A node id."""
    return NodeId(number.to_bytes(32, "big"))


def near(number: int, rtt_ms: float | None, *, loss: float | None = 0.0, relay: bool = True) -> Neighbour:
    """A neighbour at some distance."""
    return Neighbour(node(number), rtt_ms, loss, relay)


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


def test_jitter_makes_a_link_longer() -> None:
    assert [cost(40.0, 0.0, jitter) for jitter in (None, 0.0, 10.0, 40.0)] == [9, 9, 10, 12]
    assert cost(40.0, 0.0, -5.0) == cost(40.0, 0.0, float("nan")) == cost(40.0, 0.0)


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


def test_a_record_names_relays_first_then_the_nearest_eight_in_all() -> None:
    around = [near(number, 2.0 ** (13 - number), relay=number % 2 == 0) for number in range(1, 13)]
    links = own_links(around)
    assert [link for link, _ in links] == [node(n) for n in (12, 10, 8, 6, 4, 2, 11, 9)]
    assert links[0] == (node(12), cost(2.0, 0.0))


def test_the_other_side_of_a_bridge_is_named_where_eight_are_nearer() -> None:
    around = [near(number, 5.0 + number) for number in range(1, 12)] + [near(50, 300.0), near(51, 400.0)]
    ours = [node(number) for number in range(1, 12)]
    lists = {**dict.fromkeys(ours, tuple(ours[:8])), node(50): (node(52), node(51)), node(51): (node(50), node(53))}
    links = [link for link, _ in own_links(around, lists=lambda of: lists.get(of, ()))]
    assert links == [*(node(n) for n in range(1, 7)), node(50), node(7)]
    assert [link for link, _ in own_links(around[:11], lists=lambda of: lists.get(of, ()))] == ours[:8]


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
