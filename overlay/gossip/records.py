"""Records on the wire: signed, checked field by field, passed on verbatim (protocol section 8).

    0            64                                                                  <= 1,024
    +------------+---------------------------------------------------------------------+
    | signature  | body: one msgpack array                                             |
    +------------+---------------------------------------------------------------------+
    body = [id 32, sequence, boot 8, name, ipv4 0|4, ipv6 16, endpoints, nat, links, flags, version]
    endpoint = [address 4|16 + port u16, kind]      link = [id 32, cost]      flags: 1 relay, 2 ipv4 given with --ip,
                                                                                  4 its node left

The signature covers H(record, name of the network) + the exact body. Addresses travel packed, so that a record with
every field at its limit still fits. Kinds of endpoints that a later minor adds are skipped.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from typing import Annotated

from msgspec import Meta, Struct

from overlay.config.names import is_label
from overlay.gossip.addresses import usable_host
from overlay.gossip.record import Record, RecordEndpoint, RecordLink
from overlay.identity import Identity, digest, ipv4_prefix, ipv6_address, name_bytes, verify
from overlay.values import NodeId
from overlay.wire.codec import Malformed, pack, unpack
from overlay.wire.messages import U8, U63, Id
from punch.values import parse_endpoint, udp

MAX_RECORD = 1024
"""Bytes of a signed record at most."""
MAX_ENDPOINTS = 12
MAX_LINKS = 8
MAX_SEQUENCE = 2**63 - 1
SIGNATURE = 64

KINDS = ("local", "public", "stun", "portmap", "given")
"""Words of an endpoint's kind; on the wire its place in this row."""

RELAY, FIXED, LEFT = 1, 2, 4

_PORT = struct.Struct("<H")
_WORD = re.compile(r"[!-~]*", re.ASCII)
_ENDPOINT_SIZES = (6, 18)

Packed = Annotated[bytes, Meta(min_length=6, max_length=18)]


class Body(Struct, frozen=True, array_like=True):
    """The signed array; fields in wire order."""

    id: Id
    sequence: U63
    boot: Annotated[bytes, Meta(min_length=8, max_length=8)]
    name: Annotated[str, Meta(max_length=63)]
    ipv4: Annotated[bytes, Meta(max_length=4)]
    ipv6: Annotated[bytes, Meta(min_length=16, max_length=16)]
    endpoints: Annotated[list[tuple[Packed, U8]], Meta(max_length=MAX_ENDPOINTS)]
    nat: Annotated[str, Meta(max_length=64)]
    links: Annotated[list[tuple[Id, U8]], Meta(max_length=MAX_LINKS)]
    flags: U8
    version: Annotated[str, Meta(max_length=32)]


def sign(record: Record, identity: Identity, network: str) -> bytes:
    """The signed bytes of our own record.

    Raises:
        ValueError: an endpoint of it is not one, or it is too long.
    """
    body = pack(
        Body(
            id=record.id,
            sequence=record.sequence,
            boot=record.boot,
            name=record.name,
            ipv4=ipaddress.IPv4Address(record.ipv4).packed if record.ipv4 else b"",
            ipv6=ipaddress.IPv6Address(record.ipv6).packed,
            endpoints=[(pack_endpoint(e.address), KINDS.index(e.kind)) for e in record.endpoints],
            nat=record.nat,
            links=[(link.node, link.cost) for link in record.links],
            flags=RELAY * record.relay | FIXED * record.ipv4_fixed | LEFT * record.left,
            version=record.version,
        )
    )
    signed = identity.sign(digest("record", name_bytes(network)) + body) + body
    if len(signed) > MAX_RECORD:
        raise ValueError(f"a record of {len(signed)} bytes; {MAX_RECORD} are allowed")
    return signed


def is_signed(signed: bytes, record: Record, network: str) -> bool:
    """Whether `record`, decoded from `signed`, bears the signature of its id for this network."""
    return verify(record.id, digest("record", name_bytes(network)) + signed[SIGNATURE:], signed[:SIGNATURE])


def decode(signed: bytes, network: str) -> Record:
    """Read a signed record and check every field; the signature is checked by `is_signed`.

    Raises:
        Malformed: a field says what no record may say.
    """
    if not SIGNATURE < len(signed) <= MAX_RECORD:
        raise Malformed("size", f"a record of {len(signed)} bytes")
    body = unpack(signed[SIGNATURE:], Body, limit=MAX_RECORD)
    node = NodeId(body.id)
    links = tuple(RecordLink(NodeId(raw), cost) for raw, cost in body.links)
    _require(is_label(body.name), "the name is not a DNS label")
    _require(_WORD.fullmatch(body.nat) is not None, "the NAT profile is not a word")
    _require(_WORD.fullmatch(body.version) is not None, "the version is not a word")
    _require(len({link.node for link in links} | {node}) == len(links) + 1, "a link twice, or to itself")
    ipv6 = ipv6_address(network, node)
    _require(body.ipv6 == ipaddress.IPv6Address(ipv6).packed, "the IPv6 address is not its id's")
    return Record(
        id=node,
        sequence=body.sequence,
        boot=body.boot,
        name=body.name,
        ipv4=_ipv4(body.ipv4, network),
        ipv4_fixed=bool(body.flags & FIXED),
        ipv6=ipv6,
        endpoints=tuple(_endpoint(packed, KINDS[kind]) for packed, kind in body.endpoints if kind < len(KINDS)),
        nat=body.nat,
        links=links,
        relay=bool(body.flags & RELAY),
        version=body.version,
        left=bool(body.flags & LEFT),
    )


def is_member_address(ipv4: str, network: str) -> bool:
    """Whether a member of `network` may hold `ipv4`."""
    try:
        address = ipaddress.IPv4Address(ipv4)
    except ValueError:
        return False
    return address in ipv4_prefix(network) and usable_host(ipv4)


def pack_endpoint(text: str) -> bytes:
    """`1.2.3.4:5` or `[::1]:5` as address + port; the zone of a link-local address means nothing elsewhere.

    Raises:
        ValueError: it is no endpoint.
    """
    endpoint = parse_endpoint(text)
    return ipaddress.ip_address(endpoint.host).packed + _PORT.pack(endpoint.port)


def _endpoint(packed: bytes, kind: str) -> RecordEndpoint:
    _require(len(packed) in _ENDPOINT_SIZES, "an endpoint of neither IPv4 nor IPv6")
    address = ipaddress.ip_address(packed[:-2])
    port: int = _PORT.unpack(packed[-2:])[0]
    _require(port > 0, "an endpoint with port 0")
    _require(getattr(address, "ipv4_mapped", None) is None, "an IPv4 address in IPv6 clothes")
    return RecordEndpoint(str(udp(str(address), port)), kind)


def _ipv4(packed: bytes, network: str) -> str:
    """The claimed address, empty while there is none."""
    if not packed:
        return ""
    _require(len(packed) == 4, "an IPv4 address of another length")
    address = str(ipaddress.IPv4Address(packed))
    _require(is_member_address(address, network), "the IPv4 address is not of this network")
    return address


def _require(holds: bool, detail: str) -> None:
    if not holds:
        raise Malformed("fields", detail)
