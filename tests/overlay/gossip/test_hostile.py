"""Members that turn bad, devices that are copied, and neighbours that nobody hears."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.gossip import members as limits
from overlay.gossip.clones import Clones
from overlay.gossip.commands import SendGossip
from overlay.gossip.conflicts import claims_text
from overlay.gossip.events import Conflict, ConflictOver, MemberGone, MemberQuiet
from overlay.gossip.facts import (
    BucketsReceived,
    Fact,
    HaveReceived,
    Heard,
    Leaving,
    Quiet,
    RecordsReceived,
    RootHeard,
    SessionUp,
    UnheardReceived,
)
from overlay.gossip.gossip import Gossip
from overlay.gossip.healing import ANSWERED_DEPTH, Healing
from overlay.gossip.members import Members
from overlay.gossip.record import Record
from overlay.gossip.records import is_signed, sign
from overlay.gossip.silence import CLAIMS_DEPTH, GRACE, PASSED_DEPTH, TOLD_AFTER, Silence
from overlay.gossip.spread import Spread
from overlay.values import NodeId
from overlay.wire.messages import Buckets, Records, Unheard, Want
from tests.overlay.gossip.mesh import NETWORK, Mesh, gossip, identity

# -- floods ---------------------------------------------------------------------------------------------------------


def strangers(first: int, count: int) -> list[bytes]:
    return [gossip(identity(number), f"s{number}").own_signed for number in range(first, first + count)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of a size that tests can fill."""
    for module in ("members", "intake"):
        monkeypatch.setattr(f"overlay.gossip.{module}.MAX_RECORDS", 60)
    monkeypatch.setattr(limits, "INTRODUCED_BURST", 100)


def conflicts(mesh: Mesh, room: Gossip) -> dict[str, str]:
    """What is told now."""
    there: dict[str, str] = {}
    for event in mesh.log[room.own.id]:
        if isinstance(event, Conflict):
            there[event.code] = event.text
        elif isinstance(event, ConflictOver):
            there.pop(event.code, None)
    return there


@pytest.mark.usefixtures("small")
def test_a_flood_takes_the_places_of_its_own_and_is_named() -> None:
    mesh = Mesh()
    room = mesh.alone(gossip(identity(1), "keeper"))
    good, bad = mesh.alone(gossip(identity(2), "good")), mesh.alone(gossip(identity(3), "bad"))
    for other in (good, bad):
        mesh.connect(room, other)
    honest = strangers(1000, 20)
    mesh.tell(room, RecordsReceived(good.own.id, honest[:10]))
    mesh.tell(room, RecordsReceived(bad.own.id, strangers(2000, 200)))
    names = [record.name for record in room.members()]
    assert len(names) == 59
    assert {"good", "bad", *(f"s{number}" for number in range(1000, 1010))} < set(names)
    assert conflicts(mesh, room)["identity_flood"].startswith("bad brings unknown members")
    mesh.tell(room, RecordsReceived(good.own.id, honest[10:]))
    names = [record.name for record in room.members()]
    assert len(names) == 59
    assert {f"s{number}" for number in range(1000, 1020)} < set(names)
    assert "s2000" not in names
    mesh.run(200.0)
    assert "identity_flood" not in conflicts(mesh, room)


def test_members_known_for_an_hour_give_way_to_nobody() -> None:
    held, by = Members(), identity(1).id
    record = gossip(identity(2)).own
    held.put(record, b"x" * 64, by=by, now=0.0)
    assert held.victim(None, ()) == record.id
    assert held.victim(None, (record.id,)) is None
    held.tidy(slept=0.0, now=limits.ESTABLISHED)
    assert held.victim(None, ()) is None


def test_buckets_and_lists_of_one_neighbour_are_answered_so_often() -> None:
    mesh = Mesh()
    room = mesh.alone(gossip(identity(1)))
    mesh.connect(room, mesh.alone(gossip(identity(2))))
    mesh.run(5.0)
    mesh.sent.clear()
    for _ in range(50):
        mesh.tell(room, BucketsReceived(identity(2).id, [1] * 256))
    answers = [message for *_, message in mesh.sent if isinstance(message, Buckets)]
    assert len(answers) == ANSWERED_DEPTH
    assert room.drops["buckets_too_many"] == 50 - ANSWERED_DEPTH
    for _ in range(150):
        mesh.tell(room, HaveReceived(identity(2).id, [(room.own.id, 1)] * 400))
    assert room.drops["haves_too_many"] == 50


