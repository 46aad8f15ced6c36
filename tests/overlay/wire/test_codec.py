"""The codec against golden bytes, its own inverse, and hostile bytes."""

from __future__ import annotations

import json
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.wire.codec import MAX_CONTROL, Malformed, decode_message, encode_message, pack, unpack
from overlay.wire.messages import (
    KINDS,
    Answer,
    Buckets,
    Carried,
    Challenge,
    CircuitGone,
    CircuitOpened,
    CircuitRefused,
    Have,
    Heard,
    Leave,
    Message,
    OpenCircuit,
    Parting,
    Ping,
    Pong,
    Records,
    Rekey,
    Rekeyed,
    Report,
    Signal,
    Unheard,
    Want,
)
from punch import signals
from punch.values import Candidate, NatProfile, udp

GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "wire.json").read_text())

A, B = bytes(range(32)), bytes(range(32, 64))

SAMPLES: list[Message] = [
    Ping(7, b"\0" * 8),
    Pong(0xFFFF_FFFF, b"rootroot"),
    Challenge(b"token-01"),
    Answer(b"token-01"),
    Carried(to=A, sender=B, payload=b"\x04\x01\x01\x00", hops=8),
    OpenCircuit(req=1, source=A, target=B, label=0xDEAD_BEEF, hops=8, crossed=(B,)),
    CircuitOpened(req=1, label=0x0102_0304, through=(A,)),
    CircuitRefused(req=1, reason="no_peer"),
    CircuitGone(label=5),
    Buckets([0, 2**64 - 1] * 128),
    Have([(A, 1), (B, 2**63 - 1)]),
    Want([A, B]),
    Records([b"first", b"second"]),
    Report(complete=2**64 - 1, incomplete=0, highest=77, slices=9, missed=2, rebuilt=1),
    Rekey(b"noise one"),
    Rekeyed(b"noise two"),
    Leave(),
    Signal(signals.Touch(attempt=7, port=40_001, transaction=b"transaction!")),
    Heard(node=A, ip="203.0.113.9"),
    Parting(word=3),
    Unheard([(A, 1), (B, 2**63 - 1)]),
]

u8, u32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF_FFFF)
u63, u64 = st.integers(0, 2**63 - 1), st.integers(0, 2**64 - 1)
ids, eight, blobs = (
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=8, max_size=8),
    st.binary(max_size=200),
)

u16, ports = st.integers(0, 0xFFFF), st.integers(1, 0xFFFF)
seconds, words = st.floats(0.0, 86_400.0), st.text(max_size=32)
hosts = st.ip_addresses().map(str)
endpoints = st.builds(udp, hosts, ports)
profiles = st.builds(
    NatProfile,
    mapping=st.sampled_from(["eim", "adm", "apdm", "unknown"]),
    step=st.integers(-65_535, 65_535),
    foreign=st.none() | seconds,
    block=st.none() | st.tuples(ports, ports),
    parity=st.none() | st.booleans(),
    hosts=st.lists(hosts, max_size=3).map(tuple),
    reflexive=st.none() | endpoints,
)
samples = st.builds(signals.Sample, u16, seconds, ports, ports, hosts)
ANY_SIGNAL: st.SearchStrategy[signals.Signal] = st.one_of(
    st.builds(
        signals.Offer,
        attempt=u32,
        reply=st.booleans(),
        label=u32,
        profile=profiles,
        candidates=st.lists(st.builds(Candidate, endpoints, words), max_size=12).map(tuple),
        demand=st.booleans(),
    ),
    st.builds(
        signals.Sampled,
        attempt=u32,
        round=u16,
        samples=st.lists(samples, max_size=5).map(tuple),
        holes=st.lists(st.tuples(u16, ports, seconds), max_size=9).map(tuple),
    ),
    st.builds(signals.HolesOpen, attempt=u32, round=u16, count=u16, refresh=seconds),
    st.builds(
        signals.Aim,
        attempt=u32,
        round=u16,
        target=ports,
        aim=ports,
        host=hosts,
        counter=ports,
        rate=st.floats(0, 9e4),
    ),
    st.builds(signals.MoreHoles, attempt=u32, count=u16),
    st.builds(signals.Touch, attempt=u32, port=ports, transaction=st.binary(min_size=12, max_size=12)),
    st.builds(signals.Stop, attempt=u32, reason=words),
)

