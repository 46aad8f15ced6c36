"""What the node asks the shell to do; `dataplane.port` commands and those about sockets are asked as they are."""

from __future__ import annotations

from msgspec import Struct

from overlay.dataplane.port import Command as PlaneCommand
from overlay.session.tickets import Ticket
from overlay.values import NodeId
from punch.commands import CloseSocket, OpenSockets, SendDatagram


class Resolve(Struct, frozen=True):
    """Resolve an ADDR (`HOST[:PORT]`, `[IPV6]:PORT`, `udp://...`) and tell Resolved."""

    address: str


class Configure(Struct, frozen=True):
    """Give the device these overlay addresses, replacing earlier ones of ours."""

    ipv4: str
    ipv6: str


class SendBeacon(Struct, frozen=True):
    """Send this from PORT to the group of the LAN, on every link of this host, one hop far."""

    payload: bytes


class StorePeers(Struct, frozen=True):
    """Remember on disk: signed records of members, and the endpoints that last answered (newest first)."""

    records: tuple[bytes, ...]
    endpoints: tuple[str, ...]
    holders: tuple[NodeId, ...] = ()
    """Who answered at each of them; ours: nobody knows."""


class StoreTickets(Struct, frozen=True):
    """Remember on disk, as a secret, what a later session with `peer` may begin with, oldest first, in place of what
    there was; none: forget it. The peer asked for last is the newest."""

    peer: NodeId
    tickets: tuple[Ticket, ...]


class StoreAddress(Struct, frozen=True):
    """Remember the claimed overlay IPv4 address and our record's sequence."""

    ipv4: str
    sequence: int


Command = (
    Resolve
    | Configure
    | StorePeers
    | StoreTickets
    | SendBeacon
    | StoreAddress
    | SendDatagram
    | OpenSockets
    | CloseSocket
    | PlaneCommand
)
