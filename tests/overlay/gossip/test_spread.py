"""Spread: chains of introductions, loss, limits; rooms joined by fake links in virtual time."""

from __future__ import annotations

import itertools
import random

import pytest

from overlay.gossip.asking import WINDOW
from overlay.gossip.events import MemberChanged, MemberGone, OwnRecordIssued
from overlay.gossip.facts import (
    HaveReceived,
    MemberLeft,
    RecordsReceived,
    Remembered,
    RootHeard,
    SelfChanged,
    SessionUp,
    WantReceived,
)
from overlay.gossip.gossip import Gossip
from overlay.gossip.record import RecordEndpoint, RecordLink
from overlay.identity import network_keys
from overlay.values import NodeId
from overlay.wire.codec import MAX_CONTROL, encode_message
from overlay.wire.messages import Have, Message, Records, Want
from tests.overlay.gossip.mesh import Mesh, gossip, identity


def chain(mesh: Mesh, length: int) -> list[Gossip]:
    """Rooms that each know the one before."""
    rooms = [mesh.add(gossip(identity(k), f"n{k}")) for k in range(length)]
    for one, two in itertools.pairwise(rooms):
        mesh.connect(one, two)
    return rooms


def knows_all(room: Gossip, rooms: list[Gossip]) -> bool:
    """Whether `room` holds the newest record of everybody, with its address."""
    held = {record.id: record for record in room.members()}
    return all(held.get(other.own.id) == other.own for other in rooms if other is not room)


def endpoint(port: int) -> tuple[RecordEndpoint, ...]:
    return (RecordEndpoint(f"192.0.2.1:{port}", "local"),)


def test_a_chain_of_introductions_ends_with_all_knowing_all() -> None:
    mesh = Mesh()
    rooms = chain(mesh, 10)
    mesh.run(2.0)
    assert all(knows_all(room, rooms) for room in rooms)
    assert all(room.own.ipv4 for room in rooms)
    assert not any(room.drops for room in rooms)


def test_two_that_meet_over_a_third_need_no_gathering_time() -> None:
    mesh = Mesh(delay=0.001)
    relay = mesh.alone(gossip(identity(9), "relay"))
    one, two = mesh.add(gossip(identity(1), "one")), mesh.add(gossip(identity(2), "two"))
    mesh.connect(one, relay)
    mesh.run(0.003)
    mesh.connect(two, relay)
    mesh.run(0.003)
    mesh.tell(two, SelfChanged(endpoint(5), (RecordLink(relay.own.id, 3),), relay=True))
    mesh.run(0.05)
    heard = one.member(two.own.id)
    assert heard is not None
    assert heard.links == (RecordLink(relay.own.id, 3),)


@pytest.mark.parametrize("seed", range(5))
def test_a_chain_converges_although_a_tenth_is_lost(seed: int) -> None:
    dice = random.Random(seed)
    mesh = Mesh(lost=lambda message: dice.random() < 0.1)
    rooms = chain(mesh, 8)
    for _ in range(8):
        mesh.run(10.0)
        for one, two in itertools.pairwise(rooms):  # keepalives, which say what is held
            mesh.tell(one, RootHeard(two.own.id, two._members.digest.root))
            mesh.tell(two, RootHeard(one.own.id, one._members.digest.root))
    assert all(knows_all(room, rooms) for room in rooms)


def test_a_full_mesh_falls_silent() -> None:
    mesh = Mesh()
    rooms = [mesh.add(gossip(identity(k), f"n{k}")) for k in range(8)]
    for k, one in enumerate(rooms):
        for two in rooms[k + 1 :]:
            mesh.connect(one, two)
    mesh.run(10.0)
    assert all(knows_all(room, rooms) for room in rooms)
    before = len(mesh.sent)
    mesh.run(600.0)
    assert len(mesh.sent) == before


def test_a_change_reaches_everybody_once_and_is_not_echoed() -> None:
    mesh = Mesh()
    one, two = mesh.alone(gossip(identity(1), "one")), mesh.alone(gossip(identity(2), "two"))
    mesh.connect(one, two)
    mesh.run(10.0)
    mesh.sent.clear()
    mesh.tell(one, SelfChanged(endpoint(5), (), relay=True))
    mesh.tell(one, SelfChanged(endpoint(5), (), relay=True))
    mesh.run(10.0)
    assert [type(message).__name__ for _, _, _, message in mesh.sent] == ["Have", "Want", "Records"]
    changed = mesh.events(two, MemberChanged)[-1]
    assert changed == MemberChanged(one.own, "one", False)