ANY_MESSAGE: st.SearchStrategy[Message] = st.one_of(
    st.builds(Ping, u32, eight),
    st.builds(Pong, u32, eight),
    st.builds(Challenge, eight),
    st.builds(Answer, eight),
    st.builds(Carried, ids, ids, blobs, u8),
    st.builds(OpenCircuit, u32, ids, ids, u32, u8, st.lists(ids, max_size=8).map(tuple)),
    st.builds(CircuitOpened, u32, u32, st.lists(ids, max_size=8).map(tuple)),
    st.builds(CircuitRefused, u32, st.text(max_size=32)),
    st.builds(CircuitGone, u32),
    st.builds(Buckets, st.lists(u64, min_size=256, max_size=256)),
    st.builds(Have, st.lists(st.tuples(ids, u63), max_size=20)),
    st.builds(Want, st.lists(ids, max_size=20)),
    st.builds(Records, st.lists(blobs, max_size=20)),
    st.builds(Report, u64, u64, u64, u64, u64, u64),
    st.builds(Rekey, blobs),
    st.builds(Rekeyed, blobs),
    st.just(Leave()),
    st.builds(Signal, ANY_SIGNAL),
    st.builds(Heard, ids, st.text(max_size=45)),
    st.builds(Parting, u8),
    st.builds(Unheard, st.lists(st.tuples(ids, u63), max_size=20)),
)


