"""Floods and guesses: cookies, budgets, bounds, and no weapon for others."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from overlay.session.answerer import BUSY, MAX_HALF_OPEN
from overlay.session.cookies import ROTATION, Cookies
from overlay.session.events import DialFailed, SecretRefused, SessionOpened
from overlay.session.guesses import NODE_BURST, SOURCE_BURST, Guesses
from overlay.session.timing import ANSWER_LIFE
from overlay.values import Direct, Link, NodeId, Relayed
from punch.values import Endpoint, udp
from tests.overlay.session.world import OTHER_SECRET, SOCKET, Host, Packet, World, agreed, direct, keygen, lose, remade


def flood(world: World, target: Host, count: int, *, sources: int = 10**6, echo: bool = False) -> list[Packet]:
    """m1 of strangers who know the name, from `sources` addresses; with `echo` they answer cookies. The answers."""
    stranger = world.host(OTHER_SECRET)
    first = _first(world, stranger, target)
    dice = random.Random(count)
    answers: list[Packet] = []
    for index in range(count):
        source = udp(f"198.51.{index % sources // 200}.{index % sources % 200 + 1}", 1000 + index)
        head = first.frame[:4] + dice.randbytes(4) + first.frame[8:40]
        answers += _ask(world, target, source, remade(head + first.frame[40:]))
        if echo and answers[-1].kind == "cookie":
            cookie = answers[-1].frame[8:24]
            answers += _ask(world, target, source, remade(head + cookie + first.frame[56:]))
    return answers


def _first(world: World, stranger: Host, target: Host) -> Packet:
    fate = world.fate
    world.fate = lambda packet: []
    world.dial(stranger, target)
    world.fate = fate
    world.leave(stranger)
    return world.sent.pop()


def _ask(world: World, target: Host, source: Endpoint, frame: bytes) -> list[Packet]:
    before = len(world.sent)
    target.sessions.receive(frame, direct(source), now=world.now)
    world.settle(target)
    answers = world.sent[before:]
    assert sum(len(answer.frame) for answer in answers) <= len(frame), "no answer is longer than what asked"
    return answers


def test_above_sixteen_half_open_a_cookie_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overlay.session.guesses.NODE_BURST", 1000.0)
    world = World()
    b = world.host()
    answers = flood(world, b, 100)
    assert [answer.kind for answer in answers] == ["m2"] * BUSY + ["cookie"] * (100 - BUSY)
    assert b.sessions.half_open == BUSY
    a = world.host()
    world.dial(a, b)
    world.run(0.2)
    assert agreed(a, b), "the honest one comes back with its cookie, at once"
    assert world.kinds()[-7:] == ["m1", "cookie", "m1", "m2", "m3", "m4", "Ping"]
    first, _, again = world.sent[-7:-4]
    assert first.frame[:40] == again.frame[:40], "with the same Ya"


def test_no_more_than_sixty_four_are_half_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overlay.session.guesses.NODE_BURST", 1000.0)
    world = World()
    b = world.host()
    flood(world, b, 100, echo=True)
    assert b.sessions.half_open == MAX_HALF_OPEN
    assert b.sessions.drops["half_open"] == 100 - MAX_HALF_OPEN
    world.run(ANSWER_LIFE + 1)
    assert b.sessions.half_open == 0
    assert b.sessions.drops["guess"] == MAX_HALF_OPEN


def test_a_source_has_five_guesses() -> None:
    world = World()
    b = world.host()
    answers = flood(world, b, 20, sources=1, echo=True)
    assert sum(answer.kind == "m2" for answer in answers) == SOURCE_BURST
    assert b.sessions.drops["guess_budget"] == 20 - SOURCE_BURST
    world.run(61)
    assert sum(answer.kind == "m2" for answer in flood(world, b, 20, sources=1, echo=True)) == 1


def test_all_sources_have_thirty_guesses() -> None:
    world = World()
    b = world.host()
    answers = flood(world, b, 60, echo=True)
    assert sum(answer.kind == "m2" for answer in answers) == NODE_BURST
    world.run(101)
    answers = flood(world, b, 60, echo=True)
    assert sum(answer.kind == "m2" for answer in answers) == 10


def test_spoofed_sources_cannot_use_up_a_budget() -> None:
    """Half of a burst goes to whoever asks; the rest only to who receives what is sent to its source."""
    world = World()
    a, b = world.host(), world.host()
    stranger = world.host(OTHER_SECRET)
    forged = _first(world, stranger, b)
    for index in range(50):
        frame = forged.frame[:4] + bytes((index, 1, 2, 3)) + forged.frame[8:]
        _ask(world, b, a.endpoint, remade(frame))
    world.dial(a, b)
    world.run(0.2)
    assert agreed(a, b)


def test_a_right_secret_gives_its_token_back() -> None:
    world = World()
    a, b = world.host(), world.host()
    for _ in range(40):
        world.dial(a, b, expect=b.id)
        world.run(1)
    assert len(a.opened()) == len(b.opened()) == 40
    assert a.sessions.drops == b.sessions.drops == {}


def test_our_own_dials_are_guesses_too() -> None:
    """A server that is dialled may not try secret after secret on us either."""
    world = World()
    a, b = world.host(OTHER_SECRET), world.host()
    for _ in range(10):
        world.dial(a, b)
        world.run(25)
    told = a.count(SecretRefused)
    assert SOURCE_BURST <= told <= SOURCE_BURST + 5
    assert told < 10 or a.count(DialFailed) == 0


def test_many_answers_to_one_dial_are_many_guesses() -> None:
    world = World()
    a, b = world.host(OTHER_SECRET), world.host()
    world.fate = lambda packet: []
    world.dial(a, b)
    first = world.sent[-1]
    for index in range(12):
        forger = world.host(seed=bytes((index,)))
        forger.sessions.receive(first.frame, direct(a.endpoint), now=world.now)
        world.settle(forger)
        second = world.sent[-1]
        assert second.kind == "m2"
        world.deliver(second)
        world.deliver(second)
    assert a.count(SecretRefused) == 1
    assert a.sessions.drops["guess"] == SOURCE_BURST
    assert a.sessions.drops["guess_budget"] == 2 * (12 - SOURCE_BURST)


def test_a_cookie_answers_only_what_we_asked() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.fate = lose("m1")
    world.dial(a, b)
    cookie = remade(bytes((5, 0, 1, 0)) + world.sent[-1].frame[4:8] + b"c" * 32)
    for index in range(20):
        world.deliver(Packet(b.endpoint, a.endpoint, remade(cookie[:8] + bytes((index + 1,)) * 32)))
    assert world.kinds().count("m1") <= 4, "a forger of cookies gets three m1 out of us, to where we dial anyway"
    world.deliver(Packet(b.endpoint, a.endpoint, remade(cookie[:4] + b"none" + cookie[8:])))
    assert a.sessions.drops == {"handshake_label": 1}


def test_cookies_belong_to_a_source_and_a_share() -> None:
    cookies = Cookies(keygen(b"k"), now=0.0)
    link, share = direct(udp("192.0.2.1", 1)), b"Y" * 32
    cookie = cookies.make(link, share, now=1.0)
    others: list[tuple[Link, bytes]] = [
        (direct(udp("192.0.2.1", 2)), share),
        (direct(udp("192.0.2.2", 1)), share),
        (Relayed(NodeId(b"r" * 32), NodeId(b"p" * 32)), share),
        (link, b"Z" * 32),
    ]
    assert cookies.check(cookie, link, share, now=2.0)
    assert cookies.check(cookie, Direct(SOCKET, link.endpoint), share, now=ROTATION + 100)
    assert not any(cookies.check(cookie, *other, now=2.0) for other in others)
    assert not cookies.check(bytes(16), link, share, now=2.0)


@pytest.mark.parametrize(("age", "good"), [(100, True), (200, True), (245, False), (500, False)])
def test_cookies_grow_old(age: float, good: bool) -> None:
    cookies = Cookies(keygen(b"k"), now=0.0)
    link, share = direct(udp("192.0.2.1", 1)), b"Y" * 32
    cookie = cookies.make(link, share, now=0.0)
    cookies.check(bytes(16), link, share, now=age / 2)
    assert cookies.check(cookie, link, share, now=age) == good


def test_sources_are_forgotten() -> None:
    guesses = Guesses(now=0.0)
    now, taken = 0.0, 0
    for index in range(3000):
        now += 1.0
        taken += guesses.take(f"source {index}", now=now)
    assert taken == pytest.approx(NODE_BURST + 300, abs=2)
    assert len(guesses) <= 2 * NODE_BURST + 1
    guesses.give_back("source 1", now=now)


def test_an_answered_m1_stays_answered() -> None:
    """Whoever repeats a recorded m1 from elsewhere gets the same bytes, and costs nobody a token."""
    world = World()
    a, b = world.host(), world.host()
    world.fate = lose("m2")
    world.dial(a, b)
    world.run(0.1)
    first = world.sent[0]
    answers = [_ask(world, b, udp("203.0.113.9", port), first.frame)[0] for port in range(1, 50)]
    assert {answer.frame for answer in answers} == {world.sent[1].frame}
    assert b.sessions.half_open == 1


def test_a_duplicate_m3_gets_no_longer_m4() -> None:
    world = World()
    a, b = world.host(), world.host()
    b.sessions._desk.record = b"r" * 600
    world.fate = lose("Ping")
    world.dial(a, b)
    world.run(0.1)
    third = next(packet for packet in world.sent if packet.kind == "m3")
    fourth = next(packet for packet in world.sent if packet.kind == "m4")
    assert len(fourth.frame) > len(third.frame)
    assert _ask(world, b, third.source, third.frame) == []
    world.fate = lose("m4", times=0)
    world.run(1)
    assert agreed(a, b), "B itself repeats m4: A has proven itself"


def test_a_duplicate_m3_gets_the_identical_m4() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.dial(a, b)
    world.run(0.1)
    third = next(packet for packet in world.sent if packet.kind == "m3")
    fourth = next(packet for packet in world.sent if packet.kind == "m4")
    again = _ask(world, b, udp("203.0.113.9", 9), third.frame)
    assert [answer.frame for answer in again] == [fourth.frame]
    other = replace(third, frame=third.frame[:-1] + b"?")
    assert _ask(world, b, third.source, other.frame) == []


def test_low_order_shares_are_dropped() -> None:
    world = World()
    b = world.host()
    first = _first(world, world.host(OTHER_SECRET), b)
    frame = remade(first.frame[:8] + bytes(32) + first.frame[40:])
    assert _ask(world, b, udp("203.0.113.9", 9), frame) == []
    assert b.sessions.drops == {"share": 1}
    assert b.sessions.half_open == 0


def test_completed_handshakes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overlay.session.answerer.MAX_DONE", 3)
    monkeypatch.setattr("overlay.session.answerer.MAX_HALF_OPEN", 3)
    monkeypatch.setattr("overlay.session.dialler.MAX_FINISHED", 3)
    world = World()
    a, b = world.host(), world.host()
    for _ in range(12):
        world.dial(a, b)
        world.run(0.2)
    assert len(a.opened()) == a.count(SessionOpened) == 12
    assert len(b.sessions._answerer._by_label) <= 7
    assert len(a.sessions._dialler._finished) == 3
