"""A circuit as others are told of it: the plane to carry it, the hall to use it."""

from __future__ import annotations

from overlay.relay.circuits import Circuit, Leg
from overlay.relay.commands import Forward
from overlay.relay.events import CircuitReady


def forward_of(come: Leg, go: Leg) -> Forward:
    """One direction of a circuit that stands."""
    assert go.out_label is not None
    return Forward(come.label, come.neighbour, go.neighbour, go.out_label)


def ready_of(circuit: Circuit, *, spare: bool) -> CircuitReady:
    """An end of ours that stands."""
    peer, relay = circuit.pair
    (leg,) = circuit.legs
    assert leg.out_label is not None
    return CircuitReady(peer, relay, leg.label, leg.out_label, spare, circuit.relays)
