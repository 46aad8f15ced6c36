"""What a receiver checks in every record (protocol section 6), on the packet as it lies in the buffer.

     0       1          2         4          6            8             10 (packet)
    +-------+----------+---------+----------+------------+-------------+----------------------+
    | flags | gso_type | hdr_len | gso_size | csum_start | csum_offset | IPv4 or IPv6 ...     |
    +-------+----------+---------+----------+------------+-------------+----------------------+

The header of the sender never reaches our kernel unchecked: a forged one rewrites a port behind the firewall, or
turns one record into a thousand packets. `check` puts right what a receiver must not believe (hdr_len) in place.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping

from overlay.dataplane.abi import (
    GSO_TCPV4,
    GSO_TCPV6,
    GSO_UDP_L4,
    NEEDS_CSUM,
    TCP,
    TCP_CSUM,
    UDP,
    UDP_CSUM,
    VNET,
)

OK, PLAIN_UDP = 0, 1
"""Deliver. The second: a UDP packet with its checksum left to do, which may be joined with its likes (`runs`)."""
RECORD_SHORT, MALFORMED, FOREIGN_SOURCE, FOREIGN_DESTINATION, MULTICAST, FORGED = 2, 3, 4, 5, 6, 7
REASONS = {
    RECORD_SHORT: "record_length",
    MALFORMED: "packet_malformed",
    FOREIGN_SOURCE: "source_foreign",
    FOREIGN_DESTINATION: "destination_foreign",
    MULTICAST: "multicast",
    FORGED: "offload_forged",
}

GSO_FLOOR = 500
"""Bytes of a segment at least, and..."""
SEGMENTS = 128
"""...segments of a super-packet at most (protocol section 6)."""

# Read big endian, as packets are: the little-endian fields of the virtio-net header come out with their bytes swapped.
_HEAD4 = struct.Struct(">BBHHHHBxHxxHxBxx4s4s")
_HEAD6 = struct.Struct(">BBHHHHBxxxHBx16s16s")
_LEAST4, _LEAST6 = VNET + 20, VNET + 40
_PLACES = {TCP: TCP_CSUM << 8, UDP: UDP_CSUM << 8}
_LEAST = {TCP: 20, UDP: 8}
_GSO = {(GSO_TCPV4, 4): TCP, (GSO_TCPV6, 6): TCP, (GSO_UDP_L4, 4): UDP, (GSO_UDP_L4, 6): UDP}
_NO_OFFLOAD = bytes(VNET)


def check(
    buffer: bytearray, at: int, size: int, owner: object, routes: Mapping[bytes, object], selves: Collection[bytes]
) -> int:
    """Look at the record of `size` bytes (header and packet) at `at`: OK, PLAIN_UDP, or why it is dropped.

    `routes` maps inner addresses to their holders, `owner` is the sender, `selves` are our own addresses. The buffer
    has room behind the record for a whole IPv6 header.
    """
    if size < _LEAST4:
        return RECORD_SHORT
    flags, kind, hdr_len, gso, start, place, first, total, fragment, protocol, source, target = _HEAD4.unpack_from(
        buffer, at
    )
    if first >> 4 == 4:
        length = (first & 15) * 4
        if total != size - VNET or length < 20 or length > total:
            return MALFORMED
        version = 4
        whole = not fragment & 0x3FFF
    elif first >> 4 == 6 and size >= _LEAST6:
        flags, kind, hdr_len, gso, start, place, first, total, protocol, source, target = _HEAD6.unpack_from(buffer, at)
        if total != size - _LEAST6:
            return MALFORMED
        length, version, whole = 40, 6, True
    else:
        return MALFORMED
    if routes.get(source) is not owner:
        return FOREIGN_SOURCE
    if target not in selves:
        return MULTICAST if is_multicast(target) else FOREIGN_DESTINATION
    if not flags and not kind:
        if hdr_len or gso or start or place:
            buffer[at : at + VNET] = _NO_OFFLOAD
        return OK
    if (
        flags != NEEDS_CSUM
        or not whole
        or start != length << 8
        or place != _PLACES.get(protocol)
        or size < VNET + length + _LEAST[protocol]
    ):
        return FORGED
    if kind:
        return _super_packet(buffer, at, size, (kind, version), protocol, length)
    if hdr_len or gso:
        buffer[at + 2 : at + 6] = b"\0\0\0\0"
    return PLAIN_UDP if protocol == UDP else OK


def _super_packet(buffer: bytearray, at: int, size: int, kind: tuple[int, int], protocol: int, length: int) -> int:
    """The rest of the look at a packet to be cut by our kernel; hdr_len is rewritten."""
    if _GSO.get(kind) != protocol:
        return FORGED
    transport = at + VNET + length
    header = (buffer[transport + 12] >> 4) * 4 if protocol == TCP else 8
    gso = buffer[at + 4] | buffer[at + 5] << 8
    payload = size - VNET - length - header
    if header < _LEAST[protocol] or gso < GSO_FLOOR or not 0 < payload <= gso * SEGMENTS:
        return FORGED
    buffer[at + 2] = length + header
    buffer[at + 3] = 0
    return OK


def is_multicast(address: bytes | bytearray) -> bool:
    """Multicast, or (IPv4) broadcast: every packet to the last address of a /16 is one here."""
    if len(address) == 4:
        return address[0] >= 224 or address[2:] == b"\xff\xff"
    return address[0] == 0xFF
