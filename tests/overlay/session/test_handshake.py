"""The handshake as a conversation of two hosts: what opens, what does not, and who is told."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from overlay.sealing import CIPHERS
from overlay.session import layout
from overlay.session.commands import SendHandshake
from overlay.session.events import (
    DialFailed,
    KeysLive,
    KeysRetired,
    LabelRetired,
    OpenKeyReady,
    ProbeKeysLive,
    SecretRefused,
    SessionLost,
    SessionOpened,
    TicketsChanged,
)
from overlay.session.facts import DialAsked, DialDropped, PeerLeft, RecordChanged, WallClockJumped
from overlay.session.timing import REPEATS
from overlay.values import NodeId
from overlay.wire.messages import Leave
from tests.overlay.session.world import (
    NETWORK,
    OTHER_NAME,
    OTHER_SECRET,
    PING,
    Host,
    Packet,
    World,
    agreed,
    direct,
    joined,
    lose,
    relayed,
)

MET = [SessionOpened, OpenKeyReady, KeysLive, ProbeKeysLive, TicketsChanged]


def test_two_hosts_meet() -> None:
    world, a, b = joined()
    assert world.kinds() == ["m1", "m2", "m3", "m4", "Ping"]
    assert [len(packet.frame) for packet in world.sent[:2]] == [176, 108]
    (at_a,), (at_b,) = a.opened(), b.opened()
    assert (at_a.peer, at_a.dialled, at_a.first, at_a.link) == (b.id, True, True, direct(b.endpoint))
    assert (at_b.peer, at_b.dialled, at_b.first, at_b.link) == (a.id, False, True, direct(a.endpoint))
    assert (at_a.label, at_a.peer_label) == (at_b.peer_label, at_b.label)
    assert (at_a.record, at_b.record) == (b.record, a.record)
    assert (at_a.seen, at_b.seen) == (str(a.endpoint), str(b.endpoint))
    assert (at_a.offloads, at_b.offloads) == (2, 1)
    assert [type(event) for event in a.events] == MET
    assert [type(event) for event in b.events] == MET
    assert {event.cipher for event in a.events if isinstance(event, KeysLive)} == {CIPHERS[0]}
    assert a.sessions.peer_label(b.id) == at_a.peer_label
    assert a.sessions.offloads(b.id) == 2
    assert a.sessions.handshake_at(b.id) == pytest.approx(1000.08)
    assert b.sessions.half_open == 0
    assert not a.sessions.drops
    assert not b.sessions.drops


def test_b_is_silent_until_a_frame_opened() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.fate = lose("Ping")
    world.dial(a, b)
    world.run(0.1)
    assert b.opened()
    assert b.sessions.is_open(a.id)
    assert not world.send(b, a, PING)
    assert b.sessions.drops == {"unsealed": 1}
    assert b.count(KeysLive) == 0
    world.fate = lambda packet: [packet]
    world.send(a, b, PING)
    world.run(0.1)
    assert agreed(a, b)
    assert world.send(b, a, PING)


def test_nothing_is_known_of_a_stranger() -> None:
    world = World()
    a, b = world.host(), world.host()
    assert not a.sessions.is_open(b.id)
    assert a.sessions.handshake_at(b.id) is None
    assert a.sessions.peer_label(b.id) is None
    assert a.sessions.offloads(b.id) == 0
    assert a.sessions.next_timeout() is None


@pytest.mark.parametrize("lost", ["m1", "m2", "m3", "m4", "Ping"])
@pytest.mark.parametrize("times", [1, 3])
def test_loss_is_repeated_away(lost: str, times: int) -> None:
    world = World()
    a, b = world.host(), world.host()
    world.fate = lose(lost, times=times)
    world.dial(a, b)
    world.run(8)
    assert agreed(a, b)
    assert len(a.opened()) == len(b.opened()) == 1
    frames = {packet.kind: packet.frame for packet in world.sent if packet.frame}
    assert all(packet.frame == frames[packet.kind] for packet in world.sent if packet.frame), "repeats are identical"
    assert b.sessions.half_open == 0


def test_repeats_double_and_end() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.fate = lose("m1")
    link = world.dial(a, b)
    world.run(60)
    assert [round(at - 1000, 2) for at in world.times] == [0, 0.25, 0.75, 1.75, 3.75, 7.75, 15.75]
    assert len(world.times) == REPEATS + 1
    assert a.events == [DialFailed(link, "no_answer")]
    assert a.sessions.next_timeout() is None


def test_every_packet_twice_and_late() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.fate = lambda packet: [packet, packet, packet]
    world.dial(a, b)
    world.run(30)
    assert agreed(a, b)
    assert len(a.opened()) == len(b.opened()) == 1
    assert b.sessions.half_open == 0


@pytest.mark.parametrize("seed", range(12))
def test_random_loss_and_duplication(seed: int) -> None:
    dice = random.Random(seed)
    world = World()
    a, b = world.host(), world.host()
    world.fate = lambda packet: [packet] * dice.choice((0, 0, 1, 1, 2))
    for _ in range(4):
        world.dial(a, b)
        world.run(22)
    world.fate = lambda packet: [packet]
    world.dial(a, b)
    world.run(5)
    assert agreed(a, b)


def test_wrong_secret_is_told_and_counted() -> None:
    world = World()
    a, b = world.host(), world.host(OTHER_SECRET)
    link = world.dial(a, b)
    world.run(30)
    assert a.events == [SecretRefused(link)]
    assert b.events == []
    assert a.sessions.drops == b.sessions.drops == {"guess": 1}
    assert world.kinds() == ["m1", "m2"]
    assert a.sessions.next_timeout() is None
    assert b.sessions.next_timeout() is None


def test_after_a_forged_m2_the_true_one_still_opens() -> None:
    world = World()
    a, b, forger = world.host(), world.host(), world.host(OTHER_SECRET)

    def fate(packet: Packet) -> list[Packet]:
        # The forger sits on the path: it hears m1 first and answers in B's name.
        if packet.kind == "m1":
            return [replace(packet, to=forger.endpoint), packet]
        if packet.source == forger.endpoint:
            return [replace(packet, source=b.endpoint)]
        return [packet]

    world.fate = fate
    world.dial(a, b)
    world.run(1)
    assert a.count(SecretRefused) == 1
    assert agreed(a, b)


def test_wrong_name_is_not_even_answered() -> None:
    world = World()
    a, b = world.host(), world.host(OTHER_NAME)
    link = world.dial(a, b)
    world.run(30)
    assert a.events == [DialFailed(link, "no_answer")]
    assert b.sessions.drops == {"mac1": 7}


def test_the_id_dialled_is_the_id_that_answers() -> None:
    world = World()
    a, b, c = world.host(), world.host(), world.host()
    link = world.dial(a, b, expect=c.id)
    world.run(40)
    assert a.events == [DialFailed(link, "wrong_id")]
    assert a.sessions.drops == {"wrong_id": 1, "handshake_label": REPEATS}
    assert b.count(SessionOpened) == b.count(SessionLost) == 1, "B forgets keys that nobody used"
    world.dial(a, c, expect=c.id)
    world.run(1)
    assert agreed(a, c)


def test_a_node_refuses_itself() -> None:
    world = World()
    a = world.host()
    link = world.dial(a, a)
    world.run(30)
    assert a.events == [DialFailed(link, "self")]
    assert a.sessions.drops == {"self": 1}
    assert a.sessions.next_timeout() is None


def test_a_copy_of_the_identity_is_refused() -> None:
    world = World()
    a, b = world.host(), world.host()
    b.sessions._desk.identity = a.identity
    link = world.dial(a, b)
    world.run(60)
    assert a.events == [DialFailed(link, "no_answer")]
    assert b.events == []
    assert b.sessions.drops["self"] == 1


def test_an_id_must_fit_its_static_key() -> None:
    world = World()
    a, b = world.host(), world.host()
    liar = world.host()
    b.sessions._desk.identity = liar.identity
    b.sessions._desk.static = a.sessions._desk.static
    b.sessions._desk.identity.id = NodeId(b"\x07" * 32)
    link = world.dial(a, b)
    world.run(1)
    assert DialFailed(link, "wrong_id") in a.events
    link = world.dial(b, a)
    world.run(30)
    assert DialFailed(link, "no_answer") in b.events
    assert a.sessions.drops["wrong_id"] >= 2


def test_the_cipher_is_the_first_common_one() -> None:
    world = World()
    a, b = world.host(ciphers=CIPHERS[1:]), world.host()
    world.dial(a, b)
    world.run(1)
    assert agreed(a, b)
    assert {event.cipher for event in b.events if isinstance(event, KeysLive)} == {CIPHERS[1]}


def test_without_a_common_cipher_there_is_no_session() -> None:
    world = World()
    a, b = world.host(ciphers=("rot13",)), world.host()
    link = world.dial(a, b)
    world.run(60)
    assert a.events == [DialFailed(link, "no_answer")]
    assert b.sessions.drops["cipher"] == 1


@pytest.mark.parametrize("liar", [0, 1])
def test_a_payload_that_is_none_is_counted(liar: int) -> None:
    world = World()
    hosts = world.host(), world.host()
    hosts[liar].sessions._desk.record = bytes(1300)
    link = world.dial(*hosts)
    world.run(60)
    assert hosts[0].events == [DialFailed(link, "no_answer")]
    assert hosts[1 - liar].sessions.drops["payload"] == 1


def test_whoever_dials_back_is_the_one_we_dialled_or_not() -> None:
    overtaken = 0
    for seed in range(8):
        world = World()
        a, b, c = (world.host(seed=bytes((seed,))) for _ in range(3))
        world.fate = lose("m1", times=1)
        link = world.dial(a, b, expect=c.id)
        world.dial(b, a, expect=a.id)
        world.run(60)
        assert [event for event in a.events if isinstance(event, DialFailed)] == [DialFailed(link, "wrong_id")]
        overtaken += agreed(a, b)
    assert 0 < overtaken < 8, "where B goes on, its session stands"


def test_other_minors_interoperate(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    a, b = world.host(), world.host()
    monkeypatch.setattr("overlay.session.desk.MINOR", 9)
    world.dial(a, b)
    world.run(1)
    assert agreed(a, b)
    assert a.opened()[0].minor == 9


@pytest.mark.parametrize("ours_is_newer", [True, False])
def test_another_major_is_told(ours_is_newer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    a, b = world.host(), world.host()
    majors = {a.endpoint: 2 if ours_is_newer else 1, b.endpoint: 1 if ours_is_newer else 2}

    def fate(packet: Packet) -> list[Packet]:
        monkeypatch.setattr(layout, "MAJOR", majors[packet.to])
        return [packet]

    world.fate = fate
    monkeypatch.setattr(layout, "MAJOR", majors[a.endpoint])
    link = world.dial(a, b)
    world.run(0.02)
    monkeypatch.setattr(layout, "MAJOR", majors[a.endpoint])
    world.run(0.1)
    assert a.events == [DialFailed(link, "version")]
    assert a.sessions.drops == b.sessions.drops == {"version": 1}
    assert [len(packet.frame) for packet in world.sent] == [176, 40]


def test_a_dial_in_progress_goes_on() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.fate = lose("m1", times=2)
    world.dial(a, b)
    world.run(0.1)
    world.dial(a, b, expect=b.id)
    world.run(5)
    assert len({packet.frame for packet in world.sent if packet.kind == "m1"}) == 1
    assert agreed(a, b)


def test_a_dropped_dial_repeats_nothing_but_may_be_answered() -> None:
    world = World()
    a, b = world.host(), world.host()
    link = world.dial(a, b)
    world.tell(a, DialDropped(link))
    world.run(1)
    assert agreed(a, b)

    world.fate = lose("m1")
    world.dial(b, a)
    world.tell(b, DialDropped(direct(a.endpoint)))
    world.run(30)
    assert b.count(DialFailed) == 0
    assert world.kinds().count("m1") == 2


def test_a_dropped_dial_can_be_asked_for_again() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.fate = lose("m1", times=1)
    link = world.dial(a, b)
    world.tell(a, DialDropped(link))
    world.dial(a, b)
    world.run(1)
    assert agreed(a, b)


# --- again ---


def test_a_second_handshake_replaces_the_first_in_peace() -> None:
    world, a, b = joined()
    world.run(30)
    old = (a.opened()[0].label, b.opened()[0].label)
    world.dial(a, b, expect=b.id)
    world.run(0.15)
    assert [event.first for event in a.opened()] == [True, False]
    assert agreed(a, b)
    assert len(a.open_keys) == len(b.open_keys) == 2
    world.send(b, a, PING)
    world.run(9)
    assert set(old) <= {*a.labels, *b.labels}
    world.run(3)
    assert a.count(KeysRetired) == b.count(KeysRetired) == 1
    assert a.count(LabelRetired) == b.count(LabelRetired) == 1
    assert not set(old) & {*a.labels, *b.labels}
    assert agreed(a, b)
    assert a.count(SessionLost) == 0
    assert {epoch for _, epoch in a.open_keys} == {epoch for _, epoch in b.open_keys} == {1}


def test_a_restarted_peer_is_taken_in() -> None:
    world, a, b = joined()
    again = Host(world, 1, NETWORK, CIPHERS, b"")
    assert again.id == a.id
    world.hosts[a.endpoint] = world.by_id[a.id] = again
    world.dial(again, b, expect=b.id)
    world.run(0.5)
    assert agreed(again, b)
    assert b.count(SessionLost) == 0


def test_nothing_answers_a_new_handshake_and_the_old_session_lives() -> None:
    world, a, b = joined()
    world.fate = lose("m1", "r1")
    world.dial(a, b, expect=b.id)
    world.run(25)
    assert a.count(DialFailed) == 1
    assert world.send(a, b, PING)
    world.run(1)
    assert b.messages[-1] == PING


def test_a_peer_that_starts_again_in_the_middle_of_a_handshake_is_not_locked_out() -> None:
    for turn in range(4):
        world = World()
        a, b = world.host(seed=bytes((65 + turn,))), world.host()
        world.fate = lose("m3")
        world.dial(b, a, expect=a.id)
        world.run(0.1)
        world.fate = lambda packet: [packet]
        a = world.restart(a)
        world.dial(a, b, expect=b.id)
        world.run(1.5)
        assert agreed(a, b)


def test_a_peer_that_left_is_forgotten() -> None:
    world, a, b = joined()
    world.send(a, b, Leave())
    world.run(0.1)
    world.tell(b, PeerLeft(a.id))
    assert [type(event) for event in b.events[5:]] == [KeysRetired, LabelRetired, SessionLost]
    assert not b.sessions.is_open(a.id)
    assert not world.send(b, a, PING)


def test_a_jump_of_the_wall_clock_discards_everything() -> None:
    world, a, b = joined()
    world.fate = lose("m1")
    link = world.dial(a, b)
    before = world.sent[-1].frame
    world.tell(a, WallClockJumped())
    assert a.count(SessionLost) == 1
    assert not a.sessions.is_open(b.id)
    assert world.sent[-1].kind == "m1"
    assert world.sent[-1].frame[4:40] != before[4:40], "a copy of this host may be using the same scalar"
    world.fate = lambda packet: [packet]
    world.run(1)
    assert agreed(a, b)
    assert link == a.opened()[-1].link


def test_the_newest_record_is_shown() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.tell(a, RecordChanged(b"newer"))
    world.dial(a, b)
    world.run(1)
    assert b.opened()[0].record == b"newer"


def test_over_a_relay() -> None:
    world = World()
    a, b, relay = world.host(), world.host(), world.host()
    to_a, to_b = relayed(a, relay), relayed(b, relay)
    a.sessions.tell(DialAsked(to_b, b.id), now=world.now)
    for _ in range(3):
        for host, back, other in ((a, to_a, b), (b, to_b, a)):
            for command in host.sessions.commands():
                if isinstance(command, SendHandshake):
                    other.sessions.receive(command.frame, back, now=world.now)
    (at_a,) = [event for event in a.sessions.events() if isinstance(event, SessionOpened)]
    (at_b,) = [event for event in b.sessions.events() if isinstance(event, SessionOpened)]
    assert (at_a.link, at_a.seen) == (to_b, None)
    assert (at_b.link, at_b.seen) == (to_a, None)


# --- hostile bytes ---
