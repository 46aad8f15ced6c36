"""A run of equal UDP packets in an opened envelope becomes one UDP super-packet for our kernel: one write, not sixteen.

    | len vnet IP UDP | payload | len vnet IP UDP | payload | len vnet IP UDP | payload |
          first           |            like           |            like           |
            +-------------+---------------------------+---------------------------+
            v             v                           v
    writev: | vnet' IP' UDP' | payload | payload | payload |      gso_type UDP_L4, gso_size = bytes of a payload

Each packet was checked, or has the same bytes where the check looks: only the IPv4 identification and header checksum
may differ, and those only with "don't fragment", where the identification means nothing (RFC 6864 section 4.1). The
kernel cuts the super-packet into the same packets again (as it does with what its own GRO joined).
"""

from __future__ import annotations

import struct

from overlay.dataplane.abi import GSO_UDP_L4, NEEDS_CSUM, UDP_CSUM, VNET
from overlay.dataplane.envelope import LENGTH

MAX_PACKETS = 16
"""Packets joined at most. A datagram socket holds some 150 small ones by default: a longer run, or several without a
pause for the application (`tun.linux` makes one), would mostly be lost there."""
MAX_BYTES = 60_000
"""Payload bytes joined at most: an IP packet says its length in 16 bits."""

_vnet = struct.Struct("<BBHHHH")
_u16 = struct.Struct(">H")
_head = struct.Struct(">10H")
_UDP_HEADER = 8
_DONT_FRAGMENT = 0x40


def like_first(buffer: bytearray, at: int, size: int, end: int) -> int:
    """How many records from the one at `at` (its virtio-net header; `size` bytes) on are one run; 1: it is alone.

    The record was checked and found PLAIN_UDP; `end` is where the records end.
    """
    packet = at + VNET
    six = buffer[packet] >= 0x60
    udp = packet + (40 if six else 20)
    payload = at + size - udp - _UDP_HEADER
    if payload < 1 or _u16.unpack_from(buffer, udp + 4)[0] != payload + _UDP_HEADER:
        return 1
    stride = size + LENGTH
    start = at - LENGTH
    here = start + stride
    last = min(end, start + stride * min(MAX_PACKETS, MAX_BYTES // payload)) - stride
    span = udp + _UDP_HEADER - start
    if six:
        whole = buffer[start : start + span]
        while here <= last and buffer[here : here + span] == whole:
            here += stride
    elif buffer[packet] == 0x45 and buffer[packet + 6] & _DONT_FRAGMENT:
        # The first 18 bytes end before the identification; 20..24 stand between it and the header checksum.
        front, middle, back = (
            buffer[start : start + 18],
            buffer[start + 20 : start + 24],
            buffer[start + 26 : start + 42],
        )
        while (
            here <= last
            and buffer[here : here + 18] == front
            and buffer[here + 26 : here + 42] == back
            and buffer[here + 20 : here + 24] == middle
        ):
            here += stride
    return (here - start) // stride


def join(buffer: bytearray, view: memoryview, at: int, size: int, count: int) -> list[bytearray | memoryview]:
    """The pieces of one record that says the same as the `count` ones from `at` on, which are a run."""
    packet = at + VNET
    length = 40 if buffer[packet] >= 0x60 else 20
    header = VNET + length + _UDP_HEADER
    payload = size - header
    head = buffer[at : at + header]
    _vnet.pack_into(head, 0, NEEDS_CSUM, GSO_UDP_L4, length + _UDP_HEADER, payload, length, UDP_CSUM)
    whole = _UDP_HEADER + payload * count
    if length == 40:
        _u16.pack_into(head, VNET + 4, whole)
    else:
        _u16.pack_into(head, VNET + 2, length + whole)
        _u16.pack_into(head, VNET + 10, 0)
        _u16.pack_into(head, VNET + 10, ~_folded(sum(_head.unpack_from(head, VNET))) & 0xFFFF)
    udp = VNET + length
    _u16.pack_into(head, udp + 4, whole)
    # The checksum field holds the sum over the pseudo-header, the UDP length in it: that grew.
    begun = _u16.unpack_from(head, udp + 6)[0]
    _u16.pack_into(head, udp + 6, _folded(begun + payload * (count - 1)))
    stride = size + LENGTH
    first = at + header
    return [head, *[view[here : here + payload] for here in range(first, first + stride * count, stride)]]


def _folded(total: int) -> int:
    """The one's complement sum in 16 bits."""
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total
