"""Resumption: back without CPace and without a guess token, once a ticket, whatever is lost, repeated or forged."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.session.commands import SendHandshake
from overlay.session.events import DialFailed, SessionLost, SessionOpened, TicketsChanged
from overlay.session.facts import DialAsked, DialDropped, WallClockJumped
from overlay.session.layout import COOKIE_FRAME_SIZE, MAC_SIZE, R1_HEAD, R1_SIZE
from overlay.session.tickets import KEPT, STRIKES, Ticket, Tickets
from overlay.values import NodeId, Relayed
from punch.values import udp
from tests.overlay.session.world import (
    OTHER_NAME,
    PING,
    Host,
    Packet,
    World,
    agreed,
    direct,
    joined,
    lose,
    remade,
)


def back(**changed: Any) -> tuple[World, Host, Host]:
    """Two that met, and one that was killed and came back; nothing of before in the journal."""
    world, a, b = joined()
    a = world.restart(a, **changed)
    world.sent.clear()
    world.times.clear()
    return world, a, b


def tokens(host: Host) -> int:
    """Guess tokens missing at a host, of either set."""
    sessions = host.sessions
    return len(sessions._answerer._guesses) + len(sessions._dialler._guesses)


def first_r1(world: World) -> Packet:
    return next(packet for packet in world.sent if packet.kind == "r1")


def test_who_comes_back_needs_one_question_and_one_answer() -> None:
    world, a, b = back()
    world.dial(a, b, expect=b.id)
    world.run(0.5)
    assert agreed(a, b)
    assert world.kinds() == ["r1", "r2", "Ping"]
    r1, r2 = (packet.frame for packet in world.sent[:2])
    assert len(r2) <= len(r1) == R1_SIZE
    assert world.times[1] - world.times[0] == pytest.approx(world.delay)
    assert tokens(a) == tokens(b) == 0
    assert not a.sessions.drops
    assert not b.sessions.drops
    (at_a,), at_b = a.opened(), b.opened()[-1]
    assert (at_a.peer, at_a.dialled, at_a.first, at_a.record, at_a.seen) == (
        b.id,
        True,
        True,
        b.record,
        str(a.endpoint),
    )
    assert (at_b.peer, at_b.dialled, at_b.first, at_b.record, at_b.seen) == (a.id, False, False, a.record, None)
    assert (at_a.label, at_a.peer_label) == (at_b.peer_label, at_b.label)


def test_both_hold_the_same_tickets_and_never_one_twice() -> None:
    world, a, b = joined()
    seen: set[bytes] = set()
    for _ in range(5):
        (mine,), theirs = (host.tickets[other.id][-1:] for host, other in ((a, b), (b, a)))
        assert (mine.id, mine.secret) == (theirs[0].id, theirs[0].secret)
        assert (mine.peer, theirs[0].peer) == (b.id, a.id)
        assert mine.id not in seen
        seen.add(mine.id)
        a = world.restart(a)
        world.dial(a, b, expect=b.id)
        world.run(0.5)
        assert agreed(a, b)
    assert "m1" not in world.kinds()[1:]


def test_every_rekey_leaves_a_newer_one() -> None:
    world, a, b = joined()
    for _ in range(3):
        for _ in range(2):
            world.send(a, b, PING)
        world.run(125)
    assert world.kinds().count("Rekeyed") == 3
    assert len(a.tickets[b.id]) == len(b.tickets[a.id]) == KEPT
    assert [each.id for each in a.tickets[b.id]] == [each.id for each in b.tickets[a.id]]
    a = world.restart(a, tickets=a.tickets[b.id][:1])  # what the newest replaced: the disk was full meanwhile
    world.dial(a, b, expect=b.id)
    world.run(0.5)
    assert agreed(a, b)
    assert "r2" in world.kinds()


def test_an_address_at_which_it_answered_is_enough() -> None:
    world, a, b = back()
    world.tell(a, DialAsked(direct(b.endpoint), None, b.id))
    world.run(0.5)
    assert agreed(a, b)
    assert world.kinds() == ["r1", "r2", "Ping"]


def test_somebody_else_at_that_address_is_met_all_the_same() -> None:
    world, a, b = back()
    c = world.host()
    world.tell(a, DialAsked(direct(c.endpoint), None, b.id))
    world.run(0.5)
    assert agreed(a, c)
    assert world.kinds() == ["r1", "cookie", "m1", "m2", "m3", "m4", "Ping"]
    assert a.sessions.drops == c.sessions.drops == {"resume_unknown": 1}
    world.dial(a, b, expect=b.id)
    world.run(0.5)
    assert agreed(a, b)
    assert "r2" in world.kinds(), "the ticket was not spent on somebody else"


def test_who_lost_its_tickets_says_so_and_is_met_by_cpace_at_once() -> None:
    world, a, b = joined()
    b = world.restart(b, tickets=())
    world.sent.clear()
    world.dial(a, b, expect=b.id)
    world.run(0.3)
    assert agreed(a, b)
    assert world.kinds() == ["r1", "cookie", "m1", "m2", "m3", "m4", "Ping"]
    assert len(world.sent[1].frame) == COOKIE_FRAME_SIZE
    assert tokens(a) == tokens(b) == 0


def test_two_tries_in_vain_fall_back_to_cpace() -> None:
    world, a, b = back()
    world.fate = lose("r1", "cookie")
    world.dial(a, b, expect=b.id)
    world.run(1.0)
    assert agreed(a, b)
    assert world.kinds()[:3] == ["r1", "r1", "m1"]
    assert [at - world.times[0] for at in world.times[:3]] == pytest.approx([0, 0.25, 0.75])
    assert world.sent[0].frame == world.sent[1].frame
    assert not a.count(DialFailed)


@pytest.mark.parametrize("kind", ["r1", "r2"])
def test_one_loss_costs_a_quarter_of_a_second(kind: str) -> None:
    world, a, b = back()
    world.fate = lose(kind, times=1)
    world.dial(a, b, expect=b.id)
    world.run(0.5)
    assert agreed(a, b)
    answers = {packet.frame for packet in world.sent if packet.kind == "r2"}
    assert len(answers) == 1, "the identical answer"
    assert "m1" not in world.kinds()


def test_the_first_frame_is_lost_and_the_next_proves_the_keys() -> None:
    world, a, b = back()
    world.fate = lose("Ping", times=1)
    world.dial(a, b, expect=b.id)
    world.run(0.5)
    assert not agreed(a, b)
    assert world.kinds().count("r2") == 1, "r2 is repeated to nobody who does not ask"
    world.send(a, b, PING)
    world.run(0.1)
    assert agreed(a, b)


def test_a_late_answer_still_counts() -> None:
    world, a, b = back()
    world.delay = 0.45
    world.dial(a, b, expect=b.id)
    world.run(6)
    assert agreed(a, b)
    assert len(a.opened()) == 2, "the one by the ticket, and the one by CPace, which gave its token back"
    assert tokens(a) == tokens(b) == 0


def test_a_recorded_r1_opens_nothing_twice_and_ends_nothing() -> None:
    world, a, b = back()
    world.dial(a, b, expect=b.id)
    world.run(0.5)
    recorded, opened = first_r1(world), len(b.opened())
    for wait in (0.0, 1.0, 30.0, 60.0):
        world.run(wait)
        world.put(recorded)
        world.run(0.1)
        assert len(b.opened()) == opened
        assert world.send(a, b, PING)
        world.run(0.1)
        assert b.messages[-1] == PING
        assert b.count(SessionLost) == a.count(SessionLost) == 0
    answers = [packet for packet in world.sent if packet.kind in ("r2", "cookie")]
    assert all(len(each.frame) <= len(recorded.frame) for each in answers)


def test_an_r1_kept_back_and_brought_late_leaves_the_live_session_alone() -> None:
    world, a, b = back()
    world.fate = lose("r1")
    world.dial(a, b, expect=b.id)
    world.run(2)
    assert agreed(a, b)
    world.fate = lambda packet: [packet]
    world.put(first_r1(world))
    world.run(40)
    assert agreed(a, b)
    for sender, to in ((a, b), (b, a)):
        assert world.send(sender, to, PING)
        world.run(0.1)
        assert to.messages[-1] == PING
    assert b.count(SessionLost) == 0
    assert world.kinds().count("r2") == 1, "and its r2 is not repeated to wherever it came from"


def test_a_replay_after_a_crash_of_b_opens_nothing_that_lasts() -> None:
    world, a, b = back()
    before = b.tickets[a.id]
    world.dial(a, b, expect=b.id)
    world.run(0.5)
    b = world.restart(b, tickets=before)  # killed before it wrote down that the ticket is spent
    world.leave(a)
    world.put(first_r1(world))
    world.run(60)
    assert not b.sessions.is_open(a.id)
    assert not any(isinstance(event, TicketsChanged) and len(event.tickets) > 1 for event in b.events)


@pytest.mark.parametrize("same", [True, False], ids=["the same ticket", "different ones"])
def test_both_resume_at_once(same: bool) -> None:
    for seed in range(6):
        world, a, b = joined()
        for _ in range(seed + (not same)):
            b = world.restart(b)
            world.dial(b, a, expect=a.id)
            world.run(0.5)
        ours = a.tickets[b.id] if same else a.tickets[b.id][:1]
        a, b = world.restart(a, tickets=ours), world.restart(b)
        world.sent.clear()
        world.dial(a, b, expect=b.id)
        world.dial(b, a, expect=a.id)
        world.run(3)
        assert agreed(a, b)
        assert "m1" not in world.kinds() or not same
        assert tokens(a) == tokens(b) == 0
        assert world.send(a, b, PING)
        assert world.send(b, a, PING)


def test_crossing_where_one_side_is_dialled_at_a_dead_address() -> None:
    world, a, b = joined()
    for _ in range(8):
        a, b = world.restart(a), world.restart(b)
        world.tell(a, DialAsked(direct(msgspec.structs.replace(b.endpoint, port=1)), b.id))
        world.sent.clear()
        world.dial(b, a, expect=a.id)
        world.run(0.3)
        assert agreed(a, b)
        assert "m1" not in world.kinds()


def test_one_ticket_over_several_links_opens_one_session() -> None:
    world, a, b = back()
    elsewhere = direct(msgspec.structs.replace(b.endpoint, port=9))
    world.tell(a, DialAsked(elsewhere, b.id))
    world.run(0.01)
    world.dial(a, b, expect=b.id)
    world.run(0.3)
    assert agreed(a, b)
    assert len(a.opened()) == 1
    assert a.opened()[0].link == direct(b.endpoint)
    assert [event.link for event in a.events if isinstance(event, DialFailed)] == [elsewhere]
    world.run(30)
    assert "m1" not in world.kinds()


def test_a_dial_that_is_dropped_repeats_nothing() -> None:
    world, a, b = back()
    world.fate = lose("r1")
    link = world.dial(a, b, expect=b.id)
    world.tell(a, DialDropped(link))
    world.run(30)
    assert world.kinds() == ["r1"]
    assert a.sessions.next_timeout() is None


def test_it_rides_over_a_relay() -> None:
    world, a, b = back()
    there, home = Relayed(NodeId(bytes(32)), b.id), Relayed(NodeId(bytes(32)), a.id)
    for host, link, other, other_link in ((a, there, b, home),):
        host.sessions.tell(DialAsked(link, other.id), now=world.now)
        (asked,) = [each for each in host.sessions.commands() if isinstance(each, SendHandshake)]
        other.sessions.receive(asked.frame, other_link, now=world.now)
        (answer,) = [each for each in other.sessions.commands() if isinstance(each, SendHandshake)]
        assert answer.link == other_link
        host.sessions.receive(answer.frame, link, now=world.now)
    opened = next(event for event in a.sessions.events() if isinstance(event, SessionOpened))
    assert (opened.peer, opened.link) == (b.id, there)


TICKET_ID = range(8, R1_HEAD)
"""Bytes of r1 that say which ticket it is."""


@settings(max_examples=40, deadline=None)
@given(st.integers(0, R1_SIZE - 1), st.integers(1, 255), st.booleans(), st.booleans())
def test_a_changed_message_opens_nothing(at: int, flip: int, mended: bool, answer: bool) -> None:
    world, a, b = back()
    kind, changed = "r2" if answer else "r1", [0]

    def fate(packet: Packet) -> list[Packet]:
        if packet.kind != kind or changed[0]:
            return [packet]
        changed[0] += 1
        frame = bytearray(packet.frame)
        frame[at % (len(frame) - MAC_SIZE)] ^= flip
        made = remade(bytes(frame)) if mended else bytes(frame)
        return [msgspec.structs.replace(packet, frame=made)]

    world.fate = fate
    before = len(b.opened())
    world.dial(a, b, expect=b.id)
    world.run(0.1)
    unknown = not answer and mended and at % (R1_SIZE - MAC_SIZE) in TICKET_ID
    if not unknown:  # a ticket that nobody knows is said so, and CPace may open something
        assert len(b.opened()) == before + answer
        assert not a.opened()
    world.run(3)
    assert agreed(a, b), "and the true ones still do"
    assert tokens(a) == tokens(b) == 0


def test_who_guesses_at_the_secret_of_a_ticket_has_few_tries() -> None:
    world, a, b = joined()
    (ticket,) = a.tickets[b.id]
    thief = world.restart(a, tickets=(msgspec.structs.replace(ticket, secret=b"guess".ljust(32)),))
    thief.sessions.tell(DialAsked(direct(b.endpoint), b.id), now=world.now)
    r1 = next(each.frame for each in thief.sessions.commands() if isinstance(each, SendHandshake))
    for tries in range(1, STRIKES + 1):
        assert b.sessions._desk.tickets.newest(a.id) is not None, "one that saw its id does not burn it at once"
        b.sessions.receive(r1, direct(a.endpoint), now=world.now)
        assert b.sessions.drops == {"resume_mac": tries}
    assert b.sessions._desk.tickets.newest(a.id) is None
    assert not b.sessions._desk.tickets._strikes
    assert not list(b.sessions.commands()), "nobody is told whether it was right"


def test_nobody_costs_a_curve_operation_who_holds_no_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    world, a, b = back()
    world.fate = lose("r1")
    world.dial(a, b, expect=b.id)
    r1 = first_r1(world).frame

    def curve(*_: object) -> bytes:
        raise AssertionError("a scalar multiplication")

    monkeypatch.setattr("overlay.session.noise.crypto_scalarmult", curve)
    monkeypatch.setattr("overlay.session.noise.crypto_scalarmult_base", curve)
    forged = [
        r1[:8] + bytes(16) + r1[24:],
        r1[:-33] + bytes(1) + r1[-32:],
        r1[:24] + bytes(len(r1) - 24),
    ]
    for frame in forged:
        b.sessions.receive(remade(frame), direct(a.endpoint), now=world.now)
    assert b.count(SessionOpened) == 1


def test_our_own_r1_coming_back_is_ours_and_spends_nothing() -> None:
    world, a, b = back()
    world.fate = lose("r1")
    world.dial(a, b, expect=b.id)
    a.sessions.receive(first_r1(world).frame, direct(b.endpoint), now=world.now)
    assert a.sessions.drops == {"self": 1}
    assert a.sessions._desk.tickets.newest(b.id) is not None


def test_of_a_network_of_another_name_nothing_is_heard() -> None:
    world, a, b = back()
    stranger = world.host(OTHER_NAME)
    world.dial(a, b, expect=b.id)
    stranger.sessions.receive(first_r1(world).frame, direct(a.endpoint), now=world.now)
    assert stranger.sessions.drops == {"mac1": 1}
    assert not list(stranger.sessions.commands())


def test_a_jump_of_the_wall_clock_begins_afresh_and_resumes() -> None:
    world, a, b = joined()
    world.fate = lose("r1")
    world.dial(a, b, expect=b.id)
    before = first_r1(world).frame
    world.fate = lambda packet: [packet]
    world.tell(a, WallClockJumped())
    assert a.count(SessionLost) == 1
    world.run(0.5)
    assert agreed(a, b)
    after = [packet.frame for packet in world.sent if packet.kind == "r1"][-1]
    assert after[24:56] != before[24:56], "another ephemeral key"
    assert world.kinds().count("m1") == 1, "the one of their first meeting"


def test_a_long_record_is_left_out_rather_than_answer_more_than_was_asked() -> None:
    world, a, b = back()
    b.sessions._desk.record = bytes(1024)
    world.dial(a, b, expect=b.id)
    world.run(0.5)
    assert agreed(a, b)
    assert a.opened()[0].record == b""
    r1, r2 = (next(packet.frame for packet in world.sent if packet.kind == kind) for kind in ("r1", "r2"))
    assert len(r2) <= len(r1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_is_lost_repeated_or_late_no_token_is_gone_in_the_end(seed: int) -> None:
    dice = random.Random(seed)
    world, a, b = joined()

    def fate(packet: Packet) -> list[Packet]:
        return [packet] * dice.choice((0, 1, 1, 2))

    world.fate = fate
    for _ in range(3):
        if dice.random() < 0.5:
            a = world.restart(a)
        else:
            b = world.restart(b)
        for one, two in ((a, b), (b, a)):
            if dice.random() < 0.7:
                world.dial(one, two, expect=two.id)
            world.run(dice.random())
        world.run(dice.random() * 4)
    world.fate = lambda packet: [packet]
    for _ in range(2):  # one side may believe in keys that the other gave up: it dials once it hears nothing
        world.dial(a, b, expect=b.id)
        world.run(40)
        world.send(a, b, PING)
        world.run(1)
    assert agreed(a, b)
    assert a.sessions.half_open == b.sessions.half_open == 0
    mine, theirs = a.sessions._desk.tickets.newest(b.id), b.sessions._desk.tickets.newest(a.id)
    assert mine is not None
    assert theirs is not None


def test_tickets_are_bounded_newest_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overlay.session.tickets.MOST_PEERS", 3)
    held = Tickets(())
    gone = [held.add(ticket(peer, number)) for peer in range(5) for number in range(4)]
    assert len(held) == 3 * KEPT
    assert [each.id[1] for each in held.of(NodeId(bytes([4]) * 32))][-1] == 3
    assert any(gone)
    assert held.newest(NodeId(bytes([0]) * 32)) is None


def ticket(peer: int, number: int) -> Ticket:
    return Ticket(NodeId(bytes([peer]) * 32), bytes([peer, number]) * 8, bytes(32))


def test_a_ticket_shows_no_secret() -> None:
    assert "abab" not in repr(Ticket(NodeId(bytes(32)), bytes(16), b"\xab" * 32))


def test_a_chance_stays_one_where_a_ticket_is_tried_first() -> None:
    world, a, b = back()
    nowhere = direct(udp("192.168.7.9", 4000))
    a.sessions.tell(DialAsked(nowhere, None, b.id, chance=True), now=world.now)
    world.fate = lambda packet: []
    world.settle(a)
    world.run(3.0)
    assert {"r1", "m1"} <= set(world.kinds())
    assert a.sessions._dialler._by_link[nowhere].chance
