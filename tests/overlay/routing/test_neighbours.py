"""Who is chosen to keep a session with: laws that hold for any mesh, and a few meshes by hand."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.routing.neighbours import (
    ACCEPTED,
    DRAWN,
    MOST_ACCEPTED,
    NEAR,
    RELAYS,
    Accepted,
    Candidate,
    Role,
    beyond,
    choose,
    is_sparse,
)
from overlay.values import NodeId

MOST = RELAYS + NEAR + DRAWN


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "little"))


def mesh(relays: int, others: int) -> list[Candidate]:
    return [Candidate(node(n), n < relays) for n in range(relays + others)]


candidates = st.lists(st.tuples(st.booleans(), st.none() | st.floats(0.1, 500.0)), min_size=0, max_size=80).map(
    lambda rows: [Candidate(node(n), relay, rtt) for n, (relay, rtt) in enumerate(rows)]
)


@given(candidates, st.integers(0, 2**32), st.sets(st.integers(0, 79), max_size=20))
@settings(max_examples=80, deadline=None)
def test_at_most_eight_and_stable(members: list[Candidate], seed: int, away: set[int]) -> None:
    denied = [node(n) for n in sorted(away)]
    first = choose(members, {}, denied=denied, entropy=random.Random(seed))
    assert len(first) <= MOST
    assert not any(each in first for each in denied)
    able = [each for each in members if each.id not in denied]
    assert len(first) >= min(len(able), DRAWN + RELAYS)
    again = first
    for _ in range(3 * MOST):
        after = choose(members, again, denied=denied, entropy=random.Random(seed + 1))
        assert len(set(again) - set(after)) <= 2  # a swap in each of the two measured roles at most
        again = after
    assert choose(members, again, denied=denied, entropy=random.Random(seed + 2)) == again


def test_relays_come_first_and_the_rest_is_drawn_among_those_anybody_can_dial() -> None:
    chosen = choose(mesh(100, 900), {}, entropy=random.Random(1))
    assert list(chosen.values()).count(Role.RELAY) == RELAYS
    assert list(chosen.values()).count(Role.DRAWN) == DRAWN
    assert all(int.from_bytes(each, "little") < 100 for each in chosen)


def test_without_relays_more_are_drawn() -> None:
    assert len(choose(mesh(0, 50), {}, entropy=random.Random(1))) == RELAYS + DRAWN


def test_one_that_goes_is_replaced_and_the_others_stay() -> None:
    members = mesh(20, 30)
    before = choose(members, {}, entropy=random.Random(1))
    lost = next(iter(before))
    after = choose([each for each in members if each.id != lost], before, entropy=random.Random(2))
    assert set(before) - set(after) == {lost}
    assert len(after) == len(before)


def test_a_little_nearer_is_not_near_enough() -> None:
    members = [Candidate(node(n), True, 50.0) for n in range(8)]
    chosen = choose(members, {}, entropy=random.Random(1))
    for rtt, changes in ((40.0, 0), (15.0, 1)):
        crowd = [*members, Candidate(node(99), True, rtt)]
        assert (node(99) in choose(crowd, chosen, entropy=random.Random(1))) == bool(changes)


def test_relays_share_the_load_of_a_large_mesh() -> None:
    members, dice = mesh(100, 900), random.Random(7)
    load = dict.fromkeys((each.id for each in members), 0)
    for member in members:
        for chosen in choose([each for each in members if each is not member], {}, entropy=dice):
            load[chosen] += 1
    assert max(load.values()) < ACCEPTED + 20
    assert sum(count > ACCEPTED for count in load.values()) < 10


def test_the_border_has_two_sides() -> None:
    assert not is_sparse(32, False)
    assert is_sparse(33, False)
    assert is_sparse(32, True)
    assert is_sparse(24, True)
    assert not is_sparse(23, True)


@given(st.lists(st.tuples(st.integers(0, 8), st.floats(0, 1e6)), max_size=400))
@settings(max_examples=50, deadline=None)
def test_what_is_beyond_the_bound(rows: list[tuple[int, float]]) -> None:
    accepted = [Accepted(node(n), others, since) for n, (others, since) in enumerate(rows)]
    leaving = beyond(accepted)
    kept = [each for each in accepted if each.id not in leaving]
    assert len(set(leaving)) == len(leaving)
    assert len(kept) <= MOST_ACCEPTED
    if len(accepted) <= ACCEPTED:
        assert not leaving
    if len(kept) > ACCEPTED:
        assert all(each.others < 2 for each in kept)


def test_ids_without_a_link_of_one_liar_put_nobody_out() -> None:
    honest = [Accepted(node(n), 5, float(n), f"192.0.2.{n}") for n in range(60)]
    for liars in (
        [Accepted(node(1000 + n), 0, 1000.0 + n, "198.51.100.1") for n in range(200)],
        [Accepted(node(1000 + n), 0, 1000.0 + n, f"198.51.100.{n}", node(999)) for n in range(200)],
        [Accepted(node(1000 + n), 0, n - 500.0, "198.51.100.1") for n in range(200)],
    ):
        leaving = beyond(honest + liars)
        assert len(leaving) == 196
        assert sum(each.id in leaving for each in honest) <= 16 - 4
    newcomers = [Accepted(node(n), n % 2, 1000.0 + n, f"192.0.2.{n}") for n in range(60)]
    leaving = beyond([Accepted(node(1000 + n), 0, float(n), "198.51.100.1") for n in range(256)] + newcomers)
    assert not any(each.id in leaving for each in newcomers)
