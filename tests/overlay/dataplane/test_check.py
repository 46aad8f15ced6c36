"""What a receiver checks in every record: protocol section 6, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.dataplane.check import (
    FOREIGN_DESTINATION,
    FOREIGN_SOURCE,
    FORGED,
    MALFORMED,
    MULTICAST,
    OK,
    PLAIN_UDP,
    REASONS,
    RECORD_SHORT,
    check,
)
from overlay.dataplane.tables import DROPS
from tests.overlay.dataplane.packets import (
    A4,
    A6,
    B4,
    B6,
    C4,
    C6,
    ICMP,
    TCP,
    UDP,
    csum_vnet,
    ip,
    packed,
    tcp,
    udp,
    vnet,
)

SENDER = object()
ROUTES = {packed(A4): SENDER, packed(A6): SENDER, packed(C4): object(), packed(C6): object()}
SELVES = frozenset((packed(B4), packed(B6)))
BIG = bytes(6000)


def look(header: bytes, packet: bytes) -> tuple[int, bytes]:
    """The verdict, and the virtio-net header as it is afterwards."""
    record = header + packet
    buffer = bytearray(b"\xaa" * 7 + record + b"\xaa" * 64)
    verdict = check(buffer, 7, len(record), SENDER, ROUTES, SELVES)
    assert buffer[17:] == packet + b"\xaa" * 64, "the packet itself is never touched"
    return verdict, bytes(buffer[7:17])


def verdict(header: bytes, packet: bytes) -> int:
    return look(header, packet)[0]


PAIRS = pytest.mark.parametrize(("a", "b"), [(A4, B4), (A6, B6)])


@PAIRS
def test_what_kernels_send_passes(a: str, b: str) -> None:
    six = ":" in a
    assert verdict(vnet(), ip(a, b, 58 if six else ICMP, b"ping")) == OK
    assert verdict(csum_vnet(tcp(a, b, b"")), tcp(a, b, b"")) == OK
    assert verdict(csum_vnet(udp(a, b, b"x")), udp(a, b, b"x")) == PLAIN_UDP
    assert verdict(vnet(), tcp(a, b, b"done")) == OK
    bulk, datagrams = tcp(a, b, BIG), udp(a, b, BIG)
    assert verdict(csum_vnet(bulk, kind=4 if six else 1, gso=1300), bulk) == OK
    assert verdict(csum_vnet(datagrams, kind=5, gso=1200), datagrams) == OK


@PAIRS
def test_the_linear_length_of_the_sender_is_not_believed(a: str, b: str) -> None:
    start = 40 if ":" in a else 20
    bulk, datagrams, small = tcp(a, b, BIG), udp(a, b, BIG), tcp(a, b, b"x")
    kind = 4 if ":" in a else 1
    for lie in (0, 1, 9, 65535):
        _, header = look(csum_vnet(bulk, kind=kind, gso=1300, hdr_len=lie), bulk)
        assert header == csum_vnet(bulk, kind=kind, gso=1300, hdr_len=start + 32)
        _, header = look(csum_vnet(datagrams, kind=5, gso=1300, hdr_len=lie), datagrams)
        assert header == csum_vnet(datagrams, kind=5, gso=1300, hdr_len=start + 8)
        assert look(csum_vnet(small, hdr_len=lie), small) == (OK, csum_vnet(small))
        assert look(vnet(0, 0, lie, lie, lie, lie), small) == (OK, vnet())


@PAIRS
def test_forged_a_checksum_that_rewrites_a_port(a: str, b: str) -> None:
    """The kernel would write a checksum wherever csum_start + csum_offset points: into the destination port, say."""
    packet = tcp(a, b, b"payload")
    start = 40 if ":" in a else 20
    for begin, place in (
        (start, 2),
        (start - 2, 18),
        (start + 4, 16),
        (0, 22),
        (start, 6),
        (start, 65535),
        (65535, 16),
    ):
        assert verdict(vnet(1, 0, 0, 0, begin, place), packet) == FORGED
    assert verdict(vnet(1, 0, 0, 0, start, 16), udp(a, b, b"payload")) == FORGED
    assert verdict(vnet(1, 0, 0, 0, start, 6), udp(a, b, b"payload")) == PLAIN_UDP


@PAIRS
def test_forged_one_record_that_becomes_a_thousand_packets(a: str, b: str) -> None:
    for gso in (0, 1, 60, 499):
        packet = tcp(a, b, bytes(60_000))
        assert verdict(csum_vnet(packet, kind=4 if ":" in a else 1, gso=gso), packet) == FORGED
        packet = udp(a, b, bytes(60_000))
        assert verdict(csum_vnet(packet, kind=5, gso=gso), packet) == FORGED
    packet = tcp(a, b, bytes(65_000))
    assert verdict(csum_vnet(packet, kind=4 if ":" in a else 1, gso=500), packet) == FORGED, "130 segments"
    assert verdict(csum_vnet(packet, kind=4 if ":" in a else 1, gso=508), packet) == OK


@PAIRS
def test_types_fit_version_and_protocol(a: str, b: str) -> None:
    own = 4 if ":" in a else 1
    for kind in range(256):
        packet = tcp(a, b, BIG)
        assert verdict(csum_vnet(packet, kind=kind, gso=1300), packet) == (OK if kind in (0, own) else FORGED)
        packet = udp(a, b, BIG)
        expected = {0: PLAIN_UDP, 5: OK}.get(kind, FORGED)
        assert verdict(csum_vnet(packet, kind=kind, gso=1300), packet) == expected


@PAIRS
def test_flags_are_none_or_needs_csum(a: str, b: str) -> None:
    packet = tcp(a, b, BIG)
    for flags in range(256):
        start = 40 if ":" in a else 20
        assert verdict(vnet(flags, 0, 0, 0, start, 16), packet) == (OK if flags in (0, 1) else FORGED)
        assert (verdict(vnet(flags, 4 if ":" in a else 1, 0, 1300, start, 16), packet) == OK) == (flags == 1)


def test_no_offload_for_fragments_and_extension_headers() -> None:
    for flags in (0x2000, 0x0001, 0x1FFF, 0x3FFF):
        packet = udp(A4, B4, BIG, flags=flags)
        assert verdict(csum_vnet(packet), packet) == FORGED
        assert verdict(csum_vnet(packet, kind=5, gso=1300), packet) == FORGED
        assert verdict(vnet(), packet) == OK
    inner = udp(A6, B6, b"x")[40:]
    extended = ip(A6, B6, 0, bytes((UDP, 0, 1, 4, 0, 0, 0, 0)) + inner)
    assert verdict(vnet(), extended) == OK
    for start in (40, 48):
        assert verdict(vnet(1, 0, 0, 0, start, 6), extended) == FORGED
    fragment = ip(A6, B6, 44, bytes((UDP, 0, 0, 1, 0, 0, 0, 9)) + inner)
    assert verdict(vnet(1, 0, 0, 0, 40, 6), fragment) == FORGED


def test_checksums_of_other_protocols_are_not_left_to_us() -> None:
    packet = ip(A4, B4, ICMP, bytes(64))
    for place in (2, 6, 16):
        assert verdict(vnet(1, 0, 0, 0, 20, place), packet) == FORGED


def test_the_start_of_the_checksum_follows_ip_options() -> None:
    plain = tcp(A4, B4, b"x")
    total = (len(plain) + 4).to_bytes(2, "big")
    packet = b"\x46\x00" + total + plain[4:20] + b"\x01\x01\x01\x00" + plain[20:]
    assert verdict(vnet(1, 0, 0, 0, 24, 16), packet) == OK
    assert verdict(vnet(1, 0, 0, 0, 20, 16), packet) == FORGED
    for length in (0, 4, 15):
        broken = bytes((0x40 | length,)) + packet[1:]
        assert verdict(vnet(), broken) in (MALFORMED, OK)
        assert (verdict(vnet(), broken) == MALFORMED) == (length < 5 or length * 4 > len(packet))


@PAIRS
def test_sources_are_bound_to_the_sender(a: str, b: str) -> None:
    six = ":" in a
    for source in (C6, "fd09::77", B6) if six else (C4, "10.9.0.77", B4, "127.0.0.1", "0.0.0.0", "224.0.0.1"):
        assert verdict(csum_vnet(udp(source, b, b"x")), udp(source, b, b"x")) == FOREIGN_SOURCE


@PAIRS
def test_destinations_are_ours(a: str, b: str) -> None:
    six = ":" in a
    for target in (C6, a, "::1", "2001:db8::1") if six else (C4, a, "127.0.0.1", "192.168.1.1"):
        assert verdict(vnet(), udp(a, target, b"x")) == FOREIGN_DESTINATION
    for target in ("ff02::1", "ff0e::7") if six else ("224.0.0.251", "239.1.2.3", "255.255.255.255", "10.9.255.255"):
        assert verdict(vnet(), udp(a, target, b"x")) == MULTICAST


@PAIRS
def test_truncated_at_every_byte(a: str, b: str) -> None:
    packet = tcp(a, b, bytes(20))
    kind = 4 if ":" in a else 1
    for header in (vnet(), csum_vnet(packet), csum_vnet(packet, kind=kind, gso=1300)):
        record = header + packet
        for size in range(len(record)):
            cut = record[:size] + bytes(10 - min(size, 10))
            result = verdict(cut[:10], cut[10:]) if size >= 10 else RECORD_SHORT
            assert result in (RECORD_SHORT, MALFORMED), size
    short = ip(a, b, TCP, packet[-40:-21])
    assert verdict(vnet(1, 0, 0, 0, 40 if ":" in a else 20, 16), short) == FORGED, "a TCP header has 20 bytes"


def test_a_tcp_header_that_is_longer_than_its_packet() -> None:
    for offset in range(16):
        packet = bytearray(tcp(A4, B4, bytes(600)))
        packet[20 + 12] = offset << 4
        expected = OK if offset >= 5 else FORGED
        assert verdict(csum_vnet(bytes(packet), kind=1, gso=500), bytes(packet)) == expected
    packet = bytearray(tcp(A4, B4, b""))
    packet[20 + 12] = 0xF0
    assert verdict(csum_vnet(bytes(packet), kind=1, gso=500), bytes(packet)) == FORGED


def test_neither_version_is_malformed() -> None:
    for first in range(256):
        packet = bytes((first,)) + tcp(A4, B4, bytes(60))[1:]
        expected = OK if first >> 4 == 4 and first & 15 >= 5 else MALFORMED
        assert verdict(vnet(), packet) == expected


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=0, max_size=120), st.booleans())
def test_garbage_never_raises_and_never_passes_for_another(data: bytes, good_addresses: bool) -> None:
    record = bytearray(data)
    if good_addresses and len(record) >= 50:
        record[22:26], record[26:30] = packed(A4), packed(B4)
    buffer = bytearray(record + bytes(64))
    result = check(buffer, 0, len(record), SENDER, ROUTES, SELVES)
    if result in (OK, PLAIN_UDP):
        assert bytes(buffer[22:26]) == packed(A4) or bytes(buffer[18:34]) == packed(A6)


def test_reasons_are_words_of_the_table() -> None:
    assert set(REASONS.values()) <= set(DROPS)
