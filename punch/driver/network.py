"""Which network this host is in: own addresses and a key for what is learned about it. Linux names the gateway."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from pathlib import Path

from punch.facts import NetworkChanged
from punch.values import Endpoint

_OUTSIDE = ("192.0.2.1", "2001:db8::1")
"""Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket there sends nothing and shows our source."""
_DISCARD = 9
"""A port that is never asked (RFC 863)."""
_ROUTES = Path("/proc/net/route")


_TOWARDS = 8
"""Servers looked at, at most."""


def own_addresses(towards: Sequence[Endpoint] = ()) -> tuple[str, ...]:
    """Where datagrams to the outside leave from, one a family that has a way out, and those to these servers."""
    hosts = [*_OUTSIDE, *dict.fromkeys(each.host for each in towards[:_TOWARDS])]
    return tuple(dict.fromkeys(address for host in hosts if (address := _source(host))))


def gateway(routes: Path = _ROUTES) -> str:
    """The IPv4 default gateway, or an empty string where there is none or no /proc (proc(5), net/route)."""
    try:
        lines = routes.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return ""
    for line in lines:
        words = line.split()
        if len(words) > 7 and words[1] == words[7] == "00000000":
            return socket.inet_ntoa(struct.pack("=I", int(words[2], 16)))
    return ""


def look(towards: Sequence[Endpoint] = ()) -> NetworkChanged:
    """The network as it is now, `towards` some servers too; equal values mean the same network."""
    key = f"{gateway()} {_prefixes(own_addresses())}".strip()
    return NetworkChanged(key=key, addresses=own_addresses(towards))


def _prefixes(addresses: tuple[str, ...]) -> str:
    """The /24 and /64 of them: a renewed lease is not another network."""
    shortened = [
        ":".join(address.split(":")[:4]) if ":" in address else address.rpartition(".")[0] for address in addresses
    ]
    return " ".join(shortened)


def _source(host: str) -> str:
    """Where datagrams to `host` would leave from; nothing is sent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((host, _DISCARD))
            return str(asked.getsockname()[0])
    except OSError:
        return ""
