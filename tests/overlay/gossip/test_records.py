"""Records: what is signed comes back, and every lie in a field voids it."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.gossip.record import Record, RecordEndpoint, RecordLink
from overlay.gossip.records import (
    KINDS,
    MAX_ENDPOINTS,
    MAX_LINKS,
    MAX_RECORD,
    SIGNATURE,
    Body,
    decode,
    is_signed,
    pack_endpoint,
    sign,
)
from overlay.identity import ipv4_candidate, ipv6_address
from overlay.values import NodeId
from overlay.wire.codec import Malformed, pack, unpack
from tests.overlay.gossip.mesh import identity

ME = identity(1)
GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "record.json").read_text())

RECORD = Record(
    id=ME.id,
    sequence=7,
    boot=b"bootboot",
    name="laptop",
    ipv4=ipv4_candidate("home", ME.id, 0),
    ipv4_fixed=False,
    ipv6=ipv6_address("home", ME.id),
    endpoints=(RecordEndpoint("192.0.2.1:27182", "public"), RecordEndpoint("[2001:db8::1]:27182", "given")),
    nat="unknown",
    links=(RecordLink(identity(2).id, 7),),
    relay=True,
    version="0.1.0",
)


def test_golden_bytes() -> None:
    signed = sign(RECORD, ME, "home")
    assert signed.hex() == GOLDEN["signed"]
    assert decode(signed, "home") == RECORD
    assert is_signed(signed, RECORD, "home")


def test_a_record_is_of_its_network() -> None:
    signed = sign(RECORD, ME, "home")
    assert not is_signed(signed, RECORD, "work")
    with pytest.raises(Malformed):
        decode(signed, "work")


def test_a_zone_stays_at_home() -> None:
    assert pack_endpoint("[fe80::1%eth0]:5") == ipaddress.ip_address("fe80::1").packed + b"\5\0"


def test_everything_at_its_limit_fits() -> None:
    full = msgspec.structs.replace(
        RECORD,
        sequence=2**63 - 1,
        name="n" * 63,
        endpoints=tuple(RecordEndpoint(f"[2001:db8::{k:x}]:65535", "portmap") for k in range(1, MAX_ENDPOINTS + 1)),
        nat="n" * 64,
        links=tuple(RecordLink(identity(k).id, 255) for k in range(2, 2 + MAX_LINKS)),
        version="v" * 32,
    )
    signed = sign(full, ME, "home")
    assert len(signed) <= MAX_RECORD
    assert decode(signed, "home") == full


def test_truncated_at_every_byte() -> None:
    signed = sign(RECORD, ME, "home")
    for length in range(len(signed)):
        with pytest.raises(Malformed):
            decode(signed[:length], "home")


def test_every_bit_flipped_is_malformed_or_forged() -> None:
    signed = sign(RECORD, ME, "home")
    for bit in range(8 * len(signed)):
        flipped = bytearray(signed)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            record = decode(bytes(flipped), "home")
        except Malformed:
            continue
        assert not is_signed(bytes(flipped), record, "home")


LIES: dict[str, dict[str, Any]] = {
    "somebody else's id": {"id": identity(2).id},
    "sequence beyond 63 bits": {"sequence": 2**63},
    "negative sequence": {"sequence": -1},
    "boot too short": {"boot": b"boot"},
    "name empty": {"name": ""},
    "name with a dot": {"name": "a.b"},
    "name with an escape": {"name": "a\x1b[2J"},
    "IPv4 of another network": {"ipv4": b"\x0a\x01\x02\x03"},
    "IPv4 that is the network's": {"ipv4": ipaddress.ip_address(RECORD.ipv4).packed[:2] + b"\0\0"},
    "IPv4 that is the broadcast's": {"ipv4": ipaddress.ip_address(RECORD.ipv4).packed[:2] + b"\xff\xff"},
    "IPv4 of three bytes": {"ipv4": b"\x0a\x01\x02"},
    "another IPv6": {"ipv6": ipaddress.ip_address(ipv6_address("home", identity(2).id)).packed},
    "endpoint of 7 bytes": {"endpoints": [(b"1234567", 0)]},
    "endpoint with port 0": {"endpoints": [(b"\x01\x02\x03\x04\0\0", 0)]},
    "endpoint mapped": {"endpoints": [(ipaddress.ip_address("::ffff:1.2.3.4").packed + b"\1\0", 0)]},
    "13 endpoints": {"endpoints": [(b"\x01\x02\x03\x04\1\0", 0)] * 13},
    "9 links": {"links": [(identity(k).id, 0) for k in range(2, 11)]},
    "a link twice": {"links": [(identity(2).id, 0)] * 2},
    "a link to itself": {"links": [(ME.id, 0)]},
    "a link to a short id": {"links": [(b"short", 0)]},
    "a NAT profile with a space": {"nat": "NAT 1"},
    "a version with a newline": {"version": "1\n"},
    "a version too long": {"version": "1" * 33},
    "flags beyond a byte": {"flags": 256},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_in_a_field_voids_the_record(lie: dict[str, Any]) -> None:
    honest = unpack(sign(RECORD, ME, "home")[SIGNATURE:], Body)
    with pytest.raises(Malformed):
        decode(bytes(SIGNATURE) + pack(msgspec.structs.replace(honest, **lie)), "home")


def test_later_fields_and_kinds_are_ignored() -> None:
    values = unpack(sign(RECORD, ME, "home")[SIGNATURE:], list[Any])
    values[6] = [*values[6], [b"\x01\x02\x03\x04\1\0", len(KINDS)]]
    assert decode(bytes(SIGNATURE) + pack([*values, "later"]), "home") == RECORD


def test_too_long_a_record() -> None:
    values = unpack(sign(RECORD, ME, "home")[SIGNATURE:], list[Any])
    with pytest.raises(Malformed):
        decode(bytes(SIGNATURE) + pack([*values, bytes(MAX_RECORD)]), "home")


hosts = st.ip_addresses().filter(lambda address: getattr(address, "ipv4_mapped", None) is None)
endpoints = st.builds(
    lambda host, port, kind: RecordEndpoint(f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}", kind),
    hosts,
    st.integers(1, 65535),
    st.sampled_from(KINDS),
)
links = st.builds(RecordLink, st.binary(min_size=32, max_size=32).map(NodeId), st.integers(0, 255))


@given(
    st.integers(0, 2**63 - 1),
    st.lists(endpoints, max_size=MAX_ENDPOINTS),
    st.lists(links, max_size=MAX_LINKS, unique_by=lambda link: link.node),
    st.booleans(),
    st.booleans(),
)
def test_decoding_undoes_signing(
    sequence: int, some: list[RecordEndpoint], via: list[RecordLink], relay: bool, fixed: bool
) -> None:
    record = msgspec.structs.replace(
        RECORD, sequence=sequence, endpoints=tuple(some), links=tuple(via), relay=relay, ipv4_fixed=fixed, ipv4=""
    )
    signed = sign(record, ME, "home")
    assert decode(signed, "home") == record
    assert is_signed(signed, record, "home")


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_record_or_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode(data, "home")
