"""What things are, shared by all rooms: node ids, links, and the addresses of a member."""

from __future__ import annotations

import ipaddress
from typing import NewType

from msgspec import Struct

from punch.values import Endpoint, SocketId

NodeId = NewType("NodeId", bytes)
"""32 bytes: a node's Ed25519 public key (protocol section 1)."""

Label = NewType("Label", int)
"""u32 chosen by the receiver of a link (protocol section 2); a frame is for whoever the receiver gave it to."""

DEFAULT_PORT = 27182
"""UDP port of a node (contract)."""


class Direct(Struct, frozen=True):
    """A direct link: a socket of ours and the endpoint of the other."""

    via: SocketId
    endpoint: Endpoint


class Relayed(Struct, frozen=True):
    """A link inside `Carried`: `relay` is the neighbour that hands it over, `peer` the far end it names (unproven)."""

    relay: NodeId
    peer: NodeId


Link = Direct | Relayed
"""How a handshake message travels; opaque to `session`, which hands it back verbatim."""


def guess_source(link: Link) -> str:
    """Whose guess budget a handshake over `link` draws from: IPv4 address, IPv6 /64, or circuit (protocol 3)."""
    if isinstance(link, Relayed):
        return "circuit:" + link.relay.hex() + link.peer.hex()
    address = ipaddress.ip_address(link.endpoint.host.partition("%")[0])
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def short_id(node: NodeId) -> str:
    """The form of a node id that people see: its first 10 hex digits."""
    return node.hex()[:10]
