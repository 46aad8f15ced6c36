"""Addresses and records end the same at all nodes, whatever came first (protocol section 8)."""

from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.gossip.facts import RecordsReceived, Remembered
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
