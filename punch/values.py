"""What things are: endpoints and sockets, as values."""

from __future__ import annotations

import ipaddress
from typing import NewType

from msgspec import Struct

SocketId = NewType("SocketId", int)
"""Names a socket of the shell (and, on hosts with several addresses, the local address a datagram came to)."""


class Endpoint(Struct, frozen=True, order=True):
    """Where datagrams go: a transport, a numeric address and a port."""

    transport: str
    """`udp` today."""
    host: str
    """Numeric IPv4 or IPv6 address in canonical text form, without brackets or zone (link-local: `fe80::1%eth0`)."""
    port: int
    """0..65535."""

    @property
    def is_ipv6(self) -> bool:
        """True for an IPv6 host."""
        return ":" in self.host

    def __str__(self) -> str:
        """`1.2.3.4:5`, `[::1]:5`: the form people and JSON see."""
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


def udp(host: str, port: int) -> Endpoint:
    """The UDP endpoint at a numeric host and port."""
    return Endpoint("udp", host, port)


def parse_endpoint(text: str) -> Endpoint:
    """Read `1.2.3.4:5` or `[::1]:5` back into a UDP endpoint.

    Raises:
        ValueError: not a numeric address with a port of 1..65535.
    """
    host, _, port_text = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address with a port is written [ADDRESS]:PORT")
    if not (port_text.isascii() and port_text.isdigit() and 1 <= int(port_text) <= 65535):
        raise ValueError(f"{text!r}: the port must be 1..65535")
    return Endpoint("udp", str(ipaddress.ip_address(host)), int(port_text))
