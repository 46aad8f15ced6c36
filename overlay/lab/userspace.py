"""A router whose translation a program does: what leads its packets through a TUN; pure.

    inside --rule: iif--> [nat0] program [nat0] --main table--> outside
    outside --route: public address--> [nat0] program [nat0] --main table--> inside

The public addresses are on no device, or the kernel would keep what is for them: it answers ARP for them as a proxy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from overlay.lab.scenario import Host, Router, Scenario

DEVICE = "nat0"
"""The TUN device; it exists before the program does."""
TABLE = 100
"""The routing table of what comes from inside."""
QUEUE = 2000
"""Packets that wait for the program at most."""


def holds(box: Host | Router, segment: str, address: str) -> bool:
    """Whether the program has this address, and no device."""
    return isinstance(box, Router) and bool(box.userspace) and segment == box.outside and ":" not in address


def public(router: Router) -> list[str]:
    """The addresses the program translates to."""
    return [address for address in router.links[router.outside] if holds(router, router.outside, address)]


def inside(scenario: Scenario, router: Router) -> list[str]:
    """The IPv4 prefixes of its inside segments."""
    prefixes = (scenario.prefix(segment, 4) for segment in router.links if segment != router.outside)
    return [prefix for prefix in prefixes if prefix]


def settings(router: Router) -> list[str]:
    """Shell lines: what comes from the TUN has sources of both sides, and ARP is answered without delay."""
    return [
        "echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter",
        "echo 0 > /proc/sys/net/ipv4/conf/default/rp_filter",
        *(f"echo 0 > /proc/sys/net/ipv4/conf/{segment}/rp_filter" for segment in router.links),
        f"echo 0 > /proc/sys/net/ipv4/neigh/{router.outside}/proxy_delay",
    ]


def ways(scenario: Scenario, router: Router) -> Iterator[str]:
    """`ip -batch` lines: the device, and the ways to it."""
    yield f"tuntap add name {DEVICE} mode tun"
    yield f"link set {DEVICE} txqueuelen {QUEUE} up"
    prefix = scenario.prefix(router.outside, 4)
    if prefix:
        yield f"route add {ipaddress.ip_network(prefix)} dev {router.outside}"
    for address in public(router):
        yield f"route add {address}/32 dev {DEVICE}"
        yield f"neigh add proxy {address} dev {router.outside}"
    yield f"route add default dev {DEVICE} table {TABLE}"
    for segment in router.links:
        if segment != router.outside and scenario.prefix(segment, 4):
            yield f"rule add iif {segment} lookup {TABLE}"
