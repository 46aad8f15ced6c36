"""What is inside an opened envelope, and inside STUN, in words: one line each.

control   [kind, fields...]                ->  Ping(req 1, root 00000000)
signal    Offer, Sampled, HolesOpen ...    ->  Offer(attempt 7, ..., profile NAT4 apdm sequential +1)
data      u32 length, virtio-net, packet   ->  10.66.0.2:40000 > 10.66.0.3:80 TCP S seq 1, 60 B
STUN      attributes                       ->  response 0a0b.., XOR-MAPPED-ADDRESS 203.0.113.4:5
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from overlay.dataplane.abi import GSO_NONE, VNET
from overlay.logs import clean
from overlay.wire.codec import Malformed, decode_message
from overlay.wire.messages import Carried, Signal
from punch import stun
from punch.values import Candidate, Endpoint, NatProfile
from tools.dissect import layers

with warnings.catch_warnings():  # scapy meets its own deprecations while it is imported
    warnings.simplefilter("ignore")
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6

MOST_LISTED = 8
"""Elements of a list that are written out."""
MOST_BYTES = 8
"""Bytes of a value that are written out."""
_SIZE = struct.Struct("<I")
_VNET = struct.Struct("<BBHHHH")
"""flags, gso_type, hdr_len, gso_size, csum_start, csum_offset (linux/virtio_net.h)."""


def control(plain: bytes) -> str:
    """One control message."""
    try:
        message = decode_message(plain)
    except Malformed as fault:
        return clean(f"no message of ours ({fault})")
    if isinstance(message, Signal):
        return clean(f"Signal {value(message.body)}")
    if isinstance(message, Carried):
        ends = f"to {value(message.to)}, sender {value(message.sender)}, hops {message.hops}"
        return f"Carried({ends}: {layers.choose(message.payload).__name__})"
    return clean(value(message))


def value(said: Any) -> str:
    """A value of a message: structs by their fields, bytes by the first of them, long lists by the first elements."""
    if isinstance(said, bytes):
        return said[:MOST_BYTES].hex() + (f"..({len(said)} B)" if len(said) > MOST_BYTES else "")
    if isinstance(said, NatProfile):
        return profile(said)
    if isinstance(said, Candidate):
        return f"{said.endpoint} {said.kind}"
    if isinstance(said, Endpoint):
        return str(said)
    if isinstance(said, Struct):
        fields = ", ".join(f"{name} {_field(name, getattr(said, name))}" for name in said.__struct_fields__)
        return f"{type(said).__name__}({fields})"
    if isinstance(said, list | tuple):
        more = f" and {len(said) - MOST_LISTED} more" if len(said) > MOST_LISTED else ""
        return f"[{', '.join(value(each) for each in said[:MOST_LISTED])}{more}]"
    return f"{said:g}" if isinstance(said, float) else str(said)


def _field(name: str, said: Any) -> str:
    """Labels and attempts as frames and probes show them."""
    return f"{said:08x}" if name in ("label", "attempt") and isinstance(said, int) else value(said)


def profile(nat: NatProfile) -> str:
    """A NAT profile: its type, and what is decided."""
    axes = [axis for axis in (nat.mapping, nat.filtering, nat.allocation) if axis != "unknown"]
    step = [f"{nat.step:+d}"] if nat.step else []
    seen = [f"at {nat.reflexive}"] if nat.reflexive else []
    return " ".join([nat.type, *axes, *step, *seen])


def packets(plain: bytes) -> Iterator[str]:
    """The inner packets of a data envelope."""
    at = 0
    while len(plain) - at >= _SIZE.size:
        (length,) = _SIZE.unpack_from(plain, at)
        record = plain[at + _SIZE.size : at + _SIZE.size + length]
        at += _SIZE.size + length
        if not length:
            return
        if len(record) < length or length <= VNET:
            yield f"a torn record of {length} B"
            return
        yield clean(packet(record[VNET:]) + _offload(record))


def packet(raw: bytes) -> str:
    """One IP packet in a line."""
    version = raw[0] >> 4
    if version not in (4, 6):
        return f"no IP packet, {len(raw)} B"
    try:
        seen = IP(raw) if version == 4 else IPv6(raw)
        return f"{_transport(seen)}, {len(raw)} B"
    except Exception as fault:  # scapy raises whatever its fields raise on torn packets
        return f"an IPv{version} packet that cannot be read ({type(fault).__name__}), {len(raw)} B"


def _transport(seen: Any) -> str:
    if (tcp := seen.getlayer(TCP)) is not None:
        return f"{_end(seen.src, tcp.sport)} > {_end(seen.dst, tcp.dport)} TCP {tcp.flags} seq {tcp.seq} ack {tcp.ack}"
    if (udp := seen.getlayer(UDP)) is not None:
        return f"{_end(seen.src, udp.sport)} > {_end(seen.dst, udp.dport)} UDP"
    if (icmp := seen.getlayer(ICMP)) is not None:
        return f"{seen.src} > {seen.dst} {icmp.sprintf('ICMP %ICMP.type% id %ICMP.id% seq %ICMP.seq%')}"
    above = seen.payload
    return f"{seen.src} > {seen.dst} {above.name if above else 'nothing'}"


def _end(host: str, port: int) -> str:
    return str(Endpoint("", host, port))


def _offload(record: bytes) -> str:
    """How our kernel is to cut it."""
    _, gso_type, _, gso_size, _, _ = _VNET.unpack_from(record)
    return f", to be cut at {gso_size} B" if gso_type != GSO_NONE else ""


def stun_words(frame: Any) -> str:
    """Kind, transaction and attributes of a STUN frame (a `layers.Stun`)."""
    kind = stun.KINDS.get(frame.type, f"type {frame.type:04x}")
    said = [f"{kind} {frame.transaction[:6].hex()}", *_attributes(bytes(frame.attributes), frame.transaction)]
    if frame.length != len(frame.attributes):
        said.append(f"{frame.length} B announced, {len(frame.attributes)} there")
    return clean(", ".join(said))


_ROWS = {row.type: row for row in stun.ATTRIBUTES}
_HEAD = struct.Struct(">HH")


def _attributes(body: bytes, transaction: bytes) -> Iterator[str]:
    at = 0
    while at < len(body):
        if len(body) - at < _HEAD.size:
            yield "torn"
            return
        number, length = _HEAD.unpack_from(body, at)
        inside = body[at + _HEAD.size : at + _HEAD.size + length]
        yield _attribute(number, inside, transaction) if len(inside) == length else "torn"
        at += _HEAD.size + length + -length % 4


def _attribute(number: int, inside: bytes, transaction: bytes) -> str:
    row = _ROWS.get(number)
    if row is None:
        names = {**stun.READ_OVER, stun.FINGERPRINT: "FINGERPRINT"}
        return names.get(number, f"attribute {number:04x} ({len(inside)} B)")
    found = row.read(inside, transaction)
    if found is None:
        return f"{row.name} malformed"
    if row.name == "CHANGE-REQUEST":
        wanted = [word for word, flag in zip(("ip", "port"), found, strict=True) if flag]
        return f"{row.name} {' and '.join(wanted) or 'nothing'}"
    if row.name == "UNKNOWN-ATTRIBUTES":
        return f"{row.name} {' '.join(f'{each:04x}' for each in found[0])}"
    return f"{row.name} {' '.join(str(each) for each in found)}"
