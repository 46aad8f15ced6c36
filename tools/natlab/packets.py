"""IPv4 packets as a NAT sees them: two endpoints, and how to put others in their place.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------+-------+---------------+-------------------------------+
    |   4   |  IHL  |      TOS      |         total length          |   RFC 791
    |        identification         |flags|     fragment offset     |
    |      TTL      |   protocol    |        header checksum        |
    |                        source address                         |
    |                      destination address                      |
    +---------------------------------------------------------------+
    |   source port / echo: type 8  |       destination port        |   RFC 768, 9293; 792
    |            ...                |   echo: identifier            |

Checksums are corrected by what changed (RFC 1624): the payload is never read.
"""

from __future__ import annotations

import struct
from socket import inet_aton, inet_ntoa

from msgspec import Struct

from punch.values import Endpoint, udp

ICMP, TCP, UDP = 1, 6, 17
CHECKSUM_AT = {UDP: 6, TCP: 16, ICMP: 2}
"""Where the transport header has its checksum."""
ECHO_REPLY, UNREACHABLE, ECHO, TIME_EXCEEDED = 0, 3, 8, 11
PORT_UNREACHABLE = 3
QUOTED = 28
"""Bytes of the offending packet in an ICMP error: its header and 64 bits (RFC 792)."""
_HALF = struct.Struct(">H")
_PAIR = struct.Struct(">HH")


class Seen(Struct, frozen=True, gc=False):
    """A packet that can be translated."""

    protocol: int
    at: int
    """Where the transport header begins."""
    source: Endpoint
    """Of an echo: the identifier is the port of whoever asks, the other end has port 0. A Nat's endpoints are all
    called udp; each protocol has a Nat of its own."""
    to: Endpoint


def look(packet: bytes | bytearray) -> Seen | None:
    """What is in a packet; None: not IPv4, a later fragment, broken, or of no protocol that has ports or echoes."""
    if len(packet) < 28 or packet[0] >> 4 != 4:
        return None
    at, protocol = (packet[0] & 15) * 4, packet[9]
    if protocol not in CHECKSUM_AT or at < 20 or len(packet) < at + 8 or _HALF.unpack_from(packet, 6)[0] & 0x1FFF:
        return None
    if protocol == TCP and len(packet) < at + 20:
        return None
    source_port, to_port = _PAIR.unpack_from(packet, at)
    if protocol == ICMP:
        if packet[at] not in (ECHO, ECHO_REPLY):
            return None
        (identifier,) = _HALF.unpack_from(packet, at + 4)
        source_port, to_port = (identifier, 0) if packet[at] == ECHO else (0, identifier)
    source = udp(inet_ntoa(packet[12:16]), source_port)
    return Seen(protocol, at, source, udp(inet_ntoa(packet[16:20]), to_port))


def replace(packet: bytearray, seen: Seen, source: Endpoint, to: Endpoint) -> None:
    """Put other endpoints into a packet, in place; its TTL rises by one, since the kernel lowers it twice."""
    at, protocol = seen.at, seen.protocol
    before = bytes(packet[12:20])
    packet[12:20] = inet_aton(source.host) + inet_aton(to.host)
    packet[8] = min(255, packet[8] + 1)
    _HALF.pack_into(packet, 10, 0)
    _HALF.pack_into(packet, 10, ~_folded(sum(struct.unpack_from(f">{at // 2}H", packet))) & 0xFFFF)
    where = at + CHECKSUM_AT[protocol]
    (checksum,) = _HALF.unpack_from(packet, where)
    ports_at = at
    old, new = before, bytes(packet[12:20])
    if protocol == ICMP:
        ports_at, old, new = at + 4, b"", b""
        ports, size = _HALF.pack(source.port or to.port), 2
    else:
        ports, size = _PAIR.pack(source.port, to.port), 4
    old += bytes(packet[ports_at : ports_at + size])
    packet[ports_at : ports_at + size] = ports
    if checksum or protocol != UDP:
        corrected = _corrected(checksum, old, new + ports)
        _HALF.pack_into(packet, where, corrected or (0xFFFF if protocol == UDP else 0))


def refusal(packet: bytes | bytearray, code: int = PORT_UNREACHABLE) -> bytes:
    """The ICMP error that answers a packet: destination unreachable, from where it went (RFC 792)."""
    quote = bytes(packet[:QUOTED])
    body = struct.pack(">BBHI", UNREACHABLE, code, 0, 0) + quote
    body = body[:2] + _HALF.pack(checksum_of(body)) + body[4:]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, ICMP, 0) + packet[16:20] + packet[12:16]
    return head[:10] + _HALF.pack(checksum_of(head)) + head[12:] + body


def checksum_of(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    return ~_folded(sum(struct.unpack(f">{len(padded) // 2}H", padded))) & 0xFFFF


def _folded(total: int) -> int:
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _corrected(checksum: int, old: bytes, new: bytes) -> int:
    """HC' = ~(~HC + ~m + m') (RFC 1624, equation 3)."""
    words = len(old) // 2
    total = (~checksum & 0xFFFF) + sum(struct.unpack(f">{words}H", new))
    total += sum(~each & 0xFFFF for each in struct.unpack(f">{words}H", old))
    return ~_folded(total) & 0xFFFF
