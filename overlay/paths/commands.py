"""What `paths` asks for."""

from __future__ import annotations

from msgspec import Struct

from overlay.paths.facts import WayMessage, Where
from overlay.values import Label, Link, NodeId
from punch.commands import CloseSocket, OpenSockets, SendDatagram, SendSignal
from punch.values import Endpoint, SocketId


class Resolve(Struct, frozen=True):
    """Resolve an ADDR and tell Resolved."""

    address: str


class Dial(Struct, frozen=True):
    """Start a handshake over `link`; with `expect`, any other id fails."""

    link: Link
    expect: NodeId | None
    chance: bool = False
    """Only a beacon led there."""


class DropDial(Struct, frozen=True):
    """Stop repeating the first message over `link`."""

    link: Link


class FindRelay(Struct, frozen=True):
    """Who may carry to `peer`? RelaysFound answers."""

    peer: NodeId


class WantCircuit(Struct, frozen=True):
    """Open a circuit to `peer` over the neighbour `relay`."""

    peer: NodeId
    relay: NodeId


class DropCircuit(Struct, frozen=True):
    """Close the circuit to `peer` over `relay`: nothing comes back by it."""

    peer: NodeId
    relay: NodeId
    spare: bool = False
    """It carries well and is not needed: nothing is held against that relay."""


class SendOn(Struct, frozen=True):
    """Seal `message` for `peer` and send it by `where`, in a datagram of `pad` bytes at least (0: as it comes)."""

    peer: NodeId
    where: Where
    message: WayMessage
    pad: int = 0


class Route(Struct, frozen=True):
    """A way ready to use: the socket, endpoint and label its datagrams take, and how large they may be."""

    via: SocketId
    endpoint: Endpoint
    label: Label
    size: int
    small: bool
    """One datagram an envelope."""
    watch: bool
    """Tell TrafficBegan with the next packet."""
    limit: int = 0
    """Plaintext bytes of an envelope; 0: a full one."""
    parity: int = 0
    """Parity slices that follow each envelope: 0, 1, 2, 4 or 8."""


class UseRoutes(Struct, frozen=True):
    """Data for `peer` goes by these from now on; two: both, while the first is in doubt; none: hold it."""

    peer: NodeId
    routes: tuple[Route, ...]


class EndSession(Struct, frozen=True):
    """Forget the keys of `peer`: neither end wants the session, and it stays a member."""

    peer: NodeId


class GiveUpWaiting(Struct, frozen=True):
    """No way to `peer` was found in time: discard what is held."""

    peer: NodeId


Command = (
    Resolve
    | Dial
    | DropDial
    | FindRelay
    | WantCircuit
    | DropCircuit
    | SendOn
    | UseRoutes
    | GiveUpWaiting
    | EndSession
    | SendDatagram
    | OpenSockets
    | CloseSocket
    | SendSignal
)
"""The last four are the engine's, asked as they are."""
