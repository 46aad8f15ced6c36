"""With the keys of a node the dissector says what is inside; STUN and probes it reads without."""

from __future__ import annotations

import random
import struct
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.sealing import BUILT_IN, aad, aead, nonce, tag_size
from overlay.values import Label
from overlay.wire import messages as said
from overlay.wire.codec import encode_message
from overlay.wire.frame import CONTROL, DATA, HEADER_SIZE, PARITIES, Header, cut, parity_index
from overlay.wire.parity import parity
from punch import probe, signals, stun
from punch.values import Candidate, NatProfile, udp
from tests.tools.test_dissect import A, B, packet, printed
from tools.dissect import layers, spoken
from tools.dissect.__main__ import main
from tools.dissect.keys import BadKeys, KeyRing
from tools.dissect.layers import dissect

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6

Capture = pytest.CaptureFixture[str]

KEY = bytes(range(32))
OURS, THEIRS = "5a1c0f22" + "0" * 56, "77e00b13" + "1" * 56
LABEL = Label(0xBBBB0002)


def line(kind: str, epoch: int, cipher: str, key: bytes = KEY) -> str:
    return f"{kind} {epoch} {cipher} {key.hex()} from {OURS} to {THEIRS}\n"


def sealed(kind: int, plain: bytes, *, cipher: str = BUILT_IN[0], counter: int = 5, size: int = 1200) -> list[bytes]:
    """The frames of an envelope of epoch 3."""
    body = aead(cipher, KEY).encrypt(nonce(counter), plain, aad(kind, 3, counter))
    return cut(kind, LABEL, 3, counter, body, size)


def record(raw: bytes, *, gso_type: int = 0, gso_size: int = 0) -> bytes:
    """A record of a data envelope."""
    vnet = struct.pack("<BBHHHH", 0, gso_type, 0, gso_size, 0, 0)
    return struct.pack("<I", len(vnet) + len(raw)) + vnet + raw


def opened(tmp_path: Path, capsys: Capture, frames: list[bytes], keys: str) -> list[str]:
    """What is printed of these frames, without the first columns and the summary."""
    (tmp_path / "keys").write_text(keys)
    packets = [packet(1.0 + at / 1000, A, B, frame) for at, frame in enumerate(frames)]
    lines = printed(tmp_path, capsys, packets, "--keys", str(tmp_path / "keys"))
    return [each.partition("10.0.0.1:27182 ")[2] or each for each in lines[: lines.index("")]]


@pytest.mark.parametrize("cipher", BUILT_IN)
def test_control_of_every_cipher_opens(tmp_path: Path, capsys: Capture, cipher: str) -> None:
    frames = sealed(CONTROL, encode_message(said.Ping(7, b"12345678")), cipher=cipher)
    lines = opened(tmp_path, capsys, frames, line("data", 3, cipher) + line("control", 3, cipher))
    size = len(frames[0]) - 16
    assert lines == [
        f"control 5a1c0f22 to 77e00b13, epoch 3, counter 5: Ping(req 7, root 3132333435363738), {size} B sealed"
    ]


@pytest.mark.parametrize("cipher", BUILT_IN)
def test_inner_packets_have_a_line_each(tmp_path: Path, capsys: Capture, cipher: str) -> None:
    plain = (
        record(bytes(IP(src="10.66.0.2", dst="10.66.0.3") / TCP(sport=40000, dport=80, flags="S", seq=1)))
        + record(
            bytes(IPv6(src="fd00::2", dst="fd00::3") / UDP(sport=5, dport=53) / bytes(3000)), gso_type=5, gso_size=1340
        )
        + record(bytes(IP(src="10.66.0.2", dst="10.66.0.3") / ICMP(id=1, seq=2)))
        + struct.pack("<I", 0)
        + b"padding"
    )
    frames = sealed(DATA, plain, cipher=cipher)
    assert len(frames) > 1
    lines = opened(tmp_path, capsys, frames, line("data", 3, cipher))
    assert lines[0].startswith("data 5a1c0f22 to 77e00b13, epoch 3, counter 5: 3 packets, ")
    assert lines[0].endswith(f"sealed with {cipher}")
    assert lines[1:] == [
        "10.66.0.2:40000 > 10.66.0.3:80 TCP S seq 1 ack 0, 40 B",
        "[fd00::2]:5 > [fd00::3]:53 UDP, 3048 B, to be cut at 1340 B",
        "10.66.0.2 > 10.66.0.3 ICMP echo-request id 0x1 seq 0x2, 28 B",
    ]


