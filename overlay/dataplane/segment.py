"""Cuts super-packets in Python, and finishes checksums: for peers and limits that need it, never on the fast path.

    | IP | TCP seq, flags | payload 1 | payload 2 | payload 3 |
              v
    | IP | TCP seq           | payload 1 |     each with its own lengths, identification, sequence number;
    | IP | TCP seq + 1 x mss | payload 2 |     the checksum stays left to the receiver's kernel where it takes that,
    | IP | TCP seq + 2 x mss | payload 3 |     else it is summed here

The rules are those of the kernel's own segmentation (tcp_gso_segment, __udp_gso_segment): FIN and PSH on the last,
CWR on the first, identification counted on.
"""

from __future__ import annotations

import struct

from overlay.dataplane.abi import (
    ACCEPT_CSUM,
    ACCEPT_TSO,
    ACCEPT_USO,
    GSO_NONE,
    GSO_UDP_L4,
    NEEDS_CSUM,
    TCP_CSUM,
    UDP_CSUM,
    VNET,
)
from overlay.dataplane.check import GSO_FLOOR, SEGMENTS

_vnet = struct.Struct("<BBHHHH")
_u16 = struct.Struct(">H")
_u32 = struct.Struct(">I")
_FIN_PSH, _CWR = 0x09, 0x80


def fit(record: bytes | bytearray | memoryview, offloads: int, limit: int) -> list[bytes]:
    """`record` (virtio-net header and packet, from our own kernel) as records that a peer takes.

    `offloads` are the bits it accepts; super-packets of more than `limit` bytes are cut into smaller ones of nearly
    equal size, those that no receiver takes (segments too small or too many) into plain packets. Empty: the packet is
    not what its header says.
    """
    flags, kind, _, gso, start, place = _vnet.unpack_from(record)
    if flags & ~NEEDS_CSUM:
        # What the kernel found out about a checksum (DATA_VALID) stays here.
        flags &= NEEDS_CSUM
        record = bytes((flags,)) + bytes(record[1:])
    records = [bytes(record)]
    if kind != GSO_NONE:
        if not _accepted(kind, offloads) or offends(kind, gso, len(record)):
            records = _segments(records[0], 0)
        elif len(record) > limit:
            records = _segments(records[0], limit)
    if flags & NEEDS_CSUM and not offloads & ACCEPT_CSUM:
        records = [_summed(each, start, place) for each in records]
    return records


def offends(kind: int, gso: int, size: int) -> bool:
    """Whether no receiver takes a super-packet of `size` bytes (protocol section 6)."""
    return kind != GSO_NONE and (gso < GSO_FLOOR or size > gso * SEGMENTS)


def _accepted(kind: int, offloads: int) -> bool:
    bit = ACCEPT_USO if kind == GSO_UDP_L4 else ACCEPT_TSO
    return bool(offloads & bit and offloads & ACCEPT_CSUM)


def _segments(record: bytes, limit: int) -> list[bytes]:
    """Cut a super-packet into pieces of `limit` bytes, a segment at least."""
    _, kind, _, mss, start, _ = _vnet.unpack_from(record)
    packet = record[VNET:]
    udp = kind == GSO_UDP_L4
    least = start + (8 if udp else 20)
    if not mss or len(packet) < least or start not in (20, 40) or packet[0] >> 4 != (4 if start == 20 else 6):
        return []
    header = least if udp else start + (packet[start + 12] >> 4) * 4
    if header < least or len(packet) <= header:
        return []
    place = UDP_CSUM if udp else TCP_CSUM
    plain = _vnet.pack(NEEDS_CSUM, GSO_NONE, 0, 0, start, place)
    several = _vnet.pack(NEEDS_CSUM, kind, header, mss, start, place)
    transport = len(packet) - start
    step = mss * _a_piece(-(-(len(packet) - header) // mss), (limit - VNET - header) // mss)
    cuts = []
    for at in range(header, len(packet), step):
        payload = packet[at : at + step]
        head = bytearray(packet[:header])
        _shorten(head, start, header + len(payload), (at - header) // mss)
        if udp:
            _u16.pack_into(head, start + 4, 8 + len(payload))
            _recount(head, start + UDP_CSUM, 8 + len(payload) - transport)
        else:
            _resequence(head, start, at - header, first=at == header, last=at + step >= len(packet))
            _recount(head, start + TCP_CSUM, header - start + len(payload) - transport)
        cuts.append((several if len(payload) > mss else plain) + bytes(head) + payload)
    return cuts


def _a_piece(segments: int, most: int) -> int:
    """Segments of a piece, where `most` fit: as few pieces as there must be, and equal ones."""
    return -(-segments // -(-segments // most)) if most > 1 else 1


def _shorten(head: bytearray, start: int, size: int, number: int) -> None:
    """Write the IP header of segment `number`, a packet of `size` bytes."""
    if start == 40:
        _u16.pack_into(head, 4, size - 40)
        return
    _u16.pack_into(head, 2, size)
    _u16.pack_into(head, 4, (_u16.unpack_from(head, 4)[0] + number) & 0xFFFF)
    head[10:12] = b"\0\0"
    _u16.pack_into(head, 10, ~_sum(head[:20]) & 0xFFFF)


def _resequence(head: bytearray, start: int, offset: int, *, first: bool, last: bool) -> None:
    _u32.pack_into(head, start + 4, (_u32.unpack_from(head, start + 4)[0] + offset) & 0xFFFF_FFFF)
    if not last:
        head[start + 13] &= ~_FIN_PSH
    if not first:
        head[start + 13] &= ~_CWR & 0xFF


def _recount(head: bytearray, at: int, grown: int) -> None:
    """The checksum field holds the sum over the pseudo-header; the length in it grew by `grown` (or shrank)."""
    begun = _u16.unpack_from(head, at)[0]
    _u16.pack_into(head, at, (begun + grown) % 0xFFFF)


def _summed(record: bytes, start: int, place: int) -> bytes:
    """The same packet with its checksum done."""
    at = VNET + start + place
    if at + 2 > len(record):
        return record
    done = bytearray(record)
    done[:VNET] = bytes(VNET)
    # The field holds the sum over the pseudo-header, so the sum over header and payload is the sum of all.
    _u16.pack_into(done, at, (~_sum(record[VNET + start :]) & 0xFFFF) or 0xFFFF)
    return bytes(done)


def _sum(data: bytes | bytearray) -> int:
    """The one's complement sum of 16-bit words: a big integer modulo 65,535 is just that (RFC 1071)."""
    total = int.from_bytes(data, "big") << (8 * (len(data) & 1))
    return total % 0xFFFF or (0xFFFF if total else 0)
