"""What a machine asks the shell to do."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from punch.signals import Signal
from punch.values import Endpoint, PeerId, SocketId


class SendDatagram(Struct, frozen=True, gc=False):
    """Send one UDP payload."""

    via: SocketId
    """The socket it leaves by."""
    to: Endpoint
    """Where it goes."""
    payload: bytes
    """At most 65,507 bytes."""
    ttl: int = 0
    """IP TTL or hop limit of this datagram; 0: the host's default."""


class OpenSockets(Struct, frozen=True):
    """Open `count` UDP sockets on fresh local ports; SocketOpened (role engine) and SocketFailed answer."""

    request: int
    count: int
    ipv6: bool = False
    parity: Literal["any", "even"] = "any"
    """even: bind even local ports only."""
    port: int = 0
    """With count 1: this local port, if it is free."""


class CloseSocket(Struct, frozen=True, gc=False):
    """Close a socket that OpenSockets brought."""

    socket: SocketId


class SendSignal(Struct, frozen=True):
    """Say this to `peer` by whatever path there is, sealed."""

    peer: PeerId
    signal: Signal


Command = SendDatagram | OpenSockets | CloseSocket | SendSignal
