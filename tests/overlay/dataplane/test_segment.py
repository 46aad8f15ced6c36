"""Super-packets cut in Python are the packets a kernel would have made."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.dataplane.segment import fit, offends
from tests.overlay.dataplane.packets import (
    A4,
    A6,
    B4,
    B6,
    csum_vnet,
    finished,
    ip,
    start_of,
    tcp,
    udp,
    vnet,
)

PAIRS = pytest.mark.parametrize(("a", "b"), [(A4, B4), (A6, B6)])
TCP_SUPER, UDP_SUPER, CSUM = 1, 2, 4
FULL = 62_000


def bulk(a: str, b: str, size: int, *, flags: int = 0x10) -> bytes:
    """A TCP super-packet with numbered bytes."""
    packet = tcp(a, b, bytes(number % 251 for number in range(size)), flags=flags, seq=0xFFFF_FF00, ident=0xFFFE)
    return csum_vnet(packet, kind=4 if ":" in a else 1, gso=1000, hdr_len=start_of(packet) + 32) + packet


@PAIRS
@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 20_000))
def test_tcp_segments_are_sound_and_say_the_same(a: str, b: str, size: int) -> None:
    record = bulk(a, b, size, flags=0x10 | 0x80 | 0x09)
    packets = [finished(each) for each in fit(record, CSUM, FULL)]
    start = start_of(packets[0])
    assert b"".join(packet[start + 32 :] for packet in packets) == record[10 + start + 32 :]
    for number, packet in enumerate(packets):
        sequence, flags = int.from_bytes(packet[start + 4 : start + 8], "big"), packet[start + 13]
        assert sequence == (0xFFFF_FF00 + 1000 * number) & 0xFFFF_FFFF
        assert bool(flags & 0x80) == (number == 0), "CWR on the first alone"
        assert bool(flags & 0x09) == (number == len(packets) - 1), "FIN and PSH on the last alone"
        if start == 20:
            assert int.from_bytes(packet[4:6], "big") == (0xFFFE + number) & 0xFFFF


@PAIRS
@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 9000), mss=st.integers(1, 1400))
def test_udp_segments_are_sound_and_say_the_same(a: str, b: str, size: int, mss: int) -> None:
    packet = udp(a, b, bytes(number % 251 for number in range(size)))
    record = csum_vnet(packet, kind=5, gso=mss) + packet
    packets = [finished(each) for each in fit(record, CSUM, FULL if mss < 500 else 100)]
    start = start_of(packet)
    payloads = [each[start + 8 :] for each in packets]
    assert b"".join(payloads) == packet[start + 8 :]
    assert all(len(each) == mss for each in payloads[:-1])


@PAIRS
def test_what_a_peer_takes_goes_as_it_is(a: str, b: str) -> None:
    record = bulk(a, b, 9000)
    assert fit(record, TCP_SUPER | CSUM, FULL) == [record]
    assert len(fit(record, UDP_SUPER | CSUM, FULL)) == 9
    assert len(fit(record, TCP_SUPER | CSUM, 1200)) == 9
    datagrams = udp(a, b, bytes(9000))
    record = csum_vnet(datagrams, kind=5, gso=1000) + datagrams
    assert fit(record, UDP_SUPER | CSUM, FULL) == [record]
    assert len(fit(record, TCP_SUPER | CSUM, FULL)) == 9
    plain = csum_vnet(tcp(a, b, b"x")) + tcp(a, b, b"x")
    assert fit(plain, CSUM, 1) == [plain], "a packet is never cut"


@PAIRS
def test_checksums_are_done_for_who_does_not_take_them(a: str, b: str) -> None:
    for packet in (tcp(a, b, b"odd"), udp(a, b, b"even"), udp(a, b, b"")):
        (done,) = fit(csum_vnet(packet) + packet, 0, FULL)
        assert done[:10] == vnet()
        assert finished(done) == finished(csum_vnet(packet) + packet)
    for each in fit(bulk(a, b, 5000), TCP_SUPER, FULL):
        assert each[:10] == vnet()
        finished(each)


def test_a_sum_of_zero_is_written_as_all_ones() -> None:
    """UDP says 'no checksum' with 0 (RFC 768)."""
    begun = udp(A4, B4, b"\0\0")
    fill = ~int.from_bytes(finished(csum_vnet(begun) + begun)[26:28], "big") & 0xFFFF
    packet = udp(A4, B4, struct.pack(">H", 0xFFFF - fill))
    (done,) = fit(csum_vnet(packet) + packet, 0, FULL)
    assert done[10 + 26 : 10 + 28] == b"\xff\xff"


def test_what_our_kernel_found_out_stays_here() -> None:
    packet = udp(A4, B4, b"x")
    (record,) = fit(vnet(2) + packet, 7, FULL)
    assert record == vnet(0) + packet


def test_super_packets_no_receiver_takes_are_cut_for_all() -> None:
    packet = udp(A4, B4, bytes(2000))
    record = csum_vnet(packet, kind=5, gso=200) + packet
    assert len(fit(record, 7, FULL)) == 10
    assert offends(5, 200, len(record))
    assert offends(1, 500, 64_001)
    assert not offends(1, 1300, 62_000)
    assert not offends(0, 0, 1400)


@pytest.mark.parametrize("start", [0, 19, 24, 40, 60, 65535])
def test_a_header_that_does_not_fit_its_packet_gives_nothing(start: int) -> None:
    packet = tcp(A4, B4, bytes(5000))
    assert fit(vnet(1, 1, 0, 1000, start, 16) + packet, CSUM, FULL) == []
    assert fit(vnet(1, 1, 0, 0, 20, 16) + packet, CSUM, FULL) == []
    assert fit(vnet(1, 1, 0, 1000, 20, 16) + packet[:30], CSUM, FULL) == []
    assert fit(vnet(1, 1, 0, 1000, 20, 16) + ip(A4, B4, 6, bytes(12) + b"\x10" + bytes(600)), CSUM, FULL) == []
