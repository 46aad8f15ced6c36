"""What a sparse mesh costs and how fast news cross it (design section 3), on a mesh small enough for every run."""

from __future__ import annotations

import pytest

from overlay.gossip.digest import Digest
from overlay.gossip.facts import Heard, Leaving, RecordsReceived
from overlay.values import NodeId
from tests.overlay.gossip.crowd import Crowd, trusting

MEMBERS, RELAYS = 80, 8
NOTHING = Heard(NodeId(bytes(32)))
"""Lets a room say what is due."""


@pytest.fixture(scope="module")
def settled() -> Crowd:
    """Eighty members that know each other, some time after their sessions opened."""
    with trusting():
        crowd = Crowd(MEMBERS, RELAYS)
        crowd.weave()
        crowd.run(60.0)
    return crowd


def roots(crowd: Crowd) -> set[bytes]:
    return {room._members.digest.root for room in crowd.rooms}


def test_all_agree_and_pay_little(settled: Crowd) -> None:
    with trusting():
        assert len(roots(settled)) == 1
        for node in settled.sent:
            settled.sent[node] = 0
        settled.kinds.clear()
        began = settled.now
        for number in range(6):
            room = settled.rooms[number * 11 % MEMBERS]
            room._issue(now=settled.now)
            settled.tell(room, NOTHING)
            settled.run(10.0)
        spent = sorted(each / (settled.now - began) for each in settled.sent.values())
        assert len(roots(settled)) == 1
        assert "Buckets" not in settled.kinds
        assert spent[MEMBERS // 2] < 100
        assert spent[-1] < 1200


def test_a_new_member_is_known_to_all_within_two_seconds(settled: Crowd) -> None:
    with trusting():
        newcomer = settled.add(len(settled.rooms))
        settled.connect(newcomer, settled.rooms[3])
        took = settled.run(5.0, until=lambda: settled.know(newcomer.own) == len(settled.rooms))
        assert took <= 2.0
        settled.run(3.0)
        assert len(newcomer.members()) == len(settled.rooms) - 1


def test_what_telling_missed_is_healed_by_comparing(settled: Crowd) -> None:
    with trusting():
        deaf = settled.rooms[-1].own.id
        settled.lost = lambda sender, receiver: receiver == deaf
        room = settled.rooms[5]
        room._issue(now=settled.now)
        settled.tell(room, NOTHING)
        settled.run(15.0)
        settled.lost = lambda sender, receiver: False
        assert settled.know(room.own) == len(settled.rooms) - 1
        took = settled.run(90.0, until=lambda: settled.know(room.own) == len(settled.rooms))
        assert took <= 60.0
        settled.run(5.0)
        assert len(roots(settled)) == 1


def test_two_meshes_that_never_met_merge_by_one_bridge() -> None:
    with trusting():
        crowd = Crowd(100, 10)
        for half in (crowd.rooms[0::2], crowd.rooms[1::2]):
            for room in half[1:]:
                crowd.connect(room, half[0])
        crowd.run(20.0)
        assert len(roots(crowd)) == 2
        crowd.connect(crowd.rooms[2], crowd.rooms[3])
        took = crowd.run(20.0, until=lambda: len(roots(crowd)) == 1)
        assert took <= 10.0
        assert all(len(room.members()) == 99 for room in crowd.rooms)


def test_a_farewell_is_known_to_all_within_a_second(settled: Crowd) -> None:
    with trusting():
        leaver = settled.rooms[20]
        neighbours = list(settled.links[leaver.own.id])
        settled.tell(leaver, Leaving())
        for node in neighbours:
            settled.tell(settled.rooms[settled.index[node]], RecordsReceived(leaver.own.id, [leaver.own_signed]))
            settled.part(leaver, settled.rooms[settled.index[node]])
        others = [room for room in settled.rooms if room is not leaver]
        took = settled.run(5.0, until=lambda: all(room.member(leaver.own.id) is None for room in others))
        assert took <= 0.5


def test_sums_do_not_depend_on_the_order_and_forget_what_goes() -> None:
    one, two = Digest(b"key"), Digest(b"key")
    rows = [(NodeId(bytes([k % 7]) * 32), k, bytes([k]) * 64) for k in range(40)]
    for row in rows:
        one.add(*row)
    for row in reversed(rows):
        two.add(*row)
    assert (one.root, one.buckets) == (two.root, two.buckets)
    assert len(one.differing(Digest(b"key").buckets)) == 7
    for row in rows:
        one.remove(*row)
    assert one.buckets == [0] * 256
    assert Digest(b"other key").root == one.root
    other = Digest(b"other key")
    other.add(*rows[0])
    two = Digest(b"key")
    two.add(*rows[0])
    assert other.root != two.root
