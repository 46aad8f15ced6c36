"""What the shell tells the node. The plane's facts (`dataplane.port`) are told as they are."""

from __future__ import annotations

from msgspec import Struct

from overlay.dataplane.port import Counters, Pulse
from overlay.values import NodeId
from punch.config import Mode, PunchConfig, StunConfig
from punch.facts import SendFailed as SendFailed
from punch.facts import SocketClosed as SocketClosed
from punch.facts import SocketFailed as SocketFailed
from punch.facts import SocketOpened as SocketOpened
from punch.values import Endpoint


class AddressesChanged(Struct, frozen=True):
    """This host's addresses as (address, prefix length, interface name); overlay devices are left out."""

    addresses: tuple[tuple[str, int, str], ...]
    gateway: str = ""
    """The default gateway and its device, in any form that stays the same in the same network; empty: unknown."""


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
    punch: PunchConfig = PunchConfig()
    stun: StunConfig = StunConfig()
    max_mbit: int = 0
    """As in Setup."""
    lan: bool = False
    """As in Setup."""


class BeaconHeard(Struct, frozen=True):
    """A datagram came to the group of the LAN, from `source`."""

    payload: bytes
    source: Endpoint


class PunchAsked(Struct, frozen=True):
    """Somebody runs `overlay punch on|off|set`: these settings hold at once, until the node ends or rereads them."""

    punch: PunchConfig


class PeerPunchAsked(Struct, frozen=True):
    """The same for one peer, over the general settings; None: the general one."""

    peer: NodeId
    nat3_nat4: Mode | None
    nat4_nat4: Mode | None


class DirectAsked(Struct, frozen=True):
    """A person wants a direct way to `peer` now."""

    peer: NodeId


class DetectAsked(Struct, frozen=True):
    """Somebody runs `overlay nat --again`: measure now."""


class PingAsked(Struct, frozen=True):
    """Somebody runs `overlay ping`: send one sealed Ping to `peer`; PongHeard names the same `token`."""

    peer: NodeId
    token: int


class TraceAsked(Struct, frozen=True):
    """Somebody runs `overlay trace`: ask every hop of today's path to `peer`; Traced names the same `token`."""

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


class FaultMet(Struct, frozen=True):
    """The program itself met a fault and goes on without what met it."""

    place: str
    """What and where: `IndexError at engine.py:56`."""


class Pulsed(Struct, frozen=True):
    """A look at the plane between two pulls: whom something was sent to within the last seconds."""

    pulses: tuple[Pulse, ...]


class Woke(Struct, frozen=True):
    """This host slept, or this process was stopped: nothing was done or heard for a while."""


class WallClockJumped(Struct, frozen=True):
    """Wall time jumped by over 30 s against `now`."""


class LeaveAsked(Struct, frozen=True):
    """End politely: tell the peers, then nothing more."""


Fact = (
    SocketOpened
    | SocketFailed
    | SocketClosed
    | SendFailed
    | AddressesChanged
    | Resolved
    | CountersPulled
    | PolicyChanged
    | BeaconHeard
    | PunchAsked
    | PeerPunchAsked
    | DirectAsked
    | DetectAsked
    | PingAsked
    | TraceAsked
    | ProblemFound
    | ProblemOver
    | FaultMet
    | Pulsed
    | Woke
    | WallClockJumped
    | LeaveAsked
)
