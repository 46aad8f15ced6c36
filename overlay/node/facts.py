"""What the shell tells the node. The plane's facts (`dataplane.port`) are told as they are."""

from __future__ import annotations

from msgspec import Struct

from overlay.dataplane.port import Counters
from overlay.values import NodeId
from punch.values import Endpoint, SocketId


class SocketOpened(Struct, frozen=True):
    """A UDP socket is open. `local` has the wildcard host where it is bound to all addresses."""

    socket: SocketId
    local: Endpoint


class SocketClosed(Struct, frozen=True):
    """A socket, or the local address it stood for, is gone."""

    socket: SocketId


class AddressesChanged(Struct, frozen=True):
    """This host's addresses as (address, prefix length, interface name); overlay devices are left out."""

    addresses: tuple[tuple[str, int, str], ...]


class Resolved(Struct, frozen=True):
    """The answer to Resolve: numeric endpoints in the resolver's order; empty with `error` for people."""

    address: str
    endpoints: tuple[Endpoint, ...]
    error: str = ""


class CountersPulled(Struct, frozen=True):
    """The plane's counters, each second and before a snapshot."""

    counters: Counters


class PolicyChanged(Struct, frozen=True):
    """SIGHUP reread the config: what may change while running."""

    relay: bool
    peers: tuple[str, ...]
    advertise: tuple[str, ...]


class PingAsked(Struct, frozen=True):
    """Somebody runs `overlay ping`: send one sealed Ping to `peer`; PongHeard names the same `token`."""

    peer: NodeId
    token: int


class ProblemFound(Struct, frozen=True):
    """The shell met a problem a person should see in status."""

    code: str
    text: str
    fix: str


class ProblemOver(Struct, frozen=True):
    """That problem is gone."""

    code: str


class WallClockJumped(Struct, frozen=True):
    """Wall time jumped by over 30 s against `now`."""


class LeaveAsked(Struct, frozen=True):
    """End politely: tell the peers, then nothing more."""


Fact = (
    SocketOpened
    | SocketClosed
    | AddressesChanged
    | Resolved
    | CountersPulled
    | PolicyChanged
    | PingAsked
    | ProblemFound
    | ProblemOver
    | WallClockJumped
    | LeaveAsked
)