def test_the_newest_is_told_on_ten_seconds_apart() -> None:
    """A node that changes four times a second must not make the mesh shout."""
    mesh = Mesh()
    rooms = chain(mesh, 3)
    mesh.run(20.0)
    mesh.sent.clear()
    for k in range(240):
        mesh.tell(rooms[0], SelfChanged(endpoint(1000 + k), (), relay=True))
        mesh.run(0.25)
    mesh.run(15.0)
    forwarded = [m for _, sender, to, m in mesh.sent if sender == rooms[1].own.id and to == rooms[2].own.id]
    assert len([m for m in forwarded if isinstance(m, Have)]) <= 20
    assert knows_all(rooms[2], rooms)
    assert rooms[0].own.endpoints == endpoint(1239)


def test_a_want_is_repeated_and_another_source_is_asked() -> None:
    mesh = Mesh()
    asker = mesh.alone(gossip(identity(1), "asker"))
    far = gossip(identity(7), "far")
    for k in (2, 3):
        mesh.tell(asker, SessionUp(identity(k).id, gossip(identity(k), f"n{k}").own_signed))
        mesh.tell(asker, HaveReceived(identity(k).id, [(far.own.id, far.own.sequence)]))
    mesh.sent.clear()
    mesh.run(60.0)
    asked = [to for _, _, to, message in mesh.sent if isinstance(message, Want)]
    assert asked == [identity(k).id for k in (3, 2, 3, 2)]


def test_messages_fit_a_control_frame_however_many_members_there_are() -> None:
    mesh = Mesh()
    big, newcomer = mesh.alone(gossip(identity(1), "big")), mesh.add(gossip(identity(2), "newcomer"))
    others = [gossip(identity(k), f"n{k}", sequence=2**62) for k in range(100, 1100)]
    mesh.tell(big, Remembered([other.own_signed for other in others]))
    assert len(big.members()) == 1000
    mesh.connect(newcomer, big)
    mesh.run(2.0)
    assert len(newcomer.members()) == 1001
    sizes = [len(encode_message(message)) for _, _, _, message in mesh.sent]
    assert max(sizes) <= MAX_CONTROL - 64
    assert newcomer.own.ipv4


def test_records_of_the_disk_need_no_neighbour() -> None:
    room = gossip(identity(1))
    others = [gossip(identity(k), f"n{k}") for k in range(2, 5)]
    room.tell(Remembered([b"torn", *(other.own_signed for other in others)]), now=1.0)
    assert room.members() == [other.own for other in others]
    assert room.signed_records() == tuple(other.own_signed for other in others)
    assert room.drops == {"record_size": 1}


def test_a_neighbour_may_bring_so_many_strangers() -> None:
    mesh = Mesh()
    room = mesh.alone(gossip(identity(1)))
    mesh.tell(room, SessionUp(identity(2).id, gossip(identity(2)).own_signed))
    strangers = [gossip(identity(k), f"n{k}").own_signed for k in range(100, 1300)]
    mesh.tell(room, RecordsReceived(identity(2).id, strangers))
    assert len(room.members()) == 1100
    assert room.drops["introduced_too_many"] == 101
    mesh.run(10.0)
    mesh.tell(room, RecordsReceived(identity(2).id, strangers[1100:]))
    assert len(room.members()) == 1120


def test_a_rumour_is_asked_after_within_limits() -> None:
    mesh = Mesh()
    room = mesh.alone(gossip(identity(1)))
    mesh.tell(room, SessionUp(identity(2).id, gossip(identity(2)).own_signed))
    mesh.sent.clear()
    for k in range(20):
        rumours = [(bytes([k]) + i.to_bytes(31, "big"), 5) for i in range(400)]
        mesh.tell(room, HaveReceived(identity(2).id, rumours))
    wanted = [message for _, _, _, message in mesh.sent if isinstance(message, Want)]
    assert sum(len(message.ids) for message in wanted) == WINDOW
    assert room.drops["introduced_too_many"] == 20 * 400 - 1099  # the neighbour itself was one
    mesh.run(60.0)
    assert len(room.members()) == 1


