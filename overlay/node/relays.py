"""Who may carry to a peer, and the links of our record: the hall asks `routing` with what the other rooms know."""

from __future__ import annotations

from overlay.node.rooms import Rooms, milliseconds
from overlay.paths.peer import Peer
from overlay.relay.facts import CircuitAnew
from overlay.routing.choose import own_links
from overlay.routing.costs import weighed_ms
from overlay.routing.values import Candidate
from overlay.values import Direct, NodeId


def candidates(rooms: Rooms, peer: NodeId, *, now: float) -> list[Candidate]:
    """Neighbours that may carry to `peer`, best first, each with the cost of the whole way."""
    known, around = rooms.paths.peer(peer), rooms.around(now=now)
    refused, failed = rooms.relay.denied(peer, now=now), rooms.relay.failed(peer, now=now)
    current = rooms.paths.view(peer).relay
    measured = _measured(known, now=now) if known is not None else {}
    found = rooms.roads.candidates(peer, around, denied=[*refused, *failed], current=current, measured=measured)
    if not found and failed:
        # Better one that failed, and may have found another way by now, than none.
        found = rooms.roads.candidates(peer, around, denied=refused)
    return found


def _measured(peer: Peer, *, now: float) -> dict[NodeId, float]:
    """What the circuits to a peer that stand and are proven cost, weighed: no record is believed against it."""
    loss = peer.loss.share(now=now)
    return {
        where: weighed_ms(
            milliseconds(way.rtt.smoothed),
            loss if peer.current[:1] == (where,) else None,
            milliseconds(way.rtt.deviation),
        )
        for where, way in peer.ways.items()
        if not isinstance(where, Direct) and way.proven and way.rtt.smoothed is not None
    }


def find_relays(rooms: Rooms, peer: NodeId, *, now: float) -> list[Candidate]:
    """The same; a person is told when nobody will."""
    found = candidates(rooms, peer, now=now)
    if not found and rooms.paths.view(peer).kind != "direct":
        around = [each for each in rooms.around(now=now) if each.id != peer]
        refusing = [rooms.gossip.name_of(each.id) for each in around if not each.relay]
        if refusing:
            relay_refused(rooms, peer, refusing, now=now)
    return found


def open_anew(rooms: Rooms, peer: NodeId, found: list[Candidate], *, now: float) -> None:
    """The circuit in use is in doubt, and no better relay is known: perhaps only the way behind it died."""
    known = rooms.paths.peer(peer)
    used = known.ways.get(known.current[0]) if known is not None and known.current else None
    if used is None or isinstance(used.where, Direct) or not (used.doubtful or used.down):
        return
    if any(each.relay == used.where for each in found):
        rooms.relay.tell(CircuitAnew(peer, used.where), now=now)


def relays_of(rooms: Rooms, peer: NodeId, relay: NodeId) -> tuple[NodeId, ...]:
    """The relays between us and a peer, `relay` first: those behind it as they named themselves."""
    circuit = rooms.relay.circuit(peer, relay)
    return circuit.through if circuit is not None and circuit.through else (relay,)


def relay_refused(rooms: Rooms, peer: NodeId, refusing: list[str], *, now: float) -> None:
    """Tell the person that nobody carries to `peer`."""
    who = ", ".join(refusing)
    rooms.problems.found(
        "relay_off",
        f"{rooms.gossip.name_of(peer)} cannot be reached: {who} does not carry for others ([relay] enabled = false).",
        f"Set [relay] enabled = true on {who}, or join a member that both can reach.",
        now=now,
    )


def links_now(rooms: Rooms, *, now: float) -> tuple[tuple[NodeId, int], ...]:
    """The links our record should state."""
    before = tuple((link.node, link.cost) for link in rooms.gossip.own.links)

    def lists(node: NodeId) -> list[NodeId]:
        return [other for other in rooms.roads.lists(node) if other != rooms.own]

    return own_links(rooms.around(now=now), before=before, lists=lists)
