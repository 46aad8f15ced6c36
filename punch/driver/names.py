"""Where a server's name leads."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

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


class Resolved(Struct, frozen=True):
    """What became of several servers' names."""

    found: tuple[Endpoint, ...]
    lost: tuple[str, ...]
    """A sentence for each that leads nowhere."""


async def resolve(text: str, port: int = STUN_PORT, *, within: float = RESOLVE_WITHIN) -> tuple[Endpoint, ...]:
    """Endpoints of `HOST[:PORT]`, in the resolver's order.

    Raises:
        ValueError: it is no address.
        OSError: the name does not resolve in time; its `strerror` names it.
    """
    host, number = split_address(text, port)
    try:
        return (udp(str(ipaddress.ip_address(host)), number),)
    except ValueError:
        pass
    try:
        async with asyncio.timeout(within):
            hosts = await _look_up(host)
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, f"the name {host} did not resolve within {within:g} s") from None
    except OSError as error:
        raise OSError(error.errno, f"the name {host} does not resolve: {error.strerror or error}") from None
    return tuple(udp(each, number) for each in dict.fromkeys(hosts))


async def resolve_all(servers: Sequence[str], *, within: float = RESOLVE_WITHIN) -> Resolved:
    """The endpoints of all servers that resolve, all asked at once.

    Raises:
        ValueError: an address is none, or there is no server.
        OSError: no name resolves.
    """
    if not servers:
        raise ValueError("no server: name at least one, --server HOST[:PORT]")
    for server in servers:
        split_address(server)
    answers = await asyncio.gather(*(resolve(each, within=within) for each in servers), return_exceptions=True)
    found = [endpoint for each in answers if isinstance(each, tuple) for endpoint in each]
    failed = [each for each in answers if isinstance(each, OSError)]
    if not found and failed:
        raise failed[0]
    return Resolved(tuple(dict.fromkeys(found)), tuple(str(each.strerror) for each in failed))


async def _look_up(host: str) -> list[str]:
    """Addresses of a name. The resolver cannot be called off, so it has a thread of its own that nobody waits for."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str] | OSError) -> None:
        if answer.done():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: list[str] | OSError
        try:
            entries = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
            found = [str(entry[4][0]) for entry in entries if entry[0] in (socket.AF_INET, socket.AF_INET6)]
        except (OSError, UnicodeError) as error:
            found = error if isinstance(error, OSError) else OSError(errno.EINVAL, "it is no name")
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=ask, daemon=True, name=f"resolve {host}").start()
    return await answer
