"""ADDR: where a member, or a STUN server, is reached (contract, Commands).

HOST[:PORT]     [IPV6]:PORT     IPV6     SCHEME://ADDR     (HOST: a name or an IPv4 address)
"""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from overlay.errors import UsageError
from overlay.values import DEFAULT_PORT

STUN_PORT = 3478
"""RFC 8489 section 19: the port of STUN over UDP."""

SCHEMES = ("udp",)
"""Transports that can be forced today."""

ADDR_RULE = "HOST[:PORT], [IPV6]:PORT or udp://HOST[:PORT], PORT 1 to 65535"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_BRACKETED = re.compile(r"\[([^\]]*)\](?::(.*))?", re.DOTALL)
_LABEL = re.compile(r"[\w](?:[\w-]{0,61}[\w])?")


class Addr(Struct, frozen=True):
    """A parsed ADDR; names are resolved by the shell, at every try."""

    scheme: str
    """`udp` where it was forced, empty for any transport."""
    host: str
    """A name, an IPv4 address, or an IPv6 address without brackets (a zone stays: `fe80::1%eth0`)."""
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}" if self.scheme else f"{host}:{self.port}"


def parse_addr(text: str, default_port: int = DEFAULT_PORT) -> Addr:
    """The parts of an ADDR.

    Raises:
        UsageError: it is none; the text says why.
    """
    scheme, rest = "", text
    if found := _SCHEME.fullmatch(text):
        scheme, rest = found[1].lower(), found[2]
        if scheme not in SCHEMES:
            raise _bad(text, f"the transport {scheme!r} is not known; known: {', '.join(SCHEMES)}")
    host, port = _split(text, rest)
    return Addr(scheme, host, default_port if port is None else _port(text, port))


def _split(text: str, rest: str) -> tuple[str, str | None]:
    """Host (validated) and port as written, if one was."""
    if bracketed := _BRACKETED.fullmatch(rest):
        if not _is_ipv6(bracketed[1]):
            raise _bad(text, "brackets hold an IPv6 address")
        return bracketed[1], bracketed[2]
    if rest.count(":") > 1:
        if not _is_ipv6(rest):
            raise _bad(text, "this is no IPv6 address; with a port it is written [IPV6]:PORT")
        return rest, None
    host, colon, port = rest.partition(":")
    if not _is_host(host):
        raise _bad(text, "the host is neither a name nor an address" if host else "the host is missing")
    return host, port if colon else None


def _port(text: str, port: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise _bad(text, f"the port {port!r} is not a number from 1 to 65535")
    return int(port)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _is_host(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdigit():  # a resolver would read "1.2.3" as 1.2.0.3
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
        return True
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)


def _bad(text: str, why: str) -> UsageError:
    return UsageError(f"{text!r} is no address: {why}", f"expected {ADDR_RULE}")
