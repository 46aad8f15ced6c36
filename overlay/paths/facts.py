"""What `paths` is told."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import Direct, Label, Link, NodeId
from overlay.wire.messages import Answer, Challenge, Parting, Ping, Pong, Report
from punch.config import Mode, PunchConfig, StunConfig
from punch.facts import SendFailed as SendFailed
from punch.facts import SocketClosed as SocketClosed
from punch.facts import SocketFailed as SocketFailed
from punch.facts import SocketOpened as SocketOpened
from punch.signals import Signal
from punch.values import Endpoint

WayMessage = Ping | Pong | Challenge | Answer | Report | Parting
"""Messages about ways."""

Where = Direct | NodeId
"""The way a frame came or goes: a direct link, or the relay whose circuit it took."""


class AddressesChanged(Struct, frozen=True):
    """This host's addresses as (address, prefix length, interface name)."""

    addresses: tuple[tuple[str, int, str], ...]
    gateway: str = ""
    """Names the default gateway."""


class PeersGiven(Struct, frozen=True):
    """Addresses to dial until they answer: what a person gave, and endpoints that answered an earlier run."""

    given: tuple[str, ...]
    remembered: tuple[Endpoint, ...]
    advertise: tuple[str, ...]


class BeaconHeard(Struct, frozen=True):
    """Somebody who knows the network's name is at `source`, on the same link."""

    source: Endpoint


class Resolved(Struct, frozen=True):
    """The answer to Resolve."""

    address: str
    endpoints: tuple[Endpoint, ...]
    error: str


class MemberKnown(Struct, frozen=True):
    """A member's record, or a newer one: where it says it can be reached."""

    peer: NodeId
    endpoints: tuple[tuple[Endpoint, str], ...]
    """(endpoint, kind)."""


class MemberForgotten(Struct, frozen=True):
    """A member left or expired: nothing is kept for it."""

    peer: NodeId


class Wanted(Struct, frozen=True):
    """Members to have sessions with, beside those with user traffic; None: all of them."""

    peers: tuple[NodeId, ...] | None


class LetGo(Struct, frozen=True):
    """The session with `peer` is not wanted; `full`: it ends even if the other end wants it."""

    peer: NodeId
    full: bool = False


class RootChanged(Struct, frozen=True):
    """What keepalives say of the records held here."""

    root: bytes


class SessionUp(Struct, frozen=True):
    """A session with `peer` opened over `link`; frames to it carry `label` on direct links."""

    peer: NodeId
    link: Link
    label: Label
    dialled: bool
    seen: str | None
    anew: bool = False
    """The peer started again since the session before: it knows none of the ways there were."""


class Relabelled(Struct, frozen=True):
    """Of two sessions that opened at once the other one goes on: frames to `peer` carry `label` on direct links."""

    peer: NodeId
    label: Label


class SessionDown(Struct, frozen=True):
    """No session with `peer` is left."""

    peer: NodeId


class DialEnded(Struct, frozen=True):
    """A dial over `link` failed (`reason`: no_answer, wrong_id, self, version, wrong_secret)."""

    link: Link
    reason: str


class RelaysFound(Struct, frozen=True):
    """The answer to FindRelay, or unasked when the ranking changed: who may carry to `peer`, best first."""

    peer: NodeId
    relays: tuple[NodeId, ...]
    costs_ms: tuple[float, ...] = ()
    """What the whole way costs over each, weighed alike for what records say and what was measured."""


class CircuitReady(Struct, frozen=True):
    """A circuit to `peer` over `relay` stands; frames on it carry `label`."""

    peer: NodeId
    relay: NodeId
    label: Label


class CircuitLost(Struct, frozen=True):
    """The circuit to `peer` over `relay` is gone or was refused."""

    peer: NodeId
    relay: NodeId


class Heard(Struct, frozen=True):
    """A frame of `peer` opened: it came by `where`, `size` bytes of UDP payload."""

    peer: NodeId
    where: Where
    size: int
    highest: bool
    """With the highest counter so far: only such a frame makes its source a candidate."""


class MessageHeard(Struct, frozen=True):
    """A message of `peer` about ways, that came by `where` in a datagram of `size` bytes."""

    peer: NodeId
    where: Where
    size: int
    message: WayMessage


class Sent(Struct, frozen=True):
    """A control frame went to `peer` by `where`."""

    peer: NodeId
    where: Where


class ProbeKeys(Struct, frozen=True):
    """Probes to and from `peer` bear these keys from now on."""

    peer: NodeId
    epoch: int
    seal_key: bytes
    open_key: bytes


class SignalHeard(Struct, frozen=True):
    """The engine of `peer` says this to ours."""

    peer: NodeId
    signal: Signal


class HostHeard(Struct, frozen=True):
    """The member `by` states that it hears `peer` from the address `host`."""

    by: NodeId
    peer: NodeId
    host: str


class PunchPolicy(Struct, frozen=True):
    """The engine's settings from now on."""

    punch: PunchConfig
    stun: StunConfig


class PeerPolicy(Struct, frozen=True):
    """Settings for one peer over the general ones; None: the general one."""

    peer: NodeId
    nat3_nat4: Mode | None
    nat4_nat4: Mode | None


class DirectAsked(Struct, frozen=True):
    """A person wants a direct way to `peer` now."""

    peer: NodeId


class DetectAsked(Struct, frozen=True):
    """Measure our NAT anew."""


class TrafficBegan(Struct, frozen=True):
    """User packets go to `peer` by a relay, after a pause."""

    peer: NodeId


class TrafficWaiting(Struct, frozen=True):
    """Packets for `peer` are held for want of a way or keys."""

    peer: NodeId


class Traffic(Struct, frozen=True):
    """What the data plane counted for `peer` (totals) when last pulled."""

    peer: NodeId
    complete: int
    incomplete: int
    highest: int
    last_rx: float
    last_tx: float
    small: bool
    slices: int = 0
    missed: int = 0
    rebuilt: int = 0


class Pulse(Struct, frozen=True):
    """When data last went to `peer`, and when some of it last opened, as the plane has it now."""

    peer: NodeId
    last_rx: float
    last_tx: float


class SendRefused(Struct, frozen=True):
    """The kernel would not send data for `peer` to `endpoint`: a hint only."""

    peer: NodeId
    endpoint: Endpoint


class Woke(Struct, frozen=True):
    """This host slept: whatever was learned may be over, and nothing heard meanwhile means nothing."""


class PingAsked(Struct, frozen=True):
    """Send one Ping to `peer`; PongHeard names `token`."""

    peer: NodeId
    token: int


class Leaving(Struct, frozen=True):
    """Dial and repeat nothing from now on."""


Fact = (
    SocketOpened
    | SocketFailed
    | SocketClosed
    | SendFailed
    | AddressesChanged
    | PeersGiven
    | BeaconHeard
    | Resolved
    | MemberKnown
    | MemberForgotten
    | Wanted
    | LetGo
    | RootChanged
    | SessionUp
    | Relabelled
    | SessionDown
    | DialEnded
    | RelaysFound
    | CircuitReady
    | CircuitLost
    | Heard
    | MessageHeard
    | Sent
    | ProbeKeys
    | SignalHeard
    | HostHeard
    | PunchPolicy
    | PeerPolicy
    | DirectAsked
    | DetectAsked
    | TrafficBegan
    | TrafficWaiting
    | Traffic
    | Pulse
    | SendRefused
    | Woke
    | PingAsked
    | Leaving
)