def test_what_no_key_opens_is_told_as_without_keys(tmp_path: Path, capsys: Capture) -> None:
    frames = sealed(DATA, record(bytes(3000)))
    other = line("data", 3, BUILT_IN[0], bytes(32)) + line("control", 3, BUILT_IN[0], bytes(32))
    size = sum(map(len, frames))
    assert opened(tmp_path, capsys, frames, other) == [
        f"data to bbbb0002 epoch 3, counter 5, 1 envelopes in 3 slices, {size:,} B"
    ]
    assert "slice 1 of 1" in opened(tmp_path, capsys, sealed(CONTROL, b"\x91\x11"), other)[0]
    assert "1 envelopes in 3 slices" in opened(tmp_path, capsys, frames, line("data", 4, BUILT_IN[0]))[0]


def test_slices_out_of_order_and_lost(tmp_path: Path, capsys: Capture) -> None:
    plain = record(bytes(IP(src="10.66.0.2", dst="10.66.0.3") / UDP(sport=1, dport=2) / bytes(2500)))
    frames = sealed(DATA, plain)
    shuffled = frames[1:] + frames[:1] + sealed(DATA, plain, counter=6)[:2]
    lines = opened(tmp_path, capsys, shuffled, line("data", 3, BUILT_IN[0]))
    assert "counter 5: 1 packet," in lines[0]
    assert lines[-1].startswith("1 envelopes lack a slice")


