"""Whether a request or an answer makes sense: what every relay checks before it believes one (protocol section 7).

source -- crossed[0] -- .. -- crossed[-1] = who asks us -- we -- through[0] .. -- target        nobody twice
"""

from __future__ import annotations

from overlay.relay.circuits import Circuit
from overlay.relay.limits import MAX_LINKS
from overlay.values import NodeId
from overlay.wire.messages import OpenCircuit

Objection = tuple[str, str]
"""(what is counted, as a word of DROPS; what is said, as a word of REASONS)."""


def objection(own: NodeId, peer: NodeId, message: OpenCircuit) -> Objection | None:
    """What is wrong with the request that the neighbour `peer` sent us, whatever our tables say; None: nothing."""
    source, target, crossed = message.source, message.target, message.crossed
    if target == peer or source in (target, own) or (source == peer and target == own):
        return ("circuit_bad", "no_peer")
    if len(set(crossed)) < len(crossed) or own in crossed or source in crossed or target in crossed:
        return ("circuit_loop", "no_peer")
    signed = crossed[-1] if crossed else peer if target == own else source
    if peer != signed:
        return ("circuit_forged", "no_peer")
    if len(crossed) >= MAX_LINKS:
        return ("circuit_refused", "hops")
    return None


def links_left(message: OpenCircuit) -> int:
    """Links that the request may still cross; no word of its own makes them more than the relays it names leave."""
    return min(message.hops, MAX_LINKS - 1 - len(message.crossed))


def relays_behind(peer: NodeId, message: OpenCircuit) -> tuple[NodeId, ...]:
    """The relays behind us; one that is older than this list does not sign it."""
    return tuple(NodeId(each) for each in message.crossed) or ((peer,) if peer != message.source else ())


def relays_ahead(own: NodeId, circuit: Circuit, through: tuple[bytes, ...]) -> tuple[NodeId, ...] | None:
    """The relays that the neighbour ahead answered with, itself first; None: they cannot be.

    One that is older than this list names nobody.
    """
    assert circuit.ahead is not None
    answerer = circuit.ahead.neighbour
    relays = tuple(NodeId(each) for each in through)
    if answerer == circuit.target:
        return () if not relays else None
    relays = relays or (answerer,)
    others = (own, circuit.source, circuit.target, *circuit.crossed)
    if relays[0] != answerer or len(set(relays)) < len(relays) or any(each in others for each in relays):
        return None
    return relays if len(relays) + len(circuit.crossed) + circuit.carried < MAX_LINKS else None
