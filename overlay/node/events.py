"""What happened, for `join` to say and for commands that wait."""

from __future__ import annotations

from msgspec import Struct

from overlay.node.snapshot import Hop, Path
from overlay.session import events as session
from overlay.values import NodeId


class NodeUp(Struct, frozen=True):
    """Addresses are claimed: `join` is up once the device has them."""

    name: str
    ipv4: str
    ipv6: str
    why: str = ""
    """What made this node give up the IPv4 address it had, for people."""


class PeerJoined(Struct, frozen=True):
    """A member is connected: something of it opened over some route."""

    peer: NodeId
    name: str
    path: Path


class PathChanged(Struct, frozen=True):
    """What we send on to `peer` changed."""

    peer: NodeId
    name: str
    path: Path


class PunchEnded(Struct, frozen=True):
    """An attempt for a direct way to a member ended: `state` and `reason` are fixed words, `text` is for people."""

    peer: NodeId
    name: str
    state: str
    reason: str
    text: str


class PeerGone(Struct, frozen=True):
    """A member left politely (`left`) or fell silent."""

    peer: NodeId
    name: str
    left: bool


class ProblemShown(Struct, frozen=True):
    """A problem began."""

    code: str
    text: str
    fix: str


class ProblemGone(Struct, frozen=True):
    """A problem ended."""

    code: str


class PongHeard(Struct, frozen=True):
    """The answer to PingAsked."""

    peer: NodeId
    token: int
    rtt_ms: float
    path: Path


class Traced(Struct, frozen=True):
    """The answer to TraceAsked: every hop of the path, the peer last; none: there is no path now."""

    peer: NodeId
    token: int
    hops: tuple[Hop, ...]


class KeysMade(Struct, frozen=True):
    """All keys of a run with a peer, where `Setup.debug_keys` asked for them."""

    keys: session.KeysMade


class Left(Struct, frozen=True):
    """LeaveAsked is done: nothing more will be asked."""


Event = (
    NodeUp
    | PeerJoined
    | PathChanged
    | PunchEnded
    | PeerGone
    | ProblemShown
    | ProblemGone
    | PongHeard
    | Traced
    | KeysMade
    | Left
)
