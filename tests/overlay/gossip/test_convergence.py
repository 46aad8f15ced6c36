"""Addresses and records end the same at all nodes, whatever came first (protocol section 8)."""

from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.gossip.facts import RecordsReceived, Remembered, RootHeard
from overlay.gossip.gossip import Gossip
from tests.overlay.gossip.mesh import Mesh, gossip, identity


def clashing(seed: int, fixed: int) -> list[Gossip]:
    """Rooms that all remember one address; the first `fixed` hold it by --ip."""
    shared = _an_address()
    dice = random.Random(seed)
    numbers = dice.sample(range(1, 200), 5)
    return [
        gossip(identity(n), f"n{n}", fixed=shared if k < fixed else None, remembered=shared)
        for k, n in enumerate(numbers)
    ]


def _an_address() -> str:
    mesh = Mesh()
    return mesh.alone(gossip(identity(98))).own.ipv4


def holders(rooms: list[Gossip], address: str) -> set[object]:
    return {room.bound(address) for room in rooms}


@given(st.integers(0, 10_000), st.integers(0, 1), st.permutations(range(5)), st.permutations(range(5)))
@settings(max_examples=15, deadline=None)
def test_whoever_meets_first_one_keeps_a_claimed_address_and_all_agree(
    seed: int, fixed: int, order: list[int], ring: list[int]
) -> None:
    mesh = Mesh()
    rooms = [mesh.add(room) for room in clashing(seed, fixed)]
    for one, two in itertools.pairwise(order):
        mesh.connect(rooms[one], rooms[two])
        mesh.run(0.3)
    mesh.connect(rooms[ring[0]], rooms[ring[1]])
    mesh.run(120.0)
    addresses = [room.own.ipv4 for room in rooms]
    assert len(set(addresses)) == len(rooms)
    for room, address in zip(rooms, addresses, strict=True):
        assert holders(rooms, address) == {room.own.id}
    if fixed:
        assert rooms[0].own.ipv4 == _an_address()
    moves = [room.own.sequence for room in rooms]
    assert max(moves) <= 12  # nobody flaps


@given(st.permutations(range(6)), st.permutations(range(6)))
@settings(max_examples=15, deadline=None)
def test_of_records_with_one_sequence_all_keep_the_same(first: list[int], second: list[int]) -> None:
    rivals = [gossip(identity(50), f"name-{k}", sequence=7).own_signed for k in range(6)]
    one, two = gossip(identity(1)), gossip(identity(2))
    for room, order in ((one, first), (two, second)):
        for k in order:
            room.tell(RecordsReceived(identity(3).id, [rivals[k]]), now=0.0)
    assert one.member(identity(50).id) == two.member(identity(50).id)
    assert one._members.digest.buckets[identity(50).id[0]] == two._members.digest.buckets[identity(50).id[0]]


def halves(count: int) -> tuple[Mesh, list[Gossip]]:
    """Two rows of rooms; of one member the first row holds another record than the second, under one sequence."""
    mesh = Mesh()
    rooms = [mesh.alone(gossip(identity(n + 1), f"n{n}")) for n in range(2 * count)]
    for half, name in ((rooms[:count], "red"), (rooms[count:], "blue")):
        for one, two in itertools.pairwise(half):
            mesh.connect(one, two)
        mesh.tell(half[0], Remembered([gossip(identity(90), name, sequence=7).own_signed]))
    mesh.run(30.0)
    assert [room.member(identity(90).id) is not None for room in rooms] == [True] * 2 * count
    mesh.connect(rooms[count - 1], rooms[count])
    return mesh, rooms


def keepalives(mesh: Mesh, seconds: float) -> None:
    """Let time pass; all say what they hold, as in keepalives."""
    for _ in range(int(seconds / 5)):
        for one, two in list(mesh.links):
            if two in mesh.rooms:
                mesh.tell(mesh.rooms[two], RootHeard(one, mesh.rooms[one]._members.digest.root))
        mesh.run(5.0)


def test_two_halves_with_rivals_of_one_sequence_end_with_the_same() -> None:
    mesh, rooms = halves(4)
    keepalives(mesh, 60.0)
    assert len({room._members.signed(identity(90).id) for room in rooms}) == 1
    assert len({room._members.digest.root for room in rooms}) == 1
    mesh.sent.clear()
    keepalives(mesh, 120.0)
    assert not mesh.sent


def test_the_owner_hears_of_the_rival_of_its_record_and_goes_above_it() -> None:
    mesh, rooms = halves(2)
    owner = mesh.alone(gossip(identity(90), "green", sequence=7))
    mesh.connect(owner, rooms[0])
    keepalives(mesh, 60.0)
    assert {room._members.signed(identity(90).id) for room in rooms} == {owner.own_signed}
    assert owner.own.sequence > 8


def test_rivals_without_end_cost_one_record_in_ten_seconds() -> None:
    mesh, rooms = halves(2)
    liar = rooms[0].own.id
    lies = [gossip(identity(90), f"lie-{k}", sequence=7).own_signed for k in range(200)]
    mesh.sent.clear()
    for signed in sorted(lies, reverse=True):
        mesh.tell(rooms[1], RecordsReceived(liar, [signed]))
        mesh.run(0.5)
    told = [each for each in mesh.sent if each[1] == rooms[1].own.id]
    assert len(told) <= 8 + 100 / 10 + 4


def test_a_replayed_record_changes_nothing() -> None:
    room = gossip(identity(1))
    old, new = (gossip(identity(2), name, sequence=k).own_signed for k, name in ((3, "old"), (9, "new")))
    room.tell(Remembered([new]), now=0.0)
    root = room._members.digest.root
    for _ in range(3):
        room.tell(RecordsReceived(identity(3).id, [old]), now=1.0)
    assert [record.name for record in room.members()] == ["new"]
    assert room._members.digest.root == root
    assert room.drops == {"record_old": 3}
