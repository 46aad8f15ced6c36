"""Packets as a kernel makes them, and as a receiver sees them."""

from __future__ import annotations

import ipaddress
import struct

TCP, UDP, ICMP = 6, 17, 1
A4, B4, C4 = "10.9.0.1", "10.9.0.2", "10.9.0.3"
A6, B6, C6 = "fd09::1", "fd09::2", "fd09::3"


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def ones_sum(data: bytes) -> int:
    """RFC 1071, word by word."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def vnet(flags: int = 0, kind: int = 0, hdr_len: int = 0, gso: int = 0, start: int = 0, place: int = 0) -> bytes:
    return struct.pack("<BBHHHH", flags, kind, hdr_len, gso, start, place)


def ip(source: str, target: str, protocol: int, body: bytes, *, ident: int = 1, flags: int = 0x4000) -> bytes:
    """An IP packet of either version around a transport body."""
    a, b = packed(source), packed(target)
    if len(a) == 16:
        return struct.pack(">IHBB", 0x60000000, len(body), protocol, 64) + a + b + body
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), ident, flags, 64, protocol, 0) + a + b
    return head[:10] + struct.pack(">H", ~ones_sum(head) & 0xFFFF) + head[12:] + body


def pseudo_sum(source: str, target: str, protocol: int, length: int) -> int:
    return ones_sum(packed(source) + packed(target) + struct.pack(">IHH", length >> 16, length & 0xFFFF, protocol))


def udp(source: str, target: str, payload: bytes, *, ident: int = 1, flags: int = 0x4000, port: int = 7) -> bytes:
    """A UDP packet whose checksum is left to the kernel: its field holds the sum over the pseudo-header."""
    length = 8 + len(payload)
    body = struct.pack(">HHHH", 5000, port, length, pseudo_sum(source, target, UDP, length)) + payload
    return ip(source, target, UDP, body, ident=ident, flags=flags)


def tcp(source: str, target: str, payload: bytes, *, flags: int = 0x10, seq: int = 1000, ident: int = 1) -> bytes:
    """A TCP packet with 12 bytes of options whose checksum is left to the kernel."""
    length = 32 + len(payload)
    body = struct.pack(">HHIIBBHHH", 5000, 80, seq, 1, 8 << 4, flags, 500, pseudo_sum(source, target, TCP, length), 0)
    return ip(source, target, TCP, body + b"\x01" * 12 + payload, ident=ident)


def start_of(packet: bytes) -> int:
    """Where the transport header begins."""
    return 40 if packet[0] >> 4 == 6 else 20


def csum_vnet(packet: bytes, *, kind: int = 0, gso: int = 0, hdr_len: int = 0) -> bytes:
    """The virtio-net header a kernel gives such a packet."""
    protocol = packet[6] if packet[0] >> 4 == 6 else packet[9]
    return vnet(1, kind, hdr_len, gso, start_of(packet), 16 if protocol == TCP else 6)


def addresses_of(packet: bytes) -> tuple[str, str]:
    at, size = (8, 16) if packet[0] >> 4 == 6 else (12, 4)
    return tuple(str(ipaddress.ip_address(packet[here : here + size])) for here in (at, at + size))  # type: ignore[return-value]


def finished(record: bytes) -> bytes:
    """The packet of a record as its receiver's kernel would see it: checksum done; checked if it was done before."""
    flags, kind, _, _, start, place = struct.unpack_from("<BBHHHH", record)
    packet = bytearray(record[10:])
    assert kind == 0, "a super-packet is cut first"
    if flags:
        total = ones_sum(bytes(packet[start:]))
        struct.pack_into(">H", packet, start + place, (~total & 0xFFFF) or 0xFFFF)
    assert is_sound(bytes(packet))
    return bytes(packet)


def is_sound(packet: bytes) -> bool:
    """Whether lengths and checksums of a finished packet are right."""
    source, target = addresses_of(packet)
    start = start_of(packet)
    if start == 20:
        if ones_sum(packet[:20]) != 0xFFFF or int.from_bytes(packet[2:4], "big") != len(packet):
            return False
        protocol = packet[9]
    else:
        if int.from_bytes(packet[4:6], "big") != len(packet) - 40:
            return False
        protocol = packet[6]
    if protocol == UDP and int.from_bytes(packet[start + 4 : start + 6], "big") != len(packet) - start:
        return False
    total = pseudo_sum(source, target, protocol, len(packet) - start) + ones_sum(packet[start:])
    return ones_sum(total.to_bytes(4, "big")) == 0xFFFF
