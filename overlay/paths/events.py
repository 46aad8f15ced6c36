"""What happened in `paths`."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import NodeId
from punch.values import Endpoint, NatProfile


class PathView(Struct, frozen=True):
    """What we send on: direct to `endpoint`, or by `relay`, whose endpoint it then is."""

    kind: str
    """direct, relay or none."""
    endpoint: Endpoint | None
    relay: NodeId | None
    since: float


class PathChanged(Struct, frozen=True):
    """What we send on to `peer` changed."""

    peer: NodeId
    view: PathView


class PeerReached(Struct, frozen=True):
    """Something of `peer` opened after a silence, or for the first time, and a way to it is proven."""

    peer: NodeId


class PeerSilent(Struct, frozen=True):
    """Nothing of `peer` opened in time over any route."""

    peer: NodeId


class Refused(Struct, frozen=True):
    """`peer` has as many sessions as it takes: another must be chosen."""

    peer: NodeId


class NeighbourUp(Struct, frozen=True):
    """A direct way to `peer` is proven."""

    peer: NodeId


class NeighbourMoved(Struct, frozen=True):
    """The best direct way to the neighbour `peer` changed, or one more is proven: circuits follow."""

    peer: NodeId


class NeighbourDown(Struct, frozen=True):
    """No direct way to `peer` is left."""

    peer: NodeId


class SelfViewChanged(Struct, frozen=True):
    """Our own endpoints, neighbours or NAT profile changed: the record should say so."""


class NatSeen(Struct, frozen=True):
    """What is known of our own NAT changed."""

    profile: NatProfile


class PunchEnded(Struct, frozen=True):
    """An attempt for a direct way to `peer` ended; `reason` is a fixed word, `text` for people."""

    peer: NodeId
    state: str
    reason: str
    text: str


class AnsweredFrom(Struct, frozen=True):
    """An endpoint answered: worth remembering on disk, with who it was."""

    endpoint: Endpoint
    peer: NodeId


class PongHeard(Struct, frozen=True):
    """The answer to PingAsked."""

    peer: NodeId
    token: int
    rtt: float
    """Seconds."""
    view: PathView


class NobodyAnswers(Struct, frozen=True):
    """Dialled for a while and no session is open; `tried` are the addresses, with what is known of each."""

    tried: tuple[str, ...]


class SomebodyAnswered(Struct, frozen=True):
    """NobodyAnswers is over."""


Event = (
    PathChanged
    | PeerReached
    | PeerSilent
    | Refused
    | NeighbourUp
    | NeighbourMoved
    | NeighbourDown
    | SelfViewChanged
    | NatSeen
    | PunchEnded
    | AnsweredFrom
    | PongHeard
    | NobodyAnswers
    | SomebodyAnswered
)
