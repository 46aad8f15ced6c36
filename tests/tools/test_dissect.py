"""A capture built with scapy becomes the conversation that it is."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.session import layout
from overlay.shell.discovery import PORT as BEACON_PORT
from overlay.values import Label
from overlay.wire.frame import CONTROL, DATA, cut
from tools.dissect import layers
from tools.dissect.__main__ import main
from tools.dissect.capture import Sighting, sightings
from tools.dissect.conversation import Conversation
from tools.dissect.layers import dissect

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers.dns import DNS, DNSQR
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import ARP, Dot1Q, Ether
    from scapy.packet import Packet, Raw
    from scapy.utils import wrpcap, wrpcapng

A, B = "10.0.0.2", "10.0.0.1"
PORT = 27182
MAC = bytes(32)

M1 = layout.first(layout.first_head(Label(0xAAAA0001), bytes(range(32))), bytes(16), MAC)
M2 = layout.second(layout.second_head(Label(0xAAAA0001), Label(0xBBBB0002), bytes(32)), bytes(48), MAC)
M3 = layout.late(3, Label(0xBBBB0002), bytes(200))
M4 = layout.late(4, Label(0xAAAA0001), bytes(190))
R1 = layout.resume_frame(layout.resume_head(Label(0xAAAA0005), bytes(range(16))), bytes(968), bytes(16), MAC)
R2 = layout.resume_frame(layout.resumed_head(Label(0xAAAA0005), Label(0xBBBB0006)), bytes(400), bytes(16), MAC)
COOKIE = layout.cookie_frame(Label(0xAAAA0001), bytes(range(1, 17)), MAC)


def packet(at: float, source: str, target: str, payload: bytes) -> Packet:
    """One datagram between the two, over IPv4 or IPv6."""
    ip = IPv6(src=source, dst=target) if ":" in source else IP(src=source, dst=target)
    built = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ip / UDP(sport=PORT, dport=PORT) / Raw(payload)
    built.time = at
    return built


def printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], packets: list[Any], *options: str) -> list[str]:
    """What the tool prints of a capture of these packets, columns squeezed."""
    file = tmp_path / "capture.pcap"
    wrpcap(str(file), packets)
    assert main([str(file), *options]) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_a_handshake_and_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packets = [
        packet(100.0, A, B, M1),
        packet(100.01, B, A, COOKIE),
        packet(100.02, A, B, layout.first(layout.first_head(Label(0xAAAA0001), bytes(32)), b"c" * 16, MAC)),
        packet(100.03, B, A, M2),
        packet(100.04, A, B, M3),
        packet(100.05, B, A, M4),
        packet(100.06, A, B, cut(CONTROL, Label(0xBBBB0002), 0, 0, bytes(100), 1200)[0]),
    ]
    for counter in range(5):
        slices = cut(DATA, Label(0xBBBB0002), 0, counter, bytes(3000), 1200)
        packets += [packet(100.1 + counter / 10, A, B, piece) for piece in slices]
        packets.append(packet(100.1 + counter / 10, B, A, cut(DATA, Label(0xAAAA0001), 0, counter, bytes(60), 1200)[0]))
    packets.append(packet(100.7, B, A, cut(CONTROL, Label(0xCCCC0003), 1, 9, bytes(100), 1200)[0]))
    assert printed(tmp_path, capsys, packets) == [
        "0.000 10.0.0.2:27182 > 10.0.0.1:27182 m1 label aaaa0001 is mine, 176 B",
        "0.010 10.0.0.1:27182 > 10.0.0.2:27182 cookie to aaaa0001: come again with this, 40 B",
        "0.020 10.0.0.2:27182 > 10.0.0.1:27182 m1 label aaaa0001 is mine, with a cookie, 176 B",
        "0.030 10.0.0.1:27182 > 10.0.0.2:27182 m2 to aaaa0001, label bbbb0002 is mine, 108 B",
        "0.040 10.0.0.2:27182 > 10.0.0.1:27182 m3 to bbbb0002, 208 B",
        "0.050 10.0.0.1:27182 > 10.0.0.2:27182 m4 to aaaa0001, 198 B",
        "0.060 10.0.0.2:27182 > 10.0.0.1:27182 control to bbbb0002 epoch 0, counter 0, slice 1 of 1, 116 B",
        "0.100 10.0.0.2:27182 > 10.0.0.1:27182 data to bbbb0002 epoch 0, counter 0..4, "
        "5 envelopes in 15 slices over 0.4 s, 15,240 B",
        "0.100 10.0.0.1:27182 > 10.0.0.2:27182 data to aaaa0001 epoch 0, counter 0..4, "
        "5 envelopes in 5 slices over 0.4 s, 380 B",
        "0.700 10.0.0.1:27182 > 10.0.0.2:27182 control to cccc0003 (circuit?) epoch 1, counter 9, slice 1 of 1, 116 B",
        "",
        "10.0.0.2:27182 > 10.0.0.1:27182 2 m1, 1 m3, 1 control, 15 data; 15,916 B",
        "10.0.0.1:27182 > 10.0.0.2:27182 1 cookie, 1 m2, 1 m4, 5 data, 1 control; 842 B",
    ]


def test_ipv6_vlan_probes_and_stun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tagged = Ether() / Dot1Q(vlan=5) / IP(src=A, dst=B) / UDP(sport=1, dport=2) / Raw(bytes(layers.Probe(label=7)))
    tagged.time = 1.0
    lines = printed(
        tmp_path,
        capsys,
        [
            tagged,
            packet(1.5, "fd00::1", "fd00::2", bytes(layers.ProbeAnswer(label=7, attempt=9, slot=3))),
            packet(2.0, A, B, bytes(layers.Stun())),
        ],
    )
    assert lines[:3] == [
        "0.000 10.0.0.2:1 > 10.0.0.1:2 probe to 00000007 attempt 00000000, slot 0, epoch 0, "
        "random 0000000000000000, 36 B",
        "0.500 [fd00::1]:27182 > [fd00::2]:27182 answer to 00000007 attempt 00000009, slot 3, epoch 0, "
        "random 0000000000000000, 36 B",
        "1.000 10.0.0.2:27182 > 10.0.0.1:27182 stun request 000000000000, 20 B",
    ]


def test_a_session_that_is_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = cut(DATA, Label(0xBBBB0006), 0, 0, bytes(60), 1200)[0]
    packets = [packet(1.0, A, B, R1), packet(1.5, B, A, R2), packet(2.0, A, B, data)]
    assert printed(tmp_path, capsys, packets)[:3] == [
        "0.000 10.0.0.2:27182 > 10.0.0.1:27182 r1 label aaaa0005 is mine, by the ticket 00010203 of an earlier "
        f"session, {len(R1)} B",
        f"0.500 10.0.0.1:27182 > 10.0.0.2:27182 r2 to aaaa0005, label bbbb0006 is mine: resumed, {len(R2)} B",
        "1.000 10.0.0.2:27182 > 10.0.0.1:27182 data to bbbb0006 epoch 0, counter 0, slice 1 of 1, 76 B",
    ]


def test_a_beacon_is_told_by_its_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def sent(port: int, payload: bytes) -> Packet:
        return Ether() / IP(src=A, dst="239.255.27.182") / UDP(sport=PORT, dport=port) / Raw(payload)

    beacon = bytes([6, 0, 1, 0]) + bytes(28)  # its bytes may look like anything
    lines = printed(tmp_path, capsys, [sent(BEACON_PORT, beacon), sent(BEACON_PORT, bytes(31))])
    assert "10.0.0.2:27182 > 239.255.27.182:27181 beacon a member is here, 32 B" in lines[0]
    assert lines[1] == ""
    assert "beacon" not in "".join(printed(tmp_path, capsys, [sent(PORT, beacon)]))


def test_a_run_ends_after_a_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = cut(DATA, Label(1), 0, 3, bytes(10), 1200)[0]
    lines = printed(tmp_path, capsys, [packet(at, A, B, one) for at in (1.0, 4.0)])
    assert lines[0] == "0.000 10.0.0.2:27182 > 10.0.0.1:27182 data to 00000001 epoch 0, counter 3, slice 1 of 1, 26 B"
    assert lines[1].startswith("3.000")


def test_a_batch_that_the_kernel_had_not_yet_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = b"".join(cut(DATA, Label(1), 0, 3, random.Random(1).randbytes(40_000), 1472))
    lines = printed(tmp_path, capsys, [packet(1.0, A, B, batch)])
    assert "1 envelopes in 28 slices, 40,448 B" in lines[0]


def test_what_is_not_ours_is_passed_over_or_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packets = [
        Ether() / ARP(),
        Ether() / IP(src=A, dst=B) / ICMP(),
        Ether() / IP(src=A, dst=B) / TCP(),
        Ether() / IP(src=A, dst=B) / UDP(sport=40000, dport=53) / DNS(rd=1, qd=DNSQR(qname="example.org")),
        Ether() / IP(src=A, dst=B) / UDP(sport=PORT, dport=PORT),
        Ether() / IP(src=A, dst=B, frag=9) / Raw(b"a later fragment"),
        Ether() / Raw(b"\x08"),
        packet(5.0, A, B, b"\xff" * 50),
    ]
    for number, built in enumerate(packets):
        built.time = float(number)
    assert printed(tmp_path, capsys, packets) == []
    shown = printed(tmp_path, capsys, packets, "--all")
    assert [line.split()[4] for line in shown if " B" in line and not line.startswith("10.")] == ["other"] * 3
    assert len(printed(tmp_path, capsys, packets, "--all", "--port", "53")) == 3


def test_captures_of_a_tun_and_pcapng(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = IP(src=A, dst=B) / UDP(sport=PORT, dport=PORT) / Raw(M1)
    assert len(printed(tmp_path, capsys, [raw])) == 3
    wrpcapng(str(tmp_path / "capture.pcapng"), [packet(1.0, A, B, M1)])
    assert [type(seen.frame).__name__ for seen in sightings(tmp_path / "capture.pcapng")] == ["m1"]


def test_a_torn_capture_is_read_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture.pcap"
    wrpcap(str(file), [packet(float(at), A, B, M1) for at in range(3)])
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert main([str(file)]) == (1 if length < 24 else 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "is no capture" in err


def test_no_capture_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("this is no capture, whatever its name is")
    assert main([str(tmp_path / "text")]) == 1
    assert main([str(tmp_path / "missing")]) == 1
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["dissect", "dissect"]


@pytest.mark.parametrize("frame", [M1, M2, M3, M4, R1, R2, COOKIE], ids=["m1", "m2", "m3", "m4", "r1", "r2", "cookie"])
def test_the_layers_are_what_the_session_writes(frame: bytes) -> None:
    (seen,) = dissect(frame)
    assert type(seen) is not layers.Other
    assert bytes(seen) == frame
    seen.raw_packet_cache = None
    assert bytes(seen) == frame


@given(st.binary(max_size=200))
def test_any_payload_becomes_layers_and_lines(payload: bytes) -> None:
    frames = dissect(payload)
    if payload:
        assert b"".join(bytes(frame) for frame in frames) == payload
    seen = [Sighting(float(at), "a", "b", frame, len(payload)) for at, frame in enumerate(frames)]
    assert list(Conversation().lines(seen))
