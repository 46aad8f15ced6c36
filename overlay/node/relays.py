"""Who may carry to a peer, and whom to hand on to: the hall asks `routing` with what the other rooms know."""

from __future__ import annotations

from collections.abc import Collection

from overlay.node.rooms import Rooms
from overlay.paths.peer import Peer
from overlay.paths.way import Way
from overlay.routing.choose import own_links
from overlay.routing.costs import weighed_ms
from overlay.routing.values import Candidate, Neighbour
from overlay.values import Direct, NodeId


def neighbours(rooms: Rooms, *, now: float) -> list[Neighbour]:
    """Members we reach directly, as routing sees them."""
    return [_neighbour(rooms, node, way, now=now) for node, way in rooms.paths.neighbours()]


def _neighbour(rooms: Rooms, node: NodeId, way: Way, *, now: float) -> Neighbour:
    record, known = rooms.gossip.member(node), rooms.paths.peer(node)
    direct = known is not None and known.current[:1] == (way.where,)
    loss = known.loss.share(now=now) if known is not None and direct else None
    relay = record is not None and record.relay
    return Neighbour(node, _ms(way.rtt.smoothed), loss, relay, _ms(way.rtt.deviation))


def candidates(rooms: Rooms, peer: NodeId, *, now: float) -> list[Candidate]:
    """Neighbours that may carry to `peer`, best first, each with the cost of the whole way."""
    known = rooms.paths.peer(peer)
    return rooms.roads.candidates(
        peer,
        neighbours(rooms, now=now),
        denied=rooms.relay.denied(peer, now=now),
        current=rooms.paths.view(peer).relay,
        measured=_measured(known, now=now) if known is not None else {},
    )


def _measured(peer: Peer, *, now: float) -> dict[NodeId, float]:
    """What the circuits to a peer that stand and are proven cost, weighed: no record is believed against it."""
    loss = peer.loss.share(now=now)
    return {
        where: weighed_ms(_ms(way.rtt.smoothed), loss if peer.current[:1] == (where,) else None, _ms(way.rtt.deviation))
        for where, way in peer.ways.items()
        if not isinstance(where, Direct) and way.proven and way.rtt.smoothed is not None
    }


def find_relays(rooms: Rooms, peer: NodeId, *, now: float) -> list[Candidate]:
    """The same; a person is told when nobody will."""
    found = candidates(rooms, peer, now=now)
    if not found and rooms.paths.view(peer).kind != "direct":
        around = [each for each in neighbours(rooms, now=now) if each.id != peer]
        refusing = [rooms.gossip.name_of(each.id) for each in around if not each.relay]
        if refusing:
            relay_refused(rooms, peer, refusing, now=now)
    return found


def relay_refused(rooms: Rooms, peer: NodeId, refusing: list[str], *, now: float) -> None:
    """Tell the person that nobody carries to `peer`."""
    who = ", ".join(refusing)
    rooms.problems.found(
        "relay_off",
        f"{rooms.gossip.name_of(peer)} cannot be reached: {who} does not carry for others ([relay] enabled = false).",
        f"Set [relay] enabled = true on {who}, or join a member that both can reach.",
        now=now,
    )


def onward(rooms: Rooms, target: NodeId, avoid: Collection[NodeId], links: int, *, now: float) -> list[NodeId]:
    """Neighbours to hand a circuit or a handshake of others on to."""
    return rooms.roads.onward(target, neighbours(rooms, now=now), avoid=avoid, links=links)


def links_now(rooms: Rooms, *, now: float) -> tuple[tuple[NodeId, int], ...]:
    """The links our record should state."""
    before = tuple((link.node, link.cost) for link in rooms.gossip.own.links)
    return own_links(neighbours(rooms, now=now), before=before, lists=rooms.roads.lists)


def _ms(seconds: float | None) -> float | None:
    return seconds * 1000 if seconds is not None else None