def test_a_lying_root_costs_one_comparison_in_thirty_seconds_and_less_and_less() -> None:
    mesh = Mesh()
    room = mesh.alone(gossip(identity(1)))
    mesh.connect(room, mesh.alone(gossip(identity(2))))
    mesh.run(5.0)
    mesh.sent.clear()
    for _ in range(600):
        mesh.tell(room, RootHeard(identity(2).id, b"nonsense"))
        mesh.run(1.0)
    began = [at for at, sender, _, message in mesh.sent if isinstance(message, Buckets) and sender == room.own.id]
    assert 3 <= len(began) <= 6
    assert min(two - one for one, two in itertools.pairwise(began)) >= 30.0


def test_a_root_of_a_minute_ago_is_no_reason_to_compare() -> None:
    members = Members()
    out: list[SendGossip] = []
    healing = Healing(members, out, {}, now=0.0)
    peer = identity(9).id
    healing.up(peer, compare=False, now=0.0)
    record = gossip(identity(2)).own
    members.put(record, b"x" * 64, now=0.0)
    healing.changed(now=0.0)
    old = members.digest.root
    members.put(gossip(identity(3)).own, b"y" * 64, now=50.0)
    healing.changed(now=50.0)
    for at, compares in ((60.0, False), (120.0, True)):
        healing.root(peer, old, now=at)
        healing.handle_timeout(now=at + 5.0)
        assert bool(out) == compares


# -- clones ---------------------------------------------------------------------------------------------------------


def test_a_copied_device_is_told_on_both_sides_without_a_storm() -> None:
    seen: dict[str, int] = {"one": 0, "two": 0}
    boots = {"one": b"boot one", "two": b"boot two"}
    rooms = {name: Clones(boot, entropy=random.Random(7)) for name, boot in boots.items()}
    sequence = {"one": 50, "two": 50}
    record = gossip(identity(2)).own
    now = 0.0
    for turn in range(400):
        name, other = ("one", "two") if turn % 2 else ("two", "one")
        now += 1.0
        said = _as(record, sequence[other], boots[other])
        if said.sequence >= sequence[name]:
            above = rooms[name].foreign(said, now=now)
            if above is not None:
                sequence[name] = above + 1
                seen[name] += 1
    assert all(room.record is not None for room in rooms.values())
    assert sum(seen.values()) <= 14


def test_a_restart_that_lost_its_count_is_no_clone() -> None:
    clones = Clones(b"new boot", entropy=random.Random(1))
    record = gossip(identity(2)).own
    for sequence in (40, 900):  # two versions of an earlier run are about
        above = clones.foreign(_as(record, sequence, b"old boot"), now=1.0)
        assert above is not None
        assert above >= sequence
    assert clones.record is None


def test_a_farewell_of_an_earlier_run_is_no_clone() -> None:
    clones = Clones(b"new boot", entropy=random.Random(1))
    record = gossip(identity(2)).own
    at = 10
    for _ in range(5):
        left = _as(record, at, b"old boot", left=True)
        above = clones.foreign(left, now=1.0)
        assert above is not None
        at = above + 5
    assert clones.record is None


def test_a_clone_that_ended_is_forgotten() -> None:
    clones = Clones(b"new boot", entropy=random.Random(1))
    record, at = gossip(identity(2)).own, 10
    for _ in range(4):
        at = (clones.foreign(_as(record, at, b"its boot"), now=1.0) or at) + 2
    told: list[bool] = []
    for now in (1.0, 300.0, 302.0):
        clones.tidy(now=now)
        told.append(clones.record is not None)
    assert told == [True, True, False]
    assert clones.due() is None


def _as(record: Record, sequence: int, boot: bytes, *, left: bool = False) -> Record:
    return msgspec.structs.replace(record, sequence=sequence, boot=boot, left=left)


# -- farewells and silence ------------------------------------------------------------------------------------------


def star(count: int) -> tuple[Mesh, Gossip, list[Gossip]]:
    """Rooms around one, all knowing all."""
    mesh = Mesh()
    middle = mesh.alone(gossip(identity(1), "middle"))
    rooms = [mesh.alone(gossip(identity(n + 2), f"r{n}")) for n in range(count)]
    for room in rooms:
        mesh.connect(room, middle)
    mesh.run(10.0)
    return mesh, middle, rooms


def test_a_farewell_goes_on_without_being_asked_for() -> None:
    mesh, middle, rooms = star(4)
    leaver = rooms.pop()
    mesh.tell(leaver, Leaving())
    mesh.tell(middle, RecordsReceived(leaver.own.id, [leaver.own_signed]))
    began = mesh.now
    mesh.run(0.1)
    for room in rooms:
        assert mesh.events(room, MemberGone) == [MemberGone(leaver.own.id, True)]
    pushed = [message for at, _, _, message in mesh.sent if at >= began and isinstance(message, Records)]
    assert len(pushed) == len(rooms)
    assert all(len(message.records[0]) < 200 for message in pushed)


