"""What a host is called, and where a name leads."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket

from overlay.config.address import parse_addr
from overlay.values import DEFAULT_PORT
from punch.values import Endpoint, udp

RESOLVE_WITHIN = 5.0
"""Seconds a name gets."""


def host_label(name: str) -> str:
    """`name` as a DNS label (RFC 1123): what a host is shown as when nobody named it."""
    label = re.sub(r"[^a-z0-9]+", "-", name.partition(".")[0].lower())[:63].strip("-")
    return label or "node"


def own_label() -> str:
    """This host's name as a DNS label."""
    return host_label(socket.gethostname())


def numeric(address: str) -> tuple[Endpoint, ...] | None:
    """The endpoint of an ADDR that needs no resolving, or None."""
    addr = parse_addr(address, DEFAULT_PORT)
    try:
        return (udp(str(ipaddress.ip_address(addr.host)), addr.port),)
    except ValueError:
        return None


async def resolve(address: str) -> tuple[tuple[Endpoint, ...], str]:
    """Endpoints of an ADDR in the resolver's order, or none and why, for people."""
    known = numeric(address)
    if known is not None:
        return known, ""
    addr = parse_addr(address, DEFAULT_PORT)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_WITHIN):
            found = await loop.getaddrinfo(addr.host, addr.port, type=socket.SOCK_DGRAM)
    except TimeoutError:
        return (), f"its name did not resolve within {RESOLVE_WITHIN:.0f} s"
    except (OSError, UnicodeError) as error:
        return (), f"its name does not resolve: {getattr(error, 'strerror', None) or error}"
    hosts = [str(entry[4][0]) for entry in found if entry[0] in (socket.AF_INET, socket.AF_INET6)]
    return tuple(udp(host, addr.port) for host in dict.fromkeys(hosts)), ""


async def advertised(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Numeric endpoints of --advertise; a name that does not resolve is left out."""
    found: list[str] = []
    for address in addresses:
        endpoints, _ = await resolve(address)
        found += [str(each) for each in endpoints]
    return tuple(dict.fromkeys(found))
