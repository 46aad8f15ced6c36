"""Sealed control frames, and the frames of a handshake as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.sealing import LARGEST_TAG, aad, nonce
from overlay.session import Sealed
from overlay.session.book import MAX_BODY
from overlay.session.layout import (
    M3,
    M4,
    BadFrame,
    Cookie,
    First,
    Foreign,
    Late,
    Payload,
    Second,
    cookie_frame,
    first,
    first_head,
    late,
    mac1,
    parse,
    second,
    second_head,
    unpack_payload,
)
from overlay.values import Label
from overlay.wire.codec import Malformed, pack
from overlay.wire.messages import Challenge, Ping, Records
from tests.overlay.session.world import Host, World, agreed, direct, remade

PING = Ping(1, bytes(8))
KEY = b"k" * 32

labels = st.integers(0, 2**32 - 1).map(Label)
b32 = st.binary(min_size=32, max_size=32)
b16 = st.binary(min_size=16, max_size=16)


def joined() -> tuple[World, Host, Host]:
    world = World()
    a, b = world.host(), world.host()
    world.dial(a, b)
    world.run(0.5)
    assert agreed(a, b)
    return world, a, b


def seal(world: World, host: Host, to: Host, count: int) -> list[Sealed]:
    sealed = [host.sessions.seal(to.id, Ping(index, bytes(8)), now=world.now) for index in range(count)]
    return [each for each in sealed if each is not None]


def test_counters_go_up_by_one() -> None:
    world, a, b = joined()
    assert [each.counter for each in seal(world, a, b, 4)] == [1, 2, 3, 4]


def test_replayed_reordered_late() -> None:
    world, a, b = joined()
    frames = seal(world, a, b, 9000)

    def opens(index: int) -> bool:
        each = frames[index]
        return b.sessions.open(a.id, each.epoch, each.counter, each.body, now=world.now) == Ping(index, bytes(8))

    assert [opens(index) for index in (5, 3, 4, 5, 3, 0)] == [True, True, True, False, False, True]
    assert opens(8999)
    assert not opens(1), "8,192 back nobody can tell"
    assert opens(8998)
    assert b.sessions.drops == {"replayed": 3}


def test_flipped_truncated_and_misplaced() -> None:
    world, a, b = joined()
    (sealed,) = seal(world, a, b, 1)
    now, body = world.now, sealed.body

    def opens(epoch: int, counter: int, body: bytes) -> bool:
        return b.sessions.open(a.id, epoch, counter, body, now=now) is not None

    assert not any(opens(sealed.epoch, sealed.counter, body[:size]) for size in range(len(body)))
    for bit in range(8 * len(body)):
        forged = bytearray(body)
        forged[bit // 8] ^= 1 << bit % 8
        assert not opens(sealed.epoch, sealed.counter, bytes(forged))
    assert not opens(sealed.epoch, sealed.counter + 1, body)
    assert not opens(sealed.epoch + 1, sealed.counter, body)
    assert not opens(sealed.epoch, 2**64 - 1, body)
    assert b.sessions.open(world.host().id, sealed.epoch, sealed.counter, body, now=now) is None
    assert set(b.sessions.drops) == {"tag", "no_epoch", "no_session"}
    assert opens(sealed.epoch, sealed.counter, body)
    assert a.sessions.open(b.id, sealed.epoch, sealed.counter, body, now=now) is None, "our own frame, sent back"


def test_what_opens_and_is_no_message_is_counted() -> None:
    world, a, b = joined()
    run = a.sessions._desk.peers[b.id].runs[0]
    body = run.seal_aead.encrypt(nonce(7), b"\x91\xff", aad(7, 0, 7))
    assert b.sessions.open(a.id, 0, 7, body, now=world.now) is None
    assert b.sessions.drops == {"malformed": 1}


@pytest.mark.parametrize("pad", [0, 10, 44, 45, 1184, MAX_BODY])
def test_padding(pad: int) -> None:
    world, a, b = joined()
    message = Challenge(b"12345678")
    sealed = a.sessions.seal(b.id, message, pad=pad, now=world.now)
    assert sealed is not None
    assert len(sealed.body) == max(pad, 12 + LARGEST_TAG)
    assert b.sessions.open(a.id, sealed.epoch, sealed.counter, sealed.body, now=world.now) == message


def test_sixteen_kilobytes_at_most() -> None:
    world, a, b = joined()
    assert a.sessions.seal(b.id, PING, pad=MAX_BODY + 1, now=world.now) is None
    assert a.sessions.seal(b.id, Records([b"r" * 1200] * 14), now=world.now) is None
    assert a.sessions.drops == {"oversized": 2}
    assert a.sessions.seal(b.id, Records([b"r" * 1200] * 13), now=world.now) is not None


# --- bytes of handshake frames ---


@given(labels, labels, b32, b16, st.binary(min_size=48, max_size=48))
@settings(max_examples=50)
def test_frames_come_back(label: Label, peer: Label, share: bytes, cookie: bytes, noise: bytes) -> None:
    head = first_head(label, share)
    assert parse(first(head, cookie, KEY), KEY) == First(head, share, cookie)
    head = second_head(label, peer, share)
    assert parse(second(head, noise, KEY), KEY) == Second(head, label, peer, share, noise)
    assert parse(cookie_frame(label, cookie, KEY), KEY) == Cookie(label, cookie)
    for kind in (M3, M4):
        assert parse(late(kind, label, noise), KEY) == Late(kind, label, noise)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda tail: b"\x04\x01\x01\x00" + tail)))
@settings(max_examples=200)
def test_any_bytes_may_come(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        parse(frame[:2] + b"\x01" + frame[3:] if frame[:1] == b"\x04" and frame[1:2] in b"\x03\x04" else frame, KEY)


@given(st.sampled_from([4, 5]), st.integers(0, 255), st.integers(0, 255), st.binary(min_size=36, max_size=172))
@settings(max_examples=200)
def test_a_session_survives_any_frame(type_: int, kind: int, major: int, tail: bytes) -> None:
    """Also those of somebody who knows the network's name."""
    world = World()
    host = world.host()
    frame = bytes((type_, kind, major, 0)) + tail
    for each in (frame, remade(frame)):
        host.sessions.receive(each, direct(host.endpoint), now=world.now)
    sent = sum(len(command.frame) for command in host.sessions.commands() if hasattr(command, "frame"))
    assert sent <= len(frame)
    assert not list(host.sessions.events())


