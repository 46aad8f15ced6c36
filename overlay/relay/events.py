"""What happened in `relay`."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import Label, NodeId


class CircuitReady(Struct, frozen=True):
    """A circuit between us and `peer` over the neighbour `relay` stands; either side may have opened it."""

    peer: NodeId
    relay: NodeId
    label: Label
    """Ours: the relay writes it on frames that come to us."""
    out_label: Label
    """The relay's: we write it on frames that go."""
    spare: bool = False
    """Both ends opened one and an older stands: take frames with `label`, go on sending by the older."""
    through: tuple[NodeId, ...] = ()
    """Every relay from us on to `peer`, `relay` first; beyond it as the relays say, unproven."""


class CircuitLost(Struct, frozen=True):
    """The circuit to `peer` over `relay`, standing or asked for, is gone; its own `label` is no longer taken."""

    peer: NodeId
    relay: NodeId
    label: Label
    spare: bool = False
    """Another one stands, and the last CircuitReady of this pair names it: only the label matters."""


class CircuitDenied(Struct, frozen=True):
    """`relay` will not carry to `peer` (`reason`: no_peer, off, full, hops, no_answer); ignored for 60 s."""

    peer: NodeId
    relay: NodeId
    reason: str


class HandshakeCarried(Struct, frozen=True):
    """A handshake frame of `sender` (unproven) reached us through the neighbour `relay`."""

    relay: NodeId
    sender: NodeId
    payload: bytes


Event = CircuitReady | CircuitLost | CircuitDenied | HandshakeCarried
