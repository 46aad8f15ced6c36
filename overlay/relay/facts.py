"""What `relay` is told."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import Label, NodeId
from overlay.wire.messages import CircuitGone, CircuitOpened, CircuitRefused, OpenCircuit

CircuitTalk = OpenCircuit | CircuitOpened | CircuitRefused | CircuitGone
"""Messages about circuits."""


class NeighbourUp(Struct, frozen=True):
    """A session with `peer` is open and a proven direct way reaches it: it may carry for us and we for it."""

    peer: NodeId


class NeighbourDown(Struct, frozen=True):
    """The session with `peer`, or its direct way, is gone: circuits over it die."""

    peer: NodeId


class CircuitWanted(Struct, frozen=True):
    """Open a circuit to `peer` over the neighbour `relay`, unless one is open or asked for."""

    peer: NodeId
    relay: NodeId


class CircuitAnew(Struct, frozen=True):
    """Open another circuit to `peer` over `relay` beside the one that stands: the way behind that relay may be dead, or
    a better one leads on; once it stands it takes the other's place."""

    peer: NodeId
    relay: NodeId


class CircuitUnwanted(Struct, frozen=True):
    """Close our circuit to `peer` over `relay`."""

    peer: NodeId
    relay: NodeId


class CircuitFailed(Struct, frozen=True):
    """What went by our circuit to `peer` over `relay` was not answered: close it, and ignore that relay for a while."""

    peer: NodeId
    relay: NodeId


class RoutesChanged(Struct, frozen=True):
    """The links that lead to `peer` are others now: who had none may have one."""

    peer: NodeId


class CircuitMessage(Struct, frozen=True):
    """A circuit message of the neighbour `peer`."""

    peer: NodeId
    message: CircuitTalk


class CarryAsked(Struct, frozen=True):
    """The neighbour `peer` sent Carried(to, sender, payload, hops)."""

    peer: NodeId
    to: NodeId
    sender: NodeId
    payload: bytes
    hops: int


class CircuitsUsed(Struct, frozen=True):
    """Circuits that carried since last told, with bytes; each second.

    Named by a label of ours: of either direction where we carry; at an end by `CircuitReady.label`, for frames that
    came and for frames that went.
    """

    carried: tuple[tuple[Label, int], ...]


class PolicyChanged(Struct, frozen=True):
    """`[relay] enabled` changed."""

    enabled: bool


Fact = (
    NeighbourUp
    | NeighbourDown
    | CircuitWanted
    | CircuitAnew
    | CircuitUnwanted
    | CircuitFailed
    | RoutesChanged
    | CircuitMessage
    | CarryAsked
    | CircuitsUsed
    | PolicyChanged
)
