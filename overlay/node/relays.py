"""Who may carry to a peer: the hall asks `routing` with what the other rooms know."""

from __future__ import annotations

from overlay.node.rooms import Rooms
from overlay.paths.way import Way
from overlay.routing.choose import own_links, relay_candidates
from overlay.routing.values import Neighbour, Target
from overlay.values import NodeId


def neighbours(rooms: Rooms) -> list[Neighbour]:
    """Members we reach directly, as routing sees them."""
    return [_neighbour(rooms, node, way) for node, way in rooms.paths.neighbours()]


def _neighbour(rooms: Rooms, node: NodeId, way: Way) -> Neighbour:
    record = rooms.gossip.member(node)
    rtt = way.rtt.smoothed
    return Neighbour(node, rtt * 1000 if rtt is not None else None, None, record is not None and record.relay)


def find_relays(rooms: Rooms, peer: NodeId, *, now: float) -> tuple[NodeId, ...]:
    """Neighbours that may carry to `peer`, best first; a person is told when nobody will."""
    around = [each for each in neighbours(rooms) if each.id != peer]
    record = rooms.gossip.member(peer)
    links = tuple((link.node, link.cost) for link in record.links) if record is not None else ()
    denied = rooms.relay.denied(peer, now=now)
    current = rooms.paths.view(peer).relay
    found = tuple(relay_candidates(Target(peer, links), around, denied=denied, current=current))
    refusing = [rooms.gossip.name_of(each.id) for each in around if not each.relay]
    if not found and refusing and rooms.paths.view(peer).kind != "direct":
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


def links_now(rooms: Rooms) -> tuple[tuple[NodeId, int], ...]:
    """The links our record should state."""
    before = tuple((link.node, link.cost) for link in rooms.gossip.own.links)
    return own_links(neighbours(rooms), before=before)