def test_a_farewell_of_a_stranger_makes_nobody_known() -> None:
    mesh = Mesh()
    room, stranger = mesh.alone(gossip(identity(1))), mesh.alone(gossip(identity(2)))
    mesh.tell(stranger, Leaving())
    mesh.tell(room, RecordsReceived(identity(3).id, [stranger.own_signed]))
    assert room.members() == []
    assert not [message for *_, message in mesh.sent if isinstance(message, Records)]


def test_whoever_comes_back_after_a_farewell_is_known_again() -> None:
    mesh, middle, rooms = star(3)
    leaver = rooms.pop()
    mesh.tell(leaver, Leaving())
    mesh.tell(middle, RecordsReceived(leaver.own.id, [leaver.own_signed]))
    mesh.disconnect(leaver, middle)
    mesh.run(1.0)
    del mesh.rooms[leaver.own.id]
    back = mesh.alone(gossip(identity(4), "r2", sequence=1))  # it forgot how far it had counted
    mesh.connect(back, middle)
    mesh.run(5.0)
    for room in (middle, *rooms):
        held = room.member(back.own.id)
        assert held == back.own
        assert held is not None
        assert not held.left


def test_one_that_its_neighbour_hears_no_more_is_quiet_for_all() -> None:
    mesh, middle, rooms = star(3)
    dead = rooms.pop()
    mesh.disconnect(dead, middle)
    del mesh.rooms[dead.own.id]
    mesh.tell(middle, Quiet(dead.own.id))
    mesh.run(GRACE + TOLD_AFTER + 1.0)
    for room in (middle, *rooms):
        assert mesh.events(room, MemberQuiet) == [MemberQuiet(dead.own.id)]
    assert len({room._members.digest.root for room in (middle, *rooms)}) == 1


def test_one_that_lives_elsewhere_answers_and_is_not_told_as_quiet() -> None:
    mesh, middle, rooms = star(3)
    far, other, _ = rooms
    mesh.connect(far, other)
    mesh.disconnect(far, middle)
    mesh.tell(middle, Quiet(far.own.id))
    for _ in range(30):
        mesh.tell(other, Heard(far.own.id))
        mesh.run(1.0)
    assert not any(mesh.events(room, MemberQuiet) for room in (middle, *rooms))
    assert far.own.sequence > 2
    assert middle.member(far.own.id) == far.own


def test_claims_of_one_neighbour_are_believed_so_often_and_answered_seldom() -> None:
    mesh, middle, rooms = star(3)
    liar = rooms[0].own.id
    before = middle.own.sequence
    for _ in range(300):
        mesh.tell(middle, UnheardReceived(liar, [(middle.own.id, middle.own.sequence)]))
        mesh.run(0.1)
    assert middle.own.sequence - before <= 2
    assert middle.drops["claims_too_many"] >= 300 - CLAIMS_DEPTH - 31


SUMS = st.sampled_from([0, 1, 2**64 - 1])
FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(RootHeard, st.sampled_from([identity(2).id, identity(9).id]), st.binary(min_size=8, max_size=8)),
    st.builds(
        BucketsReceived, st.just(identity(2).id), st.lists(st.integers(0, 2**64 - 1), min_size=256, max_size=256)
    ),
    st.builds(
        UnheardReceived,
        st.just(identity(2).id),
        st.lists(st.tuples(st.sampled_from([identity(n).id for n in (1, 2, 3)]), st.integers(0, 9)), max_size=5),
    ),
    st.builds(Quiet, st.sampled_from([identity(n).id for n in (1, 2, 3)])),
)


