"""What kind of host an address is (protocol section 5); pure, and remembered, as the same few are asked about again."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Scope = Literal["public", "private", "never"]

LOWEST_PORT = 1024
"""Ports below are the system's (RFC 6335): only one that a peer names as its own gets packets (protocol section 9)."""
REMEMBERED = 1024
"""Hosts whose kind need not be read off their text again."""

_PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Protocol section 5; documentation ranges count as public."""


@lru_cache(maxsize=REMEMBERED)
def read_address(host: str) -> Address | None:
    """The address that `host` is, a zone left out; None: it is none."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


@lru_cache(maxsize=REMEMBERED)
def scope(host: str) -> Scope:
    """`public`, `private`, or `never` for loopback, unspecified, multicast, broadcast and what is no address."""
    address = read_address(host)
    if address is None or (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None):
        return "never"
    if address.is_loopback or address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        return "never"
    private = any(address.version == each.version and address in each for each in _PRIVATE)
    return "private" if private else "public"


def is_private(host: str) -> bool:
    """Whether a numeric host is of a private range."""
    return scope(host) == "private"
