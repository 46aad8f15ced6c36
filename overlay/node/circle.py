"""Whom this node keeps sessions with: `routing` asked with what the others know, `paths` told (design section 3).

members, sessions, failures --> stale --1 s--> look --> Wanted, LetGo
                                                 ^--------- 30 s
"""

from __future__ import annotations

from overlay.gossip.record import Record
from overlay.node.rooms import Rooms
from overlay.paths import facts as paths
from overlay.routing.neighbours import Accepted, Candidate, Chosen, beyond, choose, is_sparse
from overlay.values import Direct, NodeId, guess_source

SOON, AGAIN = 1.0, 30.0
"""Seconds from a change to the look at it, and between looks in a sparse mesh."""
PATIENCE = 30.0
"""Seconds in which one that was chosen must be reached."""
DENIED = 600.0
"""Seconds in which one that was not is not chosen again."""
SETTLED = 60.0
"""Seconds a session lasts before it is thought superfluous: whoever opened it may be learning whom there is."""
ANYBODY = ("public", "portmap", "given")
"""Kinds of endpoints that anybody can dial."""


class Circle:
    """The part of the hall that chooses neighbours."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._missing: dict[NodeId, float] = {}
        """Since when a chosen member is not reached."""
        self._denied: dict[NodeId, float] = {}
        self._next_at: float | None = None

    def stale(self, *, now: float) -> None:
        """Members or sessions changed."""
        if self._next_at is None or self._next_at > now + SOON:
            self._next_at = now + SOON

    def failed(self, node: NodeId, *, now: float) -> None:
        """One has as many sessions as it takes, or fell silent."""
        if node in (self._rooms.chosen or ()):
            self._denied[node] = now + DENIED
            self.stale(now=now)

    def next_timeout(self) -> float | None:
        """When the next look is due."""
        return self._next_at

    def handle_timeout(self, *, now: float) -> None:
        """Look who is there, and who is wanted."""
        rooms = self._rooms
        members, before = rooms.gossip.members(), rooms.chosen
        if is_sparse(1 + len(members), before is not None):
            self._next_at = now + AGAIN
            self._look_after_missing(before or {}, now=now)
            candidates = [self._candidate(record) for record in members]
            rooms.chosen = choose(candidates, before or {}, denied=self._denied, entropy=rooms.entropy)
            if before is None or rooms.chosen.keys() != before.keys():
                rooms.paths.tell(paths.Wanted(tuple(rooms.chosen)), now=now)
            self._let_go(now=now)
        else:
            self._next_at = None
            rooms.chosen = None
            if before is not None:
                rooms.paths.tell(paths.Wanted(None), now=now)

    def _candidate(self, record: Record) -> Candidate:
        way = self._rooms.paths.neighbour(record.id)
        rtt = way.rtt.smoothed if way is not None else None
        reachable = any(endpoint.kind in ANYBODY for endpoint in record.endpoints)
        return Candidate(record.id, record.relay and reachable, rtt * 1000 if rtt is not None else None)

    def _look_after_missing(self, chosen: Chosen, *, now: float) -> None:
        """Those chosen that are not reached in time are given up for a while."""
        self._denied = {node: until for node, until in self._denied.items() if until > now}
        since = {node: self._missing.get(node, now) for node in chosen if not self._is_reached(node)}
        self._missing = since
        for node, at in since.items():
            if now - at >= PATIENCE:
                self._denied[node] = now + DENIED

    def _is_reached(self, node: NodeId) -> bool:
        peer = self._rooms.paths.peer(node)
        return peer is not None and peer.reached

    def _let_go(self, *, now: float) -> None:
        """Sessions that nobody here wants end if their other ends agree; those beyond the bound end."""
        accepted: list[Accepted] = []
        for node in self._rooms.paths.sessions():
            peer = self._rooms.paths.peer(node)
            if peer is None or now - peer.session_at < SETTLED or self._rooms.paths.wants(node, now=now):
                continue
            record = self._rooms.gossip.member(node)
            links = record.links if record is not None else ()
            others = sum(link.node != self._rooms.own for link in links)
            by = self._rooms.gossip.introducer(node)
            accepted.append(Accepted(node, others, peer.session_at, self._source(node), by))
        beyond_bound = beyond(accepted)
        for each in accepted:
            self._rooms.paths.tell(paths.LetGo(each.id, full=each.id in beyond_bound), now=now)

    def _source(self, node: NodeId) -> str:
        """Where a session comes from: a host or network, or the relay that hands it over."""
        peer = self._rooms.paths.peer(node)
        way = peer and (peer.best_direct() or peer.best_relayed())
        if not way:
            return ""
        return guess_source(way.where) if isinstance(way.where, Direct) else f"circuit:{way.where.hex()}"


def is_far(rooms: Rooms, node: NodeId, *, now: float) -> bool:
    """Whether `node` is a member that needs no session now: its neighbours say whether it is there."""
    return rooms.chosen is not None and node not in rooms.chosen and not rooms.paths.wants(node, now=now)
