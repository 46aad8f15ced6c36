"""Ways over several hops, and who may carry: small maps by hand, large and absurd ones as properties."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.routing.costs import MAX_COST, STEP, cost_ms
from overlay.routing.roads import MAX_HOPS, MOST_GUESSES, MOST_KEPT, Roads
from overlay.routing.search import MOST_EDGES, ways_to
from overlay.routing.values import Candidate, Listed, Neighbour, Stated
from overlay.values import NodeId


def node(number: int) -> NodeId:
    """A node id."""
    return NodeId(number.to_bytes(32, "big"))


def near(number: int, rtt_ms: float | None, *, loss: float | None = None, relay: bool = True) -> Neighbour:
    """A neighbour at some distance."""
    return Neighbour(node(number), rtt_ms, loss, relay)


OWN, PEER = node(90), node(99)


def known(**links: dict[int, int]) -> Roads:
    """Roads where node `n7` lists the numbers given, each at a cost; all of them carry."""
    roads = Roads(OWN)
    for name, listed in links.items():
        roads.learn(node(int(name[1:])), tuple((node(n), steps) for n, steps in listed.items()), relay=True)
    return roads


def relays(found: list[Candidate]) -> list[NodeId]:
    """Their ids alone."""
    return [each.relay for each in found]


def test_over_one_relay_both_links_count() -> None:
    roads = known(n99={1: 13, 2: 5, 4: 0, 7: 0}, n1={}, n2={}, n7={})
    around = [near(1, 10.0), near(2, 20.0), near(3, 5.0), near(4, 1.0, relay=False), near(5, 1.0)]
    found = roads.candidates(PEER, around)
    assert relays(found) == [node(2), node(1)]
    assert found[0].cost_ms == pytest.approx(20.0 + cost_ms(5))
    assert found[0].through == (node(2),)


def test_over_several_hops_the_whole_way_counts() -> None:
    roads = known(n99={3: 5, 4: 9}, n3={1: 8}, n4={2: 2}, n1={}, n2={})
    found = roads.candidates(PEER, [near(1, 1.0), near(2, 1.0)])
    assert [each.through for each in found] == [(node(1), node(3)), (node(2), node(4))]
    assert found[0].cost_ms == pytest.approx(1.0 + cost_ms(8) + cost_ms(5))


def test_a_link_counts_only_where_the_one_it_leads_to_lists_it() -> None:
    roads = known(n99={3: 1}, n3={}, n1={3: 0, 99: 0})
    assert relays(roads.candidates(PEER, [near(1, 1.0), near(3, 50.0)])) == [node(3)]


def test_nobody_leads_on_who_does_not_carry() -> None:
    roads = known(n99={3: 1}, n1={})
    roads.learn(node(3), ((node(1), 0),), relay=False)
    assert roads.onward(PEER, [near(1, 1.0)], avoid=(), links=7) == []
    roads.learn(node(3), ((node(1), 0),), relay=True)
    assert roads.onward(PEER, [near(1, 1.0)], avoid=(), links=7) == [node(1)]


def test_a_way_that_crosses_ourselves_is_none() -> None:
    roads = known(n99={90: 0, 3: 9}, n90={1: 0}, n3={1: 9, 2: 9}, n1={}, n2={})
    assert roads.candidates(PEER, [near(1, 1.0)])[0].through == (node(1), node(3))


def test_a_way_has_eight_links_at_most() -> None:
    chain = {f"n{n}": {n - 1: 0} for n in range(1, 12)}
    roads = known(n0={}, **chain)
    for target in range(1, 12):
        found = roads.onward(node(target), [near(0, 1.0)], avoid=(), links=MAX_HOPS)
        assert found == ([node(0)] if target <= 7 else []), target


def test_a_longer_cheaper_way_does_not_hide_a_shorter_one() -> None:
    detour = {f"n{n}": {n - 1: 0} for n in range(2, 9)}
    roads = known(n1={}, n99={8: 0, 50: 20}, n50={1: 20}, **detour)
    assert roads.candidates(PEER, [near(1, 1.0)])[0].through == (node(1), node(50))


def test_without_a_word_from_the_target_a_few_relays_may_try() -> None:
    around = [near(1, 10.0), near(2, 5.0), near(3, None), near(4, 1.0, relay=False), near(99, 1.0)]
    assert relays(Roads(OWN).candidates(PEER, around)) == [node(2), node(1), node(3)]
    crowd = [near(n, float(n)) for n in range(1, 20)]
    assert relays(Roads(OWN).candidates(PEER, crowd)) == [node(n) for n in range(1, MOST_GUESSES + 1)]


def test_nobody_guesses_for_others() -> None:
    assert Roads(OWN).onward(PEER, [near(1, 10.0)], avoid=(), links=7) == []


def test_a_refused_relay_is_left_out() -> None:
    roads = known(n99={1: 0, 2: 5}, n1={}, n2={})
    assert relays(roads.candidates(PEER, [near(1, 10.0), near(2, 20.0)], denied=[node(1)])) == [node(2)]


def test_the_relay_in_use_stays_until_another_is_better_by_a_step() -> None:
    roads = known(n99={1: 0, 2: 0}, n1={}, n2={})
    assert relays(roads.candidates(PEER, [near(1, 10.0), near(2, 14.0)], current=node(2))) == [node(2), node(1)]
    assert relays(roads.candidates(PEER, [near(1, 10.0), near(2, 18.0)], current=node(2))) == [node(1), node(2)]
    assert relays(roads.candidates(PEER, [near(1, 10.0)], current=node(2))) == [node(1)]


def test_what_a_circuit_measured_counts_against_any_record() -> None:
    roads = known(n99={1: 0, 2: 10}, n1={}, n2={})
    around = [near(1, 10.0), near(2, 10.0)]
    assert relays(roads.candidates(PEER, around)) == [node(1), node(2)]
    found = roads.candidates(PEER, around, measured={node(1): 400.0})
    assert relays(found) == [node(2), node(1)]
    assert found[1].cost_ms == 400.0
    assert relays(roads.candidates(PEER, [*around, near(7, 9.0)], measured={node(7): 5.0}))[0] == node(7)


def test_loss_and_jitter_weigh_in_the_choice() -> None:
    roads = known(n99={1: 5, 2: 5}, n1={}, n2={})
    assert relays(roads.candidates(PEER, [near(1, 30.0), near(2, 20.0, loss=0.1)])) == [node(1), node(2)]
    shaky = Neighbour(node(2), 20.0, None, True, 30.0)
    assert relays(roads.candidates(PEER, [near(1, 30.0), shaky])) == [node(1), node(2)]


def test_ties_go_by_the_order_given() -> None:
    around = [near(9, 10.0), near(1, 10.0), near(5, 10.0)]
    assert relays(Roads(OWN).candidates(PEER, around)) == [node(9), node(1), node(5)]


def test_onward_avoids_what_was_crossed_wherever_it_lies() -> None:
    roads = known(n99={3: 0, 4: 9}, n3={1: 0}, n4={2: 9, 1: 12}, n1={}, n2={})
    around = [near(1, 1.0), near(2, 1.0)]
    assert roads.onward(PEER, around, avoid=(), links=7) == [node(1), node(2)]
    assert roads.onward(PEER, around, avoid=(node(3),), links=7) == [node(2)]
    assert roads.onward(PEER, around[:1], avoid=(node(3),), links=7) == [node(1)]
    assert roads.onward(PEER, around, avoid=(node(1), node(2)), links=7) == []
    assert roads.onward(PEER, around, avoid=(), links=2) == []


def test_searches_are_kept_until_a_link_changes() -> None:
    roads = known(n99={1: 5}, n1={})
    around = [near(1, 10.0)]
    for rtt in range(50):
        roads.candidates(PEER, [near(1, float(rtt))])
    assert roads.searches == 1
    assert not roads.learn(PEER, ((node(1), 5),), relay=True)
    roads.candidates(PEER, around)
    assert roads.searches == 1
    assert roads.learn(PEER, ((node(1), 6),), relay=True)
    roads.candidates(PEER, around)
    roads.candidates(PEER, [*around, near(2, 3.0)])
    assert roads.searches == 3
    roads.forget(PEER)
    assert roads.lists(PEER) == ()
    for target in range(1000, 1000 + 2 * MOST_KEPT):
        roads.candidates(node(target), around)
    assert len(roads._kept) == MOST_KEPT


listed = st.lists(st.tuples(st.integers(0, 12).map(node), st.integers(0, MAX_COST)), max_size=8).map(tuple)
maps = st.dictionaries(st.integers(0, 12).map(node), st.builds(Stated, listed, st.booleans()), max_size=13)


def cheapest(members: dict[NodeId, Stated], start: NodeId, target: NodeId, links: int) -> float | None:
    """The cost of the cheapest way, by trying them all."""
    best: float | None = None
    open_: list[tuple[float, NodeId, tuple[NodeId, ...]]] = [(0.0, target, (target,))]
    while open_:
        cost, at, seen = open_.pop()
        if at == start:
            best = cost if best is None else min(best, cost)
            continue
        if at not in members or len(seen) > links:
            continue
        for other, steps in members[at].links:
            if other not in seen and other in members and members[other].relay:
                open_.append((cost + cost_ms(steps), other, (*seen, other)))
    return best


@settings(deadline=None)
@given(members=maps, links=st.integers(1, 4), avoid=st.sets(st.integers(0, 12).map(node), max_size=3))
def test_no_set_of_records_makes_a_loop_and_what_is_found_is_the_cheapest(
    members: dict[NodeId, Stated], links: int, avoid: set[NodeId]
) -> None:
    target, starts = node(0), [node(n) for n in range(1, 6)]
    honest = {of: stated for of, stated in members.items() if of not in avoid or of == target}
    found = ways_to(target, members, starts, links=links, avoid=avoid)
    for start in starts:
        best = cheapest(honest, start, target, links) if start not in avoid else None
        assert (start in found) == (best is not None)
        if best is None:
            continue
        cost, way = found[start]
        assert cost == pytest.approx(best)
        assert way[0] == start
        assert len(set(way)) == len(way) <= links
        assert target not in way
        assert not avoid.intersection(way)
        for here, there in zip(way, (*way[1:], target), strict=True):
            assert any(other == here for other, _ in members[there].links)


def random_map(count: int, *, seed: int, absurd: bool = False) -> tuple[Roads, list[Neighbour]]:
    """A mesh of many: each lists eight it hears; absurd: all at no cost."""
    dice = random.Random(seed)
    roads, everybody = Roads(OWN), [node(1000 + n) for n in range(count)]
    for each in everybody:
        chosen: tuple[Listed, ...] = tuple(
            (other, 0 if absurd else dice.randint(0, 14)) for other in dice.sample(everybody, 8) if other != each
        )
        roads.learn(each, chosen, relay=True)
    return roads, [Neighbour(each, dice.uniform(1.0, 99.0), None, True) for each in dice.sample(everybody, 72)]


def test_a_thousand_records_are_searched_in_a_few_milliseconds() -> None:
    roads, around = random_map(1000, seed=3)
    targets = [node(1000 + n) for n in range(0, 1000, 50)]
    best = min(_cpu(partial(roads.candidates, target, around)) for target in targets)
    assert roads.searches == len(targets)
    assert best < 0.03, "aim 10 ms on a quiet machine"
    again = min(_cpu(partial(roads.candidates, target, around)) for target in targets)
    assert roads.searches == len(targets)
    assert again < best / 2


def test_absurd_records_cost_no_more_than_their_number() -> None:
    roads, _ = random_map(4096, seed=4, absurd=True)
    looked = _Counting(roads._members)
    ways_to(node(1000), looked, [node(5)], links=MAX_HOPS - 1)
    assert looked.looks <= 2 * MOST_EDGES


class _Counting(dict[NodeId, Stated]):
    """A map that counts how often it is looked into."""

    looks = 0

    def get(self, key: NodeId, default: Stated | None = None) -> Stated | None:  # type: ignore[override]
        self.looks += 1
        return super().get(key, default)


def _cpu(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def test_a_cost_of_nothing_is_a_millisecond() -> None:
    roads = known(n99={1: -5}, n1={})
    assert roads.candidates(PEER, [near(1, 0.0)])[0].cost_ms == pytest.approx(1.0 + STEP**0)
