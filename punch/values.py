"""What things are: endpoints, sockets, NATs, as values."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, NewType

from msgspec import Meta, Struct

SocketId = NewType("SocketId", int)
"""Names a socket of the shell (and, on hosts with several addresses, the local address a datagram came to)."""


class Endpoint(Struct, frozen=True, order=True, gc=False):
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


LONGEST_HOST = 64
"""Characters of a numeric address and its zone."""


def is_numeric(host: str) -> bool:
    """Whether a text from outside is a host as `Endpoint` has it."""
    if len(host) > LONGEST_HOST or not host.isascii() or not host.isprintable() or " " in host:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


PeerId = bytes
"""Names a peer; opaque to the engine (the overlay's node id, or any bytes two hosts agreed on)."""

Mapping = Literal["eim", "adm", "apdm", "unknown"]
"""RFC 4787 section 4.1: endpoint-independent, address-dependent, address-and-port-dependent."""
Filtering = Literal["eif", "adf", "apdf", "unknown"]
"""RFC 4787 section 5, with the same three kinds."""
Allocation = Literal["preserving", "sequential", "block", "cluster", "uniform", "unknown"]
"""How outside ports of fresh sockets come about (nat-science section 4.1)."""
Pooling = Literal["paired", "arbitrary", "unknown"]
"""RFC 4787 section 4.1, REQ-2: one outside address a host, or several."""
NatType = Literal["NAT1", "NAT2", "NAT3", "NAT4", "open", "blocked", "unknown"]
"""What people call it."""
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
MOST_HOSTS = 32
"""Public addresses of a host that are told: a measurement makes no more mappings."""


class NatProfile(Struct, frozen=True, kw_only=True):
    """What is known of the NATs in front of a host; every field may be undecided; bounds are for what peers say."""

    mapping: Mapping = "unknown"
    filtering: Filtering = "unknown"
    allocation: Allocation = "unknown"
    step: Annotated[int, Meta(ge=-0xFFFF, le=0xFFFF)] = 0
    """Difference of consecutive outside ports of a sequential allocator; 0: none or undecided."""
    foreign: Annotated[float, Meta(ge=0.0, le=1e7)] | None = None
    """Mappings a second that others make on the same counter; None: undecided."""
    block: tuple[U16, U16] | None = None
    """Lowest port and number of ports that outside ports come from, as far as seen (block, cluster)."""
    pooling: Pooling = "unknown"
    parity: bool | None = None
    """The outside port is even exactly if the inside port is (RFC 4787, REQ-4)."""
    poisonable: bool | None = None
    """A packet that comes in too early changes the outside port of what goes out later (nat-science 5.4)."""
    hairpin: bool | None = None
    """Hosts behind it reach each other by their outside endpoints (RFC 4787, REQ-9)."""
    lifetime: Annotated[float, Meta(ge=0.0, le=86_400.0)] | None = None
    """Seconds an unanswered mapping lives, as far as proven; None: not measured yet."""
    distance: Annotated[int, Meta(ge=0, le=255)] | None = None
    """Hops to the outermost NAT."""
    hosts: Annotated[tuple[str, ...], Meta(max_length=MOST_HOSTS)] = ()
    """Public addresses seen, the most frequent first."""
    reflexive: Endpoint | None = None
    """The outside endpoint of the main socket as last seen; for mapping eim it is everybody's."""
    open: bool = False
    """A public address without translation."""
    blocked: bool = False
    """No UDP comes back from any server."""

    @property
    def type(self) -> NatType:
        """NAT1..NAT3 by filtering where the mapping is eim, NAT4 for any other; undecided counts as the strictest."""
        if self.blocked:
            return "blocked"
        if self.open:
            return "open"
        if self.mapping == "unknown":
            return "unknown"
        if self.mapping != "eim":
            return "NAT4"
        if self.filtering == "eif":
            return "NAT1"
        return "NAT2" if self.filtering == "adf" else "NAT3"


class Candidate(Struct, frozen=True):
    """An endpoint a peer names as its own."""

    endpoint: Endpoint
    kind: str
    """local, public, stun, portmap or given (contract)."""
