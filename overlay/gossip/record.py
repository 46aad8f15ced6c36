"""A record: what a node says of itself, signed (protocol section 8)."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import NodeId


class RecordEndpoint(Struct, frozen=True, array_like=True):
    """An endpoint its node believes in."""

    address: str
    """`1.2.3.4:5` or `[::1]:5`."""
    kind: str
    """local, public, stun, portmap or given."""


class RecordLink(Struct, frozen=True, array_like=True):
    """'I can be reached through `node`', at a cost."""

    node: NodeId
    cost: int
    """Steps of 1.5x: 1.5**cost milliseconds."""


class Record(Struct, frozen=True, kw_only=True):
    """A verified record, decoded."""

    id: NodeId
    sequence: int
    boot: bytes
    """8 bytes, new at each start."""
    name: str
    """A DNS label."""
    ipv4: str
    """Empty until claimed."""
    ipv4_fixed: bool
    """Given with --ip, not derived."""
    ipv6: str
    """Recomputed by every receiver."""
    endpoints: tuple[RecordEndpoint, ...]
    nat: str
    """The NAT profile's word (`node.nat`); `unknown` until it is measured."""
    links: tuple[RecordLink, ...]
    relay: bool
    """It carries for others."""
    version: str
    """The software's version."""
    left: bool = False
    """Its node ended politely: the last record of its run."""
