"""What `why` tells of the ways to a peer: those known and how they are, who may carry, and at what cost.

paths: ways of the peer ----> used, spare, doubtful, bad, unproven
routing: candidates --------> carries, spare; relay: refused; records: off
"""

from __future__ import annotations

from overlay.node import snapshot as shown
from overlay.node.circle import is_far
from overlay.node.relays import candidates
from overlay.node.report import milliseconds, via_names
from overlay.node.rooms import Rooms
from overlay.paths.peer import Peer
from overlay.paths.way import Way
from overlay.routing.costs import weighed_ms
from overlay.routing.values import Candidate, Neighbour
from overlay.values import Direct, NodeId

MOST_RELAYS = 8
"""Relays shown; a large mesh has hundreds that could carry."""

_ORDER = ("used", "both", "spare", "doubtful", "bad", "unproven")


def explain(rooms: Rooms, node: NodeId, *, now: float) -> shown.Explained:
    """The ways to a member, those in use first, and the relays, that which carries first."""
    peer = rooms.paths.peer(node)
    ways = [_way(rooms, peer, way, now=now) for way in peer.ways.values()] if peer is not None else []
    return shown.Explained(
        ways=sorted(ways, key=lambda way: _ORDER.index(way.state)),
        relays=_relays(rooms, node, now=now),
        far=is_far(rooms, node, now=now) and not (peer is not None and peer.reached),
    )


def _way(rooms: Rooms, peer: Peer, way: Way, *, now: float) -> shown.KnownWay:
    where = way.where
    link = way if isinstance(where, Direct) else rooms.paths.neighbour(where)
    endpoint = link.where.endpoint if link is not None and isinstance(link.where, Direct) else None
    return shown.KnownWay(
        kind="direct" if isinstance(where, Direct) else "relay",
        endpoint=str(endpoint) if endpoint is not None else None,
        via=[] if isinstance(where, Direct) else via_names(rooms, peer.node, where),
        state=_state(peer, way, now=now),
        rtt_ms=milliseconds(way.rtt.smoothed),
        jitter_ms=milliseconds(way.rtt.jitter),
        loss=way.loss,
        heard_s=round(now - way.heard_at, 1) if way.heard_at is not None else None,
        rests_s=round(way.rests_until - now, 1) if way.rests_until > now else None,
    )


def _state(peer: Peer, way: Way, *, now: float) -> str:
    if way.where in peer.current:
        return "used" if len(peer.current) == 1 else "both"
    if not way.proven:
        return "unproven"
    if way.doubtful or way.down:
        return "doubtful"
    return "bad" if way.rests_until > now else "spare"


def _relays(rooms: Rooms, node: NodeId, *, now: float) -> list[shown.KnownRelay]:
    around = {each.id: each for each in rooms.around(now=now) if each.id != node}
    carrying = rooms.paths.view(node).relay
    found = candidates(rooms, node, now=now)
    found.sort(key=lambda each: each.relay != carrying)
    listed = [_candidate(rooms, node, each, around[each.relay], carrying) for each in found[:MOST_RELAYS]]
    refused = [around[each] for each in rooms.relay.denied(node, now=now) if each in around]
    listed += [_other(rooms, each, "refused") for each in refused]
    listed += [_other(rooms, each, "off") for each in around.values() if not each.relay]
    return listed[: 2 * MOST_RELAYS]


def _candidate(
    rooms: Rooms, node: NodeId, each: Candidate, link: Neighbour, carrying: NodeId | None
) -> shown.KnownRelay:
    """A circuit that stands knows its relays and was measured, maybe since our own link was."""
    peer, here = rooms.paths.peer(node), _cost(link)
    stands = peer is not None and each.relay in peer.ways
    via = via_names(rooms, node, each.relay) if stands else [rooms.gossip.name_of(relay) for relay in each.through]
    return shown.KnownRelay(
        name=rooms.gossip.name_of(each.relay),
        via=via,
        state="carries" if each.relay == carrying else "spare",
        here_ms=round(min(here, each.cost_ms), 2),
        there_ms=round(each.cost_ms - here, 2) if each.cost_ms > here else None,
    )


def _other(rooms: Rooms, link: Neighbour, state: str) -> shown.KnownRelay:
    name = rooms.gossip.name_of(link.id)
    return shown.KnownRelay(name=name, via=[name], state=state, here_ms=round(_cost(link), 2), there_ms=None)


def _cost(link: Neighbour) -> float:
    return weighed_ms(link.rtt_ms, link.loss, link.jitter_ms)