def test_every_kind_has_a_sample_and_golden_bytes() -> None:
    assert [type(sample) for sample in SAMPLES] == list(KINDS.values())
    assert list(GOLDEN["messages"]) == [kind.__name__ for kind in KINDS.values()]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_golden_bytes(sample: Message) -> None:
    golden = bytes.fromhex(GOLDEN["messages"][type(sample).__name__])
    assert encode_message(sample) == golden
    assert decode_message(golden) == sample
    assert decode_message(memoryview(golden)) == sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_padding_and_later_fields_are_ignored(sample: Message) -> None:
    assert decode_message(encode_message(sample, size=6000)) == sample
    assert len(encode_message(sample, size=6000)) == 6000
    longer = [*msgpack.unpackb(encode_message(sample)), "of a later minor", [1, None]]
    assert decode_message(msgpack.packb(longer)) == sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_truncated_at_every_byte(sample: Message) -> None:
    plain = encode_message(sample)
    for length in range(len(plain)):
        with pytest.raises(Malformed):
            decode_message(plain[:length])


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_every_bit_flipped(sample: Message) -> None:
    plain = encode_message(sample)
    for bit in range(8 * len(plain)):
        flipped = bytearray(plain)
        flipped[bit // 8] ^= 1 << bit % 8
        survives(bytes(flipped))


@given(ANY_MESSAGE, st.integers(0, 3000))
def test_decoding_undoes_encoding(message: Message, size: int) -> None:
    assert decode_message(encode_message(message, size=size)) == message


@settings(max_examples=500)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_malformed(plain: bytes) -> None:
    survives(plain)


anything = st.recursive(
    st.none() | st.booleans() | u64 | st.floats() | st.text(max_size=9) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=500)
@given(st.integers(0, 22), st.lists(anything, max_size=6))
def test_any_fields_are_a_message_or_malformed(kind: int, fields: list[object]) -> None:
    survives(msgpack.packb([kind, *fields]))


def survives(plain: bytes) -> None:
    """Decode; what comes out, if anything, encodes to something that decodes to the same."""
    try:
        message = decode_message(plain)
    except Malformed:
        return
    assert decode_message(encode_message(message)) == message


HOSTILE = {
    "nothing": (b"", "msgpack"),
    "only padding": (b"\0" * 40, "kind"),
    "never used byte": (b"\xc1", "msgpack"),
    "not an array": (b"\x01", "kind"),
    "empty array": (b"\x90", "kind"),
    "unknown kind": (b"\x91\x13", "kind"),
    "no signal": (b"\x92\x14\x90", "fields"),
    "signal of no number": (b"\x92\x14\x92\x63\x01", "fields"),
    "signal is a map": (b"\x92\x14\x80", "fields"),
    "map of 25": (b"\x92\x14\xde\x00\x19" + b"\xa1a\x01" * 25, "msgpack"),
    "negative kind": (b"\x91\xff", "kind"),
    "huge kind": (b"\x91\xcf" + b"\xff" * 8, "kind"),
    "kind is true": (b"\x91\xc3", "kind"),
    "kind is an array": (b"\x91\x91\x11", "kind"),
    "array claims 4 G": (b"\xdd\xff\xff\xff\xff", "msgpack"),
    "bytes claim 4 G": (b"\x92\x03\xc6\xff\xff\xff\xff", "msgpack"),
    "text claims 4 G": (b"\x92\x03\xdb\xff\xff\xff\xff", "msgpack"),
    "map claims 4 G": (b"\xdf\xff\xff\xff\xff", "msgpack"),
    "deep nesting": (b"\x91" * 16_000, "msgpack"),
    "wide nesting": (b"\xdc\x02\x00" * 5_000, "msgpack"),
    "map with a key twice": (b"\x92\x03\x82\x01\x02\x01\x03", "msgpack"),
    "empty map": (b"\x92\x03\x80", "fields"),
    "extension": (b"\x92\x03\xd4\x01\x00", "msgpack"),
    "timestamp": (b"\x92\x03\xd6\xff\x00\x00\x00\x00", "msgpack"),
    "empty timestamp": (b"\x92\x03\xc7\x00\xff", "msgpack"),
    "text not UTF-8": (b"\x93\x08\x01\xa2\xff\xfe", "msgpack"),
    "surrogate": (b"\x93\x08\x01\xa3\xed\xa0\x80", "msgpack"),
    "text for bytes": (b"\x92\x03\xa8" + b"A" * 8, "fields"),
    "bytes for text": (b"\x93\x08\x01\xc4\x03off", "fields"),
    "token too long": (b"\x92\x03\xc4\x09" + b"A" * 9, "fields"),
    "number too large": (b"\x92\x09\xcf" + b"\xff" * 8, "fields"),
    "number negative": (b"\x92\x09\xff", "fields"),
    "number is a float": (b"\x92\x09\xcb\x3f\xf0" + b"\0" * 6, "fields"),
    "number is true": (b"\x92\x09\xc3", "fields"),
    "field missing": (b"\x92\x08\x01", "fields"),
    "bytes behind": (b"\x91\x11\x00\x01", "trailing"),
    "padding too long": (b"\x91\x11" + b"\0" * MAX_CONTROL, "size"),
}


@pytest.mark.parametrize(("plain", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes(plain: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as fault:
        decode_message(plain)
    assert fault.value.reason == reason


def test_a_long_list_is_refused_by_its_field() -> None:
    with pytest.raises(Malformed):
        decode_message(msgpack.packb([12, [A] * 451]))
    with pytest.raises(Malformed):
        decode_message(msgpack.packb([11, [[A, 1]] * 401]))
    with pytest.raises(Malformed):
        decode_message(msgpack.packb([13, [b""] * 65]))
    with pytest.raises(Malformed):
        decode_message(msgpack.packb([20, [2, 1, 0, [], [[1, 2, 0.5]] * 1025]]))


def test_a_signal_travels_as_the_engine_states_it() -> None:
    said = signals.Stop(attempt=7, reason="done")
    assert msgpack.unpackb(encode_message(Signal(said))) == [20, signals.plain(said)]


@pytest.mark.parametrize(
    "wrong", [{"host": "example.org"}, {"host": ""}, {"port": 65_536}, {"port": -1}, {"transport": "u" * 33}]
)
def test_a_signal_that_names_no_endpoint_is_refused_at_the_door(wrong: dict[str, object]) -> None:
    said = signals.Offer(7, False, 1, NatProfile(), (Candidate(udp("192.0.2.1", 5), "local"),), False)
    body = signals.plain(said)
    assert decode_message(msgpack.packb([20, body])) == Signal(said)
    body[5][0]["endpoint"] |= wrong
    with pytest.raises(Malformed) as refused:
        decode_message(msgpack.packb([20, body]))
    assert refused.value.reason == "fields"


def test_the_longest_account_of_a_round_fits() -> None:
    holes = tuple((n, 1024 + n, 0.001 * n) for n in range(800))
    assert len(encode_message(Signal(signals.Sampled(1, 0, (), holes)))) <= MAX_CONTROL


def test_pack_and_unpack_are_strict() -> None:
    packed = pack([A, ("text", 5), [Ping(1, b"\0" * 8)]])
    assert unpack(packed, tuple[bytes, tuple[str, int], list[Ping]]) == (A, ("text", 5), [Ping(1, b"\0" * 8)])
    for broken, reason in [(packed + b"\0", "trailing"), (packed[:-1], "msgpack"), (b"\x91\x01", "fields")]:
        with pytest.raises(Malformed) as fault:
            unpack(broken, tuple[bytes, tuple[str, int], list[Ping]])
        assert fault.value.reason == reason
    with pytest.raises(Malformed):
        unpack(packed, tuple[bytes, tuple[str, int], list[Ping]], limit=len(packed) - 1)