def test_serving_is_limited() -> None:
    mesh = Mesh()
    room = mesh.alone(gossip(identity(1)))
    mesh.tell(room, SessionUp(identity(2).id, gossip(identity(2)).own_signed))
    mesh.sent.clear()
    for _ in range(6000):
        mesh.tell(room, WantReceived(identity(2).id, [room.own.id] * 400))
    assert len([m for _, _, _, m in mesh.sent if isinstance(m, Records)]) == 4500
    assert room.drops == {"wants_too_many": 1500}


@pytest.mark.parametrize(
    "fact",
    [
        HaveReceived(identity(2).id, [(identity(3).id, 1)]),
        WantReceived(identity(2).id, [identity(3).id]),
    ],
)
def test_a_peer_without_a_session_gets_nothing(fact: HaveReceived | WantReceived) -> None:
    room = gossip(identity(1))
    room.tell(fact, now=0.0)
    assert list(room.commands()) == []
    assert room.drops == {"gossip_without_session": 1}


def forged(signed: bytes) -> bytes:
    """The same record with another signature."""
    return bytes(64) + signed[64:]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([b""], "record_size"),
        ([bytes(1025)], "record_size"),
        ([bytes(200)], "record_trailing"),
        ([bytes(64) + b"\x90"], "record_fields"),
        ([b"\xc1" * 100], "record_msgpack"),
        ([gossip(identity(3)).own_signed + b"\0"], "record_trailing"),
        ([forged(gossip(identity(3)).own_signed)], "record_forged"),
        ([gossip(identity(3), network=network_keys("work", bytes(32))).own_signed], "record_fields"),
        ([gossip(identity(3), sequence=5).own_signed, gossip(identity(3), sequence=4).own_signed], "record_old"),
        (sorted([gossip(identity(3)).own_signed, gossip(identity(3), "other").own_signed]), "record_old"),
    ],
)
def test_a_bad_record_is_a_counted_drop(records: list[bytes], reason: str) -> None:
    room = gossip(identity(1))
    room.tell(RecordsReceived(identity(2).id, records), now=0.0)
    assert room.drops == {reason: 1}
    assert len(room.members()) == len(records) - 1


def test_a_handshake_carries_its_own_record_only() -> None:
    room = gossip(identity(1))
    room.tell(SessionUp(identity(2).id, gossip(identity(3)).own_signed), now=0.0)
    assert room.drops == {"record_foreign": 1}
    assert room.members() == []


def test_a_higher_sequence_of_ours_is_outbid() -> None:
    """After a crash the others hold a later record of ours than we remember."""
    mesh = Mesh()
    other = mesh.alone(gossip(identity(2), "other"))
    mesh.tell(other, Remembered([gossip(identity(1), "before", sequence=40).own_signed]))
    room = mesh.alone(gossip(identity(1), "after"))
    assert room.own.sequence == 2
    mesh.connect(room, other)
    mesh.run(2.0)
    assert room.own.sequence > 41
    assert other.member(room.own.id) == room.own
    assert other.name_of(room.own.id) == "after"


def test_a_sequence_at_its_end_stops_there() -> None:
    room = gossip(identity(1))
    room.tell(Remembered([gossip(identity(1), sequence=2**63 - 2).own_signed]), now=0.0)
    assert room.own.sequence == 1
    assert room.drops == {}


def test_a_leave_is_final_for_what_was_said_before() -> None:
    mesh = Mesh()
    rooms = chain(mesh, 3)
    mesh.run(5.0)
    leaver = rooms.pop()
    mesh.disconnect(rooms[1], leaver)
    mesh.tell(rooms[1], MemberLeft(leaver.own.id))
    assert mesh.events(rooms[1], MemberGone) == [MemberGone(leaver.own.id, True)]
    assert rooms[1].bound(leaver.own.ipv4) is None
    mesh.tell(rooms[1], RecordsReceived(rooms[0].own.id, [leaver.own_signed]))
    mesh.tell(rooms[1], HaveReceived(rooms[0].own.id, [(leaver.own.id, leaver.own.sequence)]))
    mesh.run(10.0)
    assert rooms[1].member(leaver.own.id) is None
    back = gossip(identity(2), "n2", sequence=leaver.own.sequence)
    mesh.tell(rooms[1], RecordsReceived(rooms[0].own.id, [back.own_signed]))
    assert rooms[1].member(leaver.own.id) == back.own


