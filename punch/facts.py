"""What the engine is told."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from punch.config import Mode, PunchConfig, StunConfig
from punch.signals import Signal
from punch.values import Candidate, Endpoint, PeerId, SocketId

Role = Literal["main", "alternate", "engine"]
"""What a socket is for: PORT, PORT + 1 (it answers STUN only), or asked for by the engine."""
Want = Literal["traffic", "demand"]
"""Why a direct way is wanted: packets go by a relay, or a person asked."""


class SocketOpened(Struct, frozen=True, gc=False):
    """A UDP socket is open. `request` 0: the host's own (main or alternate); else one that OpenSockets asked for."""

    socket: SocketId
    local: Endpoint
    """A wildcard host means the kernel chooses the source address."""
    request: int = 0
    role: Role = "main"


class SocketFailed(Struct, frozen=True):
    """`missing` sockets of a request could not be opened (EMFILE, ports used up): go on with fewer."""

    request: int
    missing: int
    error: str
    """The errno's name, `EMFILE`."""


class SocketClosed(Struct, frozen=True, gc=False):
    """A socket is gone."""

    socket: SocketId


class SendFailed(Struct, frozen=True):
    """The kernel refused a datagram, or an ICMP error came back; a hint, except for EPERM and ENOBUFS."""

    via: SocketId
    to: Endpoint
    error: str
    """The errno's name (`EPERM`, `ENOBUFS`, `EHOSTUNREACH`, ...) or `icmp TYPE/CODE`."""


class NetworkChanged(Struct, frozen=True):
    """This host's network: addresses or gateway changed, or it is the first telling. Attempts start anew."""

    key: str
    """Names the network: gateway and prefix; what was learned is kept by it."""
    addresses: tuple[str, ...]
    """Own numeric addresses, loopback left out."""
    overlay: tuple[str, ...] = ()
    """Prefixes of what tunnels through us (`10.1.0.0/16`): nothing is ever sent there."""
    broadcast: tuple[str, ...] = ()
    """Broadcast addresses of our subnets: nothing is ever sent there either."""


class ServersKnown(Struct, frozen=True):
    """STUN services, best first; replaces the earlier list. A member's has PORT + 1 as its alternate port."""

    servers: tuple[Endpoint, ...]
    configured: tuple[Endpoint, ...] = ()
    """Those a person named: they may have RFC 5780's second address."""
    peers: tuple[PeerId, ...] = ()
    """Whose each of `servers` is, in the same order: a member can be asked for a Touch."""


class DetectAsked(Struct, frozen=True):
    """Measure again, whatever is remembered, and forget all waiting times."""


class PolicyChanged(Struct, frozen=True):
    """The settings in force from now on; a running attempt that they forbid ends at once."""

    config: PunchConfig
    stun: StunConfig | None = None
    """None: as before."""


class PeerPolicy(Struct, frozen=True):
    """Settings for one peer over the general ones; None: the general one."""

    peer: PeerId
    nat3_nat4: Mode | None
    nat4_nat4: Mode | None


class PeerUp(Struct, frozen=True):
    """Signals to `peer` arrive (sealed, over a relay or any way), and probes of it can be told from forgeries."""

    peer: PeerId
    seal_key: bytes
    """32 bytes: MACs of probes we send."""
    open_key: bytes
    """32 bytes: MACs of probes we hear."""
    epoch: int
    """0..255, of these keys; told again when they change."""
    first: bool
    """We are the one who begins where both could (each pair has exactly one)."""
    direct: bool = False
    """It is reached without a relay: there is nothing to attempt. From then on PeerDirect says so."""


class PeerDown(Struct, frozen=True):
    """Signals to `peer` arrive no more: attempts with it end."""

    peer: PeerId


class PeerWanted(Struct, frozen=True):
    """A direct way to `peer` is wanted now; told again as long as it is (traffic: at most once a second)."""

    peer: PeerId
    why: Want


class PeerDirect(Struct, frozen=True):
    """Whether a proven direct way to `peer` carries now: then nothing is tried."""

    peer: PeerId
    direct: bool


class HoleRefused(Struct, frozen=True):
    """HoleOpened was claimed and no sealed challenge came back by it in time: the attempt goes on or ends."""

    peer: PeerId
    via: SocketId
    endpoint: Endpoint


class CandidatesChanged(Struct, frozen=True):
    """What we tell peers of ourselves: our endpoints as `paths` knows them."""

    candidates: tuple[Candidate, ...]


class Heard(Struct, frozen=True):
    """`by`, another member than `peer`, states over a sealed channel that it hears `peer` from `host`."""

    peer: PeerId
    host: str
    by: PeerId


class PeerHeard(Struct, frozen=True):
    """We ourselves hear `peer` from `host` (sealed frames): a Touch it asks for goes there and nowhere else."""

    peer: PeerId
    host: str


class SignalReceived(Struct, frozen=True):
    """`peer` said this."""

    peer: PeerId
    signal: Signal


Fact = (
    SocketOpened
    | SocketFailed
    | SocketClosed
    | SendFailed
    | NetworkChanged
    | ServersKnown
    | DetectAsked
    | PolicyChanged
    | PeerPolicy
    | PeerUp
    | PeerDown
    | PeerWanted
    | PeerDirect
    | HoleRefused
    | CandidatesChanged
    | Heard
    | PeerHeard
    | SignalReceived
)
