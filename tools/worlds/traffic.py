"""Packets that are told apart: what was sent into one TUN, and what came out of another.

IPv4 | UDP | serial u64, sender u16, receiver u16, filler
"""

from __future__ import annotations

import ipaddress
import random
import struct
from collections.abc import Sequence

from tools.worlds.broken import Broken

TAG = struct.Struct("<QHH")
PORTS = (1000, 2000)
SIZES = (0, 0, 40, 160, 900, 1300)
"""Bytes of filler."""
_HEADERS = 28


class Traffic:
    """All packets of a world."""

    def __init__(self, names: Sequence[str], dice: random.Random) -> None:
        self._names = list(names)
        self._dice = dice
        self._sent: list[bytes] = []
        self._came: dict[int, None] = {}
        self.reached: dict[tuple[str, str], int] = {}
        """(from, to) -> the highest serial that came."""

    @property
    def sent(self) -> int:
        """How many were sent; the serial of the next."""
        return len(self._sent)

    @property
    def came(self) -> int:
        """How many came."""
        return len(self._came)

    def make(self, sender: str, receiver: str, source: str, target: str) -> bytes:
        """A new packet of `sender`'s for `receiver`, between these overlay addresses."""
        tag = TAG.pack(len(self._sent), self._names.index(sender), self._names.index(receiver))
        packet = udp_packet(source, target, tag + self._dice.randbytes(self._dice.choice(SIZES)))
        self._sent.append(packet)
        return packet

    def take(self, name: str, packet: bytes) -> None:
        """It came out of the TUN of `name`.

        Raises:
            Broken: nobody sent it, it came before, or it is another's.
        """
        body = packet[_HEADERS:]
        if len(body) < TAG.size:
            raise Broken("forged", f"{name} was handed a packet that nobody sent: {packet.hex()}")
        serial, sender, receiver = TAG.unpack_from(body)
        if serial >= len(self._sent) or self._sent[serial] != packet:
            raise Broken("forged", f"{name} was handed a packet that nobody sent: {packet[:60].hex()}")
        way = (self._names[sender], self._names[receiver])
        if way[1] != name:
            raise Broken("astray", f"{name} was handed packet {serial} of {way[0]} for {way[1]}")
        if serial in self._came:
            raise Broken("twice", f"{name} was handed packet {serial} of {way[0]} twice")
        self._came[serial] = None
        self.reached[way] = max(serial, self.reached.get(way, -1))


def udp_packet(source: str, target: str, body: bytes) -> bytes:
    """A UDP packet over IPv4, without a checksum of its UDP (RFC 768) and with one of its header (RFC 791)."""
    udp = struct.pack(">HHHH", *PORTS, 8 + len(body), 0) + body
    ends = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(target).packed
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:] + udp