def test_one_that_comes_back_with_an_old_record_is_shown_the_newest() -> None:
    mesh = Mesh()
    keeper = mesh.alone(gossip(identity(1), "keeper"))
    mesh.tell(keeper, Remembered([gossip(identity(2), "gone", sequence=70).own_signed]))
    mesh.tell(keeper, MemberLeft(identity(2).id))
    back = mesh.alone(gossip(identity(2), "back"))
    mesh.connect(keeper, back)
    mesh.run(3.0)
    assert back.own.sequence > 71
    assert keeper.member(back.own.id) == back.own


def test_one_that_expired_and_is_here_itself_is_taken_back() -> None:
    keeper = gossip(identity(1))
    other = gossip(identity(2), "other")
    keeper.tell(Remembered([other.own_signed]), now=0.0)
    keeper.tell(MemberLeft(other.own.id), now=1.0)
    keeper.tell(SessionUp(other.own.id, other.own_signed), now=2.0)
    assert keeper.members() == [other.own]
    assert keeper.drops == {}


def step(room: Gossip, until: float) -> None:
    """Handle every timeout up to `until`."""
    while (due := room.next_timeout()) is not None and due <= until:
        room.handle_timeout(now=due)


def test_a_record_expires_after_three_intervals() -> None:
    room, other = gossip(identity(1)), gossip(identity(2), "other")
    room.tell(Remembered([other.own_signed]), now=0.0)
    step(room, 3 * 3600 - 1)
    assert room.members() == [other.own]
    step(room, 3 * 3600 + 60)
    assert room.members() == []
    assert MemberGone(other.own.id, False) in list(room.events())
    room.tell(Remembered([other.own_signed]), now=3 * 3600 + 61)
    assert room.members() == []
    step(room, 28 * 3600)
    room.tell(Remembered([other.own_signed]), now=28 * 3600.0)
    assert room.members() == [other.own]


def test_time_asleep_does_not_count() -> None:
    room, other = gossip(identity(1)), gossip(identity(2), "other")
    room.tell(Remembered([other.own_signed]), now=0.0)
    step(room, 1000.0)
    room.handle_timeout(now=100_000.0)
    assert room.members() == [other.own]
    step(room, 100_000.0 + 3 * 3600)
    assert room.members() == []


def test_our_record_is_refreshed_within_the_hour() -> None:
    room = gossip(identity(1))
    list(room.events())
    step(room, 3600.0)
    refreshed = [event for event in room.events() if isinstance(event, OwnRecordIssued)]
    assert len(refreshed) == 1
    assert refreshed[0].record.sequence == 2


def test_costs_that_swing_are_said_twice_a_minute_and_a_lost_link_at_once() -> None:
    mesh = Mesh()
    room = mesh.alone(gossip(identity(1)))
    mesh.run(300.0)
    links = [RecordLink(identity(n).id, 5) for n in (2, 3, 4)]
    issued = len(mesh.events(room, OwnRecordIssued))
    for second in range(120):
        swinging = (*links[:2], RecordLink(identity(4).id, 5 + second % 2))
        mesh.tell(room, SelfChanged((), swinging, relay=True))
        mesh.run(1.0)
    assert 4 <= len(mesh.events(room, OwnRecordIssued)) - issued <= 5
    mesh.tell(room, SelfChanged((), tuple(links[:2]), relay=True))
    assert room.own.links == tuple(links[:2])


def test_the_same_seed_gives_the_same_conversation() -> None:
    def run() -> list[tuple[float, NodeId, NodeId, Message]]:
        dice = random.Random(3)
        mesh = Mesh(lost=lambda message: dice.random() < 0.2)
        chain(mesh, 6)
        mesh.run(20.0)
        return mesh.sent

    assert run() == run()
