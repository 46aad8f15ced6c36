"""Where a server's name leads."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from punch.values import Endpoint, udp

STUN_PORT = 3478
"""RFC 8489 section 18.6."""
RESOLVE_WITHIN = 5.0
"""Seconds a name gets."""


def split_address(text: str, port: int = STUN_PORT) -> tuple[str, int]:
    """`HOST[:PORT]`, an IPv6 address or `[IPV6]:PORT` as host and port.

    Raises:
        ValueError: it is none of these.
    """
    host, colon, tail = text.rpartition(":")
    if text.startswith("[") and "]" in text:
        host, _, tail = text[1:].partition("]")
        colon, tail = tail[:1], tail[1:]
        if colon not in ("", ":"):
            raise ValueError(f"{text!r}: an IPv6 address with a port is written [ADDRESS]:PORT")
    elif not colon or ":" in host:
        host, colon, tail = text, "", ""
    if not host or any(letter.isspace() for letter in host):
        raise ValueError(f"{text!r}: a server is HOST or HOST:PORT")
    if colon and not (tail.isascii() and tail.isdigit() and 1 <= int(tail) <= 65535):
        raise ValueError(f"{text!r}: the port must be 1..65535")
    return host, int(tail) if colon else port


async def resolve(text: str, port: int = STUN_PORT) -> tuple[Endpoint, ...]:
    """Endpoints of `HOST[:PORT]`, in the resolver's order.

    Raises:
        ValueError: it is no address.
        OSError: the name does not resolve in time.
    """
    host, number = split_address(text, port)
    try:
        return (udp(str(ipaddress.ip_address(host)), number),)
    except ValueError:
        pass
    async with asyncio.timeout(RESOLVE_WITHIN):
        found = await asyncio.get_running_loop().getaddrinfo(host, number, type=socket.SOCK_DGRAM)
    hosts = [str(entry[4][0]) for entry in found if entry[0] in (socket.AF_INET, socket.AF_INET6)]
    return tuple(udp(each, number) for each in dict.fromkeys(hosts))
