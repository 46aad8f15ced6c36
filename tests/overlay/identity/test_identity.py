"""Names, keys and addresses: what every build must derive alike."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.identity import (
    Identity,
    convert,
    digest,
    ipv4_candidate,
    ipv4_prefix,
    ipv6_address,
    ipv6_prefix,
    name_bytes,
    network_keys,
    secret_bytes,
    stretch,
    verify,
)
from overlay.identity.generator import cpace_generator, elligator2

GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "identity.json").read_text())
NODE = Identity(bytes(range(32)))


def test_golden() -> None:
    keys = network_keys(GOLDEN["name"], stretch(GOLDEN["name"], GOLDEN["secret"]))
    assert keys.stretched.hex() == GOLDEN["stretched"]
    assert keys.mac_key.hex() == GOLDEN["mac_key"]
    assert keys.channel.decode() == "overlay/1" + GOLDEN["name"]
    assert keys.generator.hex() == GOLDEN["generator"]
    assert NODE.id.hex() == GOLDEN["id"]
    assert NODE.static_public.hex() == GOLDEN["static_public"]
    assert NODE.sign(b"data").hex() == GOLDEN["signature"]
    assert str(ipv4_prefix(keys.name)) == GOLDEN["ipv4_prefix"]
    assert [ipv4_candidate(keys.name, NODE.id, k) for k in (0, 1, 255)] == GOLDEN["ipv4_candidates"]
    assert str(ipv6_prefix(keys.name)) == GOLDEN["ipv6_prefix"]
    assert ipv6_address(keys.name, NODE.id) == GOLDEN["ipv6"]


def test_one_name_however_typed() -> None:
    assert name_bytes("cafe\u0301") == name_bytes("caf\u00e9")
    assert secret_bytes("cafe\u0301 $HOME \"'") == "caf\u00e9 $HOME \"'".encode()
    assert secret_bytes("open\n") == b"open"
    assert secret_bytes("open\n\n") == b"open\n"
    assert secret_bytes(" open ") == b" open "


def test_secret_and_name_both_count() -> None:
    stretched = stretch("home", "open")
    assert len(stretched) == 32
    assert stretched != stretch("home", "Open")
    assert stretched != stretch("Home", "open")
    assert stretched == stretch("home", "open\n")


def test_uses_do_not_meet() -> None:
    assert digest("ip4", b"home") != digest("ip6", b"home")
    assert digest("id4", b"a", b"b") == digest("id4", b"ab")


def test_a_network_does_not_show_its_secret() -> None:
    keys = network_keys("home", b"s" * 32)
    assert "ss" not in repr(keys)
    assert keys.generator == cpace_generator(b"s" * 32, b"overlay/1home", b"")
    with pytest.raises(ValueError, match="32 bytes"):
        network_keys("home", b"short")


def test_the_map_only_meets_the_curve() -> None:
    p = 2**255 - 19
    for element in (1, 2, 3, p - 1, p, p + 1, 2**255 - 1):
        u = elligator2(element)
        assert pow((u**3 + 486662 * u**2 + u) % p, (p - 1) // 2, p) in (0, 1)


@given(st.binary(max_size=80), st.binary(max_size=80))
@settings(max_examples=100)
def test_nothing_but_the_owner_signs(data: bytes, signature: bytes) -> None:
    assert not verify(NODE.id, data, signature)
    assert not verify(data, data, signature)
    assert verify(NODE.id, data, NODE.sign(data))
    assert not verify(NODE.id, data + b"!", NODE.sign(data))


@given(st.one_of(st.binary(min_size=32, max_size=32), st.binary(max_size=40)))
@settings(max_examples=100)
def test_any_bytes_may_be_converted(node: bytes) -> None:
    static = convert(node)
    assert static is None or len(static) == 32


def test_points_of_low_order_are_nobody() -> None:
    for node in (bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"):
        assert convert(node) is None
        assert not verify(node, b"", node + bytes(32))


def test_a_node_is_its_seed() -> None:
    assert convert(NODE.id) == NODE.static_public
    assert NODE.static_private.hex() not in repr(NODE)
    with pytest.raises(ValueError, match="32 bytes"):
        Identity(b"short")


@given(st.text(min_size=1, max_size=20).filter(str.isprintable), st.integers(0, 255))
@settings(max_examples=50)
def test_addresses_lie_in_their_prefix(name: str, k: int) -> None:
    ipv4, ipv6 = ipv4_prefix(name), ipv6_prefix(name)
    assert ipv4.prefixlen == 16
    assert 64 <= ipv4.network_address.packed[1] <= 254
    assert IPv4Address(ipv4_candidate(name, NODE.id, k)) in ipv4
    assert ipv6.prefixlen == 48
    assert IPv6Address(ipv6_address(name, NODE.id)) in ipv6
    assert ipv6.is_private
