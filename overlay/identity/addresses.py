"""Overlay addresses: nobody hands them out, name and id give them (protocol section 1).

IPv4   10 . B . host(16)           B of the name, host of the id and of k = 0, 1, 2 ... until nobody holds it
IPv6   fd + name(40) + id(80)      recomputed by every receiver
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from overlay.identity.names import digest, name_bytes
from overlay.values import NodeId

_FIRST_B, _COUNT_B = 64, 191
"""10.64/16 .. 10.254/16: away from the 10.0/16 .. 10.63/16 that offices and clouds like."""


def ipv4_prefix(name: str) -> IPv4Network:
    """The /16 of the network `name`."""
    second = _FIRST_B + digest("ip4", name_bytes(name))[0] % _COUNT_B
    return IPv4Network((bytes((10, second, 0, 0)), 16))


def ipv4_candidate(name: str, node: NodeId, k: int) -> str:
    """The address that `node` claims if those of smaller `k` (0..255) are held; .0.0 and .255.255 count as held."""
    host = int.from_bytes(digest("id4", node, bytes((k,)))[:2], "little")
    return str(IPv4Address(int(ipv4_prefix(name).network_address) + host))


def ipv6_prefix(name: str) -> IPv6Network:
    """The /48 of the network `name`."""
    return IPv6Network((b"\xfd" + digest("ip6", name_bytes(name))[:5] + bytes(10), 48))


def ipv6_address(name: str, node: NodeId) -> str:
    """The one IPv6 address of `node`."""
    return str(IPv6Address(ipv6_prefix(name).network_address.packed[:6] + digest("id6", node)[:10]))
