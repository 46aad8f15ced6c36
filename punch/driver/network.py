"""Which network this host is in: own addresses and a key for what is learned about it. Linux names the gateway."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from punch.facts import NetworkChanged

_OUTSIDE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket there sends nothing and shows our source."""
_DISCARD = 9
"""A port that is never asked (RFC 863)."""
_ROUTES = Path("/proc/net/route")


def own_addresses(families: tuple[socket.AddressFamily, ...] = (socket.AF_INET, socket.AF_INET6)) -> tuple[str, ...]:
    """The addresses datagrams to the outside leave from, one a family that has a way out."""
    found = [_source(family) for family in families]
    return tuple(address for address in found if address)


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


def look() -> NetworkChanged:
    """The network as it is now; equal values mean the same network."""
    addresses = own_addresses()
    return NetworkChanged(key=f"{gateway()} {_prefixes(addresses)}".strip(), addresses=addresses)


def _prefixes(addresses: tuple[str, ...]) -> str:
    """The /24 and /64 of them: a renewed lease is not another network."""
    shortened = [
        ":".join(address.split(":")[:4]) if ":" in address else address.rpartition(".")[0] for address in addresses
    ]
    return " ".join(shortened)


def _source(family: socket.AddressFamily) -> str:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((_OUTSIDE[family], _DISCARD))
            return str(asked.getsockname()[0])
    except OSError:
        return ""
