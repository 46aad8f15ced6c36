"""Records of inner packets (protocol section 6), and a second opinion on what may reach a kernel."""

from __future__ import annotations

import struct

VNET = 10
TCP, UDP = 6, 17
TCPV4, TCPV6, UDP_L4 = 1, 4, 5

OURS4, OURS6 = bytes((10, 77, 0, 1)), bytes.fromhex("fd000000000000000000000000000001")
THEIRS4, THEIRS6 = bytes((10, 77, 0, 2)), bytes.fromhex("fd000000000000000000000000000002")

_vnet = struct.Struct("<BBHHHH")


def transport(protocol: int, size: int) -> bytes:
    """A TCP or UDP header and `size` bytes behind it."""
    payload = bytes(size)
    if protocol == TCP:
        return struct.pack(">HHIIBBHHH", 5201, 40000, 1, 2, 0x50, 0x18, 64000, 0, 0) + payload
    return struct.pack(">HHHH", 5201, 40000, 8 + size, 0) + payload


def packet(version: int, protocol: int, size: int) -> bytes:
    """From them to us."""
    rest = transport(protocol, size)
    if version == 4:
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(rest), 7, 0x4000, 64, protocol, 0, THEIRS4, OURS4)
    else:
        head = struct.pack(">IHBB16s16s", 6 << 28, len(rest), protocol, 64, THEIRS6, OURS6)
    return head + rest


def record(version: int, protocol: int, size: int, gso: int = 0, offload: bool = True) -> bytes:
    """Virtio-net header and packet; `gso` bytes a segment make it a super-packet."""
    ip, header = (20, 40)[version == 6], (20 if protocol == TCP else 8)
    kind = {(TCP, 4): TCPV4, (TCP, 6): TCPV6}.get((protocol, version), UDP_L4) if gso else 0
    place = 16 if protocol == TCP else 6
    vnet = _vnet.pack(1, kind, ip + header if gso else 0, gso, ip, place) if offload else bytes(VNET)
    return vnet + packet(version, protocol, size)


def records() -> list[bytes]:
    """Plain, half summed and super-packets of every sort."""
    return [
        record(4, TCP, 0, offload=False),
        record(6, UDP, 30, offload=False),
        record(4, TCP, 100),
        record(6, TCP, 100),
        record(4, UDP, 100),
        record(6, UDP, 100),
        record(4, TCP, 4000, 1340),
        record(6, TCP, 4000, 1320),
        record(4, UDP, 4000, 1300),
        record(6, UDP, 4000, 1300),
    ]


def envelopes() -> list[bytes]:
    """The plaintexts of envelopes."""

    def laid(rows: list[bytes]) -> bytes:
        return b"".join(len(row).to_bytes(4, "little") + row for row in rows)

    rows = records()
    alike = [record(4, UDP, 200)] * 9 + [record(6, UDP, 200)] * 9
    return [laid([row]) for row in rows] + [laid(rows), laid(alike), laid(rows[:3]) + bytes(20)]


def fault(record: bytes, *, joined: bool) -> str | None:
    """What a kernel must not be handed in `record`, read once more and differently; None: nothing.

    `joined`: UDP super-packets may be of our own making, out of equal small packets.
    """
    if len(record) < VNET + 20:
        return "short"
    flags, kind, hdr_len, gso, start, place = _vnet.unpack_from(record)
    ip = record[VNET:]
    version = ip[0] >> 4
    if version == 4:
        length, total, protocol = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big"), ip[9]
        ends = ip[12:16] == THEIRS4, ip[16:20] == OURS4
        fragment = int.from_bytes(ip[6:8], "big") & 0x3FFF
    elif version == 6 and len(ip) >= 40:
        length, total, protocol = 40, 40 + int.from_bytes(ip[4:6], "big"), ip[6]
        ends, fragment = (ip[8:24] == THEIRS6, ip[24:40] == OURS6), 0
    else:
        return "version"
    if ends != (True, True):
        return "address"
    if total != len(ip) or not 20 <= length <= total:
        return "length"
    if not flags and not kind:
        return "header left behind" if any(record[:VNET]) else None
    if flags != 1 or fragment or start != length or (protocol, place) not in ((TCP, 16), (UDP, 6)):
        return "checksum"
    return _super_fault(ip, (kind, version, protocol), (hdr_len, gso, length), joined=joined)


def _super_fault(ip: bytes, what: tuple[int, int, int], sizes: tuple[int, int, int], *, joined: bool) -> str | None:
    """The rest, for packets that the kernel will cut."""
    (kind, version, protocol), (hdr_len, gso, length) = what, sizes
    header = (ip[length + 12] >> 4) * 4 if protocol == TCP and len(ip) > length + 12 else 8
    if header < (20 if protocol == TCP else 8) and kind:
        return "transport header"
    if not kind:
        return "sizes left behind" if hdr_len or gso else None
    if (kind, version, protocol) not in ((TCPV4, 4, TCP), (TCPV6, 6, TCP), (UDP_L4, 4, UDP), (UDP_L4, 6, UDP)):
        return "kind"
    if hdr_len != length + header:
        return "header length"
    payload = len(ip) - length - header
    own = joined and kind == UDP_L4
    if payload < 1 or gso < (1 if own else 500) or payload > gso * 128:
        return "segments"
    return None