def protected(plain: bytes, size: int, k: int, *, counter: int = 5) -> list[bytes]:
    """The frames of a data envelope of whole slices of `size` bytes, and its parity slices behind them."""
    room = tag_size(BUILT_IN[0])
    plain = plain.ljust(-(-(len(plain) + room) // size) * size - room, b"\0")
    frames = sealed(DATA, plain, counter=counter, size=size + HEADER_SIZE)
    count = len(frames)
    made = parity(b"".join(frame[HEADER_SIZE:] for frame in frames), size, k)
    for number in range(k):
        header = Header(DATA, parity_index(k, number), count, 3, LABEL, counter).pack()
        frames.append(header + made[number * size : (number + 1) * size])
    return frames


UDP_PACKET = record(bytes(IP(src="10.66.0.2", dst="10.66.0.3") / UDP(sport=1, dport=2) / bytes(2500)))


def test_parity_rebuilds_what_is_lost(tmp_path: Path, capsys: Capture) -> None:
    frames = protected(UDP_PACKET, 500, 2)
    assert len(frames) == 8
    keys = line("data", 3, BUILT_IN[0])
    assert len(opened(tmp_path, capsys, frames, keys)) == 2  # the packet is told once, parity adds nothing
    lines = opened(tmp_path, capsys, [*frames[:1], *frames[3:]], keys)
    assert "counter 5: 1 packet, rebuilt by parity," in lines[0]
    assert lines[1] == "10.66.0.2:1 > 10.66.0.3:2 UDP, 2528 B"
    double = protected(record(bytes(IP(src="10.66.0.2", dst="10.66.0.3") / ICMP())), 100, 1)
    assert len(double) == 2
    assert "1 packet, by its double," in opened(tmp_path, capsys, double[1:], keys)[0]


def test_parity_is_named_without_keys(tmp_path: Path, capsys: Capture) -> None:
    frames = protected(UDP_PACKET, 500, 2)
    told = printed(tmp_path, capsys, [packet(1.0, A, B, frame) for frame in frames])
    assert "data to bbbb0002 epoch 3, counter 5, 1 envelopes in 6 slices and 2 of parity, " in told[0]
    assert "parity 2 of 2 over 6 slices" in printed(tmp_path, capsys, [packet(1.0, A, B, frames[-1])])[0]
    assert "the double" in printed(tmp_path, capsys, [packet(1.0, A, B, protected(UDP_PACKET, 3000, 1)[-1])])[0]


@pytest.mark.parametrize("k", PARITIES)
def test_a_batch_with_parity_is_cut_where_the_kernel_would(k: int) -> None:
    frames = protected(UDP_PACKET, 200, k)
    assert [bytes(each) for each in dissect(b"".join(frames))] == frames


def test_signals_and_heard_in_words() -> None:
    offer = signals.Offer(
        attempt=9,
        reply=False,
        label=4,
        profile=NatProfile(mapping="apdm", filtering="apdf", allocation="sequential", step=1),
        candidates=(Candidate(udp("203.0.113.4", 5), "stun"),),
        demand=True,
    )
    words = spoken.control(encode_message(said.Signal(offer)))
    assert words.startswith(
        "Signal Offer(attempt 00000009, reply False, label 00000004, profile NAT4 apdm apdf sequential +1, "
    )
    assert "candidates [203.0.113.4:5 stun], demand True" in words
    sampled = signals.Sampled(1, 0, (signals.Sample(0, 0.5, 40000, 50000, "203.0.113.4"),), ((1, 40001, 0.6),) * 20)
    words = spoken.control(encode_message(said.Signal(sampled)))
    assert "samples [Sample(index 0, at 0.5, local 40000, external 50000, host 203.0.113.4)]" in words
    assert "and 12 more]" in words
    heard = spoken.control(encode_message(said.Heard(b"\xab" * 32, "203.0.113.4")))
    assert heard == "Heard(node abababababababab..(32 B), ip 203.0.113.4)"


def test_a_handshake_that_a_relay_carries_is_named() -> None:
    m1 = bytes(layers.M1())
    words = spoken.control(encode_message(said.Carried(b"\x01" * 32, b"\x02" * 32, m1, 8)))
    assert words == "Carried(to 0101010101010101..(32 B), sender 0202020202020202..(32 B), hops 8: m1)"


@pytest.mark.parametrize("kind", said.KINDS.values(), ids=lambda kind: kind.__name__)
def test_every_message_has_a_name_in_the_words(kind: type[said.Message]) -> None:
    examples: dict[str, object] = {
        "hashes": [0] * 256,
        "body": signals.Stop(1, "done"),
        "reason": "off",
        "ip": "1.2.3.4",
    }
    fields = {
        name: examples.get(name, [] if name in ("entries", "ids", "records", "crossed", "through") else None)
        for name in kind.__struct_fields__
    }
    sizes = {
        "root": 8,
        "token": 8,
        "to": 32,
        "sender": 32,
        "source": 32,
        "target": 32,
        "node": 32,
        "noise": 3,
        "payload": 3,
    }
    filled = {name: bytes(sizes[name]) if name in sizes else 1 if was is None else was for name, was in fields.items()}
    assert kind.__name__ in spoken.control(encode_message(kind(**filled)))


def test_stun_attributes_in_words() -> None:
    there = stun.Message(
        kind="response",
        transaction=bytes(range(12)),
        xor_mapped=udp("203.0.113.4", 5),
        other=udp("2001:db8::1", 3479),
        software="a\x1b[2Jb",
        fingerprint=True,
    )
    (frame,) = dissect(stun.pack(there))
    assert spoken.stun_words(frame) == (
        "response 000102030405, XOR-MAPPED-ADDRESS 203.0.113.4:5, OTHER-ADDRESS [2001:db8::1]:3479, "
        "SOFTWARE a\N{REPLACEMENT CHARACTER}[2Jb, FINGERPRINT"
    )
    asked = stun.Message(kind="request", transaction=bytes(12), change_ip=True, change_port=True)
    assert spoken.stun_words(dissect(stun.pack(asked))[0]).endswith("CHANGE-REQUEST ip and port")
    refused = stun.Message(kind="error", transaction=bytes(12), error=420, reason="Unknown", unknown=(0x7F,))
    words = spoken.stun_words(dissect(stun.pack(refused))[0])
    assert words == "error 000000000000, ERROR-CODE 420 Unknown, UNKNOWN-ATTRIBUTES 007f"


def test_stun_that_is_torn_or_foreign_is_still_told() -> None:
    head = struct.pack(">HHI12s", 0x0101, 8, stun.COOKIE, bytes(12))
    assert "torn" in spoken.stun_words(dissect(head + struct.pack(">HH", 0x20, 8) + b"abcd")[0])
    assert "MAPPED-ADDRESS malformed" in spoken.stun_words(dissect(head + struct.pack(">HHI", 1, 4, 0))[0])
    assert "attribute beef (4 B)" in spoken.stun_words(dissect(head + struct.pack(">HHI", 0xBEEF, 4, 0))[0])
    assert "8 B announced, 0 there" in spoken.stun_words(dissect(head)[0])
    assert spoken.stun_words(dissect(b"\x00\x03" + head[2:])[0]).startswith("type 0003")


def test_probes_are_what_the_engine_writes() -> None:
    written = probe.Probe(probe.ANSWER, 3, 500, 7, 9, b"12345678")
    (frame,) = dissect(probe.encode(written, KEY))
    assert type(frame) is layers.ProbeAnswer
    assert [getattr(frame, name) for name in written.__struct_fields__] == [
        getattr(written, name) for name in written.__struct_fields__
    ]


def test_a_file_of_keys_that_is_none_is_said_with_its_line(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "keys").write_text(line("data", 1, "aes256gcm") + "what is this\n")
    with pytest.raises(BadKeys, match="keys:2"):
        KeyRing.read(tmp_path / "keys")
    (tmp_path / "keys").write_text(line("data", 1, "rot13"))
    with pytest.raises(BadKeys, match="keys:1"):
        KeyRing.read(tmp_path / "keys")
    for file in (tmp_path / "keys", tmp_path / "absent"):
        assert main([str(tmp_path / "none.pcap"), "--keys", str(file)]) == 1
    err = capsys.readouterr().err
    assert err.count("dissect: ") == 2
    assert "Traceback" not in err


def test_a_line_that_is_being_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(line("data", 1, "aes256gcm") + line("control", 1, "aes256gcm")[:50])
    ring = KeyRing.read(tmp_path / "keys")
    assert ring.has(DATA, 1)
    assert not ring.has(CONTROL, 1)


@given(st.binary(max_size=300))
def test_any_plaintext_becomes_words(plain: bytes) -> None:
    assert spoken.control(plain).isprintable()
    assert all(words.isprintable() for words in spoken.packets(plain))


@given(st.binary(max_size=200))
def test_any_packet_and_any_stun_becomes_words(raw: bytes) -> None:
    assert list(spoken.packets(record(raw)))
    head = struct.pack(">HHI12s", 1, len(raw), stun.COOKIE, bytes(12))
    assert spoken.stun_words(dissect(head + raw)[0])


def test_torn_real_packets_become_words() -> None:
    entropy = random.Random(1)
    whole = bytes(IP(src="10.66.0.2", dst="10.66.0.3") / TCP(options=[("MSS", 1460)]) / b"x")
    for _ in range(200):
        torn = bytearray(whole[: entropy.randrange(1, len(whole))])
        torn[entropy.randrange(len(torn))] = entropy.randrange(256)
        assert spoken.packet(bytes(torn))