def test_a_foreign_major_is_believed_only_with_a_mac() -> None:
    frame = bytearray(first(first_head(Label(7), b"Y" * 32), bytes(16), KEY))
    frame[2] = 2
    with pytest.raises(BadFrame, match="mac1"):
        parse(bytes(frame), KEY)
    frame[-16:] = mac1(KEY, bytes(frame[:-16]))
    assert parse(bytes(frame), KEY) == Foreign(True, Label(7))
    frame[1] = M3
    with pytest.raises(BadFrame, match="version"):
        parse(bytes(frame), KEY)


payloads = st.builds(
    Payload,
    id=b32,
    minor=st.integers(0, 255),
    epoch=st.integers(0, 255),
    ciphers=st.lists(st.text(max_size=32), max_size=8),
    offloads=st.integers(0, 2**32 - 1),
    seen=st.none() | st.text(max_size=64),
    record=st.binary(max_size=1200),
)


@given(payloads)
@settings(max_examples=100)
def test_payloads_come_back(payload: Payload) -> None:
    assert unpack_payload(payload.pack()) == payload


@given(payloads, st.lists(st.integers().filter(lambda number: abs(number) < 2**63), max_size=3))
@settings(max_examples=30)
def test_later_minors_may_say_more(payload: Payload, more: list[int]) -> None:
    fields = [getattr(payload, name) for name in payload.__struct_fields__]
    assert unpack_payload(pack(fields + more)) == payload


@given(st.one_of(st.binary(max_size=300), payloads.map(lambda payload: payload.pack()[:-1])))
@settings(max_examples=100)
def test_no_payload_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        unpack_payload(data)