@given(st.lists(FACTS, max_size=25), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_nothing_a_member_says_breaks_a_room(said: list[Fact], wait: int) -> None:
    mesh = Mesh()
    room = mesh.alone(gossip(identity(1)))
    mesh.tell(room, SessionUp(identity(2).id, gossip(identity(2), "peer").own_signed))
    for fact in said:
        mesh.tell(room, fact)
        mesh.run(wait / 10)
    again = Members(room._members.digest._key)
    for held in room._members.all():
        again.put(held.record, held.signed, now=0.0)
        again.set_quiet(held.record.id, held.quiet)
    assert again.digest.root == room._members.digest.root
    assert all(len(message.entries) <= 64 for *_, message in mesh.sent if isinstance(message, Unheard))


# -- what one member makes all others send --------------------------------------------------------------------------


def clique(count: int) -> tuple[Mesh, list[Gossip]]:
    """Rooms that all speak with each other."""
    mesh = Mesh()
    rooms = [mesh.alone(gossip(identity(n + 1), f"r{n}")) for n in range(count)]
    for one, two in itertools.combinations(rooms, 2):
        mesh.connect(one, two)
    mesh.run(30.0)
    mesh.sent.clear()
    return mesh, rooms


@pytest.mark.parametrize("returns", [False, True])
def test_farewells_of_one_id_go_on_once_in_ten_seconds(returns: bool) -> None:
    mesh, (bad, first, *others) = clique(5)
    minted = identity(99)
    base = gossip(minted, "minted").own

    def say(sequence: int, left: bool) -> None:
        record = msgspec.structs.replace(base, sequence=sequence, left=left, ipv4="")
        mesh.tell(first, RecordsReceived(bad.own.id, [sign(record, minted, NETWORK.name)]))

    say(10, False)
    mesh.run(5.0)
    mesh.sent.clear()
    for step in range(100):
        say(11 + 2 * step, True)
        if returns:
            say(12 + 2 * step, False)
        mesh.run(0.2)
    pushed = [to for _, sender, to, message in mesh.sent if isinstance(message, Records) and sender == first.own.id]
    served = [message for _, _, to, message in mesh.sent if isinstance(message, Want) and to == first.own.id]
    assert len(pushed) - len(served) <= 4 * 3, "at once, after ten seconds, and after twenty"
    if not returns:
        assert all(room.member(minted.id) is None for room in (first, *others))


def test_a_second_farewell_within_ten_seconds_arrives_late() -> None:
    mesh, middle, rooms = star(4)
    leaver = rooms.pop()
    record = leaver.own
    for sequence, left in ((20, True), (21, False), (22, True)):
        said = msgspec.structs.replace(record, sequence=sequence, left=left)
        mesh.tell(middle, RecordsReceived(leaver.own.id, [sign(said, identity(5), NETWORK.name)]))
        mesh.disconnect(leaver, middle)
        mesh.run(1.0)
    mesh.run(10.0)
    for room in rooms:
        assert room.member(leaver.own.id) is None


def test_a_claim_said_twice_is_answered() -> None:
    mesh, middle, rooms = star(1)
    before = middle.own.sequence
    claim = (middle.own.id, before)
    mesh.tell(middle, UnheardReceived(rooms[0].own.id, [claim, claim]))
    mesh.run(1.0)
    assert middle.own.sequence > before


def test_forged_records_use_up_the_checks_of_their_bringer(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh, (bad, good, room) = clique(3)
    checked: list[Record] = []

    def check(signed: bytes, record: Record, network: str) -> bool:
        checked.append(record)
        return is_signed(signed, record, network)

    monkeypatch.setattr("overlay.gossip.intake.is_signed", check)
    for sequence in range(10_000, 10_500):
        record = msgspec.structs.replace(good.own, sequence=sequence)
        mesh.tell(room, RecordsReceived(bad.own.id, [bytes(64) + sign(record, identity(2), NETWORK.name)[64:]]))
        mesh.run(0.01)
    assert len(checked) <= 50 + 5 * 60
    assert room.drops["records_too_many"] >= 100
    mesh.tell(room, RecordsReceived(good.own.id, [sign(record, identity(2), NETWORK.name)]))
    assert room.member(good.own.id) == record


def silence_of(count: int) -> tuple[Silence, list[Record]]:
    """Claims heard in a room with a neighbour and so many members."""
    members = Members()
    spread = Spread(members, {}, entropy=random.Random(1), now=0.0)
    spread.up(identity(2).id, now=0.0)
    base = gossip(identity(3)).own
    records = [msgspec.structs.replace(base, id=NodeId(n.to_bytes(32, "big"))) for n in range(count)]
    for record in records:
        members.put(record, b"x" * 64, now=0.0)
    return Silence(members, spread, identity(1).id, {}, now=0.0), records


@pytest.mark.parametrize(("same_run", "believed_at_most"), [(True, 6 + 120 / 11 + 1), (False, 64 + 120)])
def test_claims_that_members_refute_are_believed_seldom_and_their_bringer_is_named(
    same_run: bool, believed_at_most: float
) -> None:
    silence, records = silence_of(480)
    liar, believed = identity(9).id, 0
    for step, record in enumerate(records):
        now = step / 4
        silence.heard(liar, [(record.id, record.sequence)], now=now)
        if silence.commands():
            believed += 1
            boot = record.boot if same_run else b"another."
            silence.spoke(record, msgspec.structs.replace(record, sequence=99, boot=boot), now=now)
    assert believed_at_most * 0.4 <= believed <= believed_at_most
    assert silence.refused[liar] == 480 - believed
    assert claims_text(silence.refused, lambda node: "bad").startswith("bad says")


def test_what_all_claim_is_passed_on_so_often() -> None:
    silence, records = silence_of(1000)
    for number, record in enumerate(records):
        silence.heard(identity(100 + number // 20).id, [(record.id, record.sequence)], now=0.0)
    said = [each.message for each in silence.commands()]
    assert sum(len(each.entries) for each in said if isinstance(each, Unheard)) == PASSED_DEPTH
