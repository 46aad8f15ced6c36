"""Packets keep their checksums right whatever is put into them, and nothing that comes in makes it stumble."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from punch.values import Endpoint, udp
from tools.natlab.packets import ICMP, TCP, UDP, checksum_of, look, refusal, replace

HOSTS = st.integers(1, 0xFFFFFFFE).map(lambda number: socket.inet_ntoa(struct.pack(">I", number)))
PORTS = st.integers(1, 65535)
ENDPOINTS = st.builds(udp, HOSTS, PORTS)


def pseudo(source: str, to: str, protocol: int, segment: bytes) -> bytes:
    ends = socket.inet_aton(source) + socket.inet_aton(to)
    return ends + struct.pack(">BBH", 0, protocol, len(segment)) + segment


def packet(protocol: int, source: Endpoint, to: Endpoint, payload: bytes, *, kind: int = 8) -> bytes:
    """A packet with true checksums, made without the code under test but for RFC 1071's sum."""
    if protocol == UDP:
        body = struct.pack(">HHHH", source.port, to.port, 8 + len(payload), 0) + payload
        body = body[:6] + struct.pack(">H", checksum_of(pseudo(source.host, to.host, UDP, body)) or 0xFFFF) + body[8:]
    elif protocol == TCP:
        body = struct.pack(">HHIIHHHH", source.port, to.port, 1, 2, 0x5018, 1000, 0, 0) + payload
        body = body[:16] + struct.pack(">H", checksum_of(pseudo(source.host, to.host, TCP, body))) + body[18:]
    else:
        body = struct.pack(">BBHHH", kind, 0, 0, source.port or to.port, 1) + payload
        body = body[:2] + struct.pack(">H", checksum_of(body)) + body[4:]
    return header(protocol, source.host, to.host, len(body)) + body


def header(protocol: int, source: str, to: str, size: int, ttl: int = 63) -> bytes:
    ends = socket.inet_aton(source) + socket.inet_aton(to)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, 7, 0, ttl, protocol, 0) + ends
    return head[:10] + struct.pack(">H", checksum_of(head)) + head[12:]


@pytest.mark.parametrize("protocol", [UDP, TCP])
@given(source=ENDPOINTS, to=ENDPOINTS, new_source=ENDPOINTS, new_to=ENDPOINTS, payload=st.binary(max_size=64))
def test_other_endpoints_and_true_checksums(
    protocol: int, source: Endpoint, to: Endpoint, new_source: Endpoint, new_to: Endpoint, payload: bytes
) -> None:
    changed = bytearray(packet(protocol, source, to, payload))
    seen = look(changed)
    assert seen is not None
    assert (seen.source, seen.to) == (source, to)
    replace(changed, seen, new_source, new_to)
    expected = bytearray(packet(protocol, new_source, new_to, payload))
    expected[:20] = header(protocol, new_source.host, new_to.host, len(expected) - 20, ttl=64)
    assert changed == expected


@given(own=ENDPOINTS, other=HOSTS, outside=ENDPOINTS, payload=st.binary(max_size=32))
def test_an_echo_keeps_its_identifier_where_a_port_would_be(
    own: Endpoint, other: str, outside: Endpoint, payload: bytes
) -> None:
    changed = bytearray(packet(ICMP, own, udp(other, 0), payload))
    seen = look(changed)
    assert seen is not None
    assert (seen.source, seen.to) == (own, udp(other, 0))
    replace(changed, seen, outside, seen.to)
    assert changed[20:] == packet(ICMP, outside, udp(other, 0), payload)[20:]
    answer = bytearray(packet(ICMP, udp(other, 0), outside, payload, kind=0))
    back = look(answer)
    assert back is not None
    assert (back.source, back.to) == (udp(other, 0), outside)


def test_a_datagram_without_a_checksum_stays_without_one() -> None:
    bare = bytearray(packet(UDP, udp("10.0.0.1", 1), udp("10.0.0.2", 2), b"x"))
    bare[26:28] = b"\0\0"
    seen = look(bare)
    assert seen is not None
    replace(bare, seen, udp("198.51.100.1", 9), udp("10.0.0.2", 2))
    assert bare[26:28] == b"\0\0"


@given(st.binary(max_size=80))
def test_anything_may_come(data: bytes) -> None:
    seen = look(data)
    if seen is not None:
        changed = bytearray(data)
        replace(changed, seen, udp("198.51.100.1", 9), udp("10.0.0.2", 2))
        assert len(changed) == len(data)


def test_what_has_no_ports_is_not_translated() -> None:
    whole = packet(UDP, udp("10.0.0.1", 1), udp("10.0.0.2", 2), bytes(32))
    fragment = bytearray(whole)
    fragment[6:8] = b"\0\x10"
    error = packet(ICMP, udp("10.0.0.1", 5), udp("10.0.0.2", 0), bytes(28), kind=3)
    for odd in (bytes(fragment), error, whole[:27], b"\x60" + whole[1:], b"\x41" + whole[1:], b""):
        assert look(odd) is None


def test_a_refusal_quotes_what_it_refuses() -> None:
    unasked = packet(UDP, udp("203.0.113.9", 7), udp("198.51.100.1", 9), bytes(100))
    error = refusal(unasked)
    assert checksum_of(error[:20]) == checksum_of(error[20:]) == 0
    assert (error[9], error[20], error[21]) == (ICMP, 3, 3)
    assert socket.inet_ntoa(error[12:16]) == "198.51.100.1"
    assert socket.inet_ntoa(error[16:20]) == "203.0.113.9"
    assert error[28:] == unasked[:28]
