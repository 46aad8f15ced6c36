"""`overlay trace`: every hop of today's path is asked by sealed Pings, each over the circuits of the path's own relay.

TraceAsked --> hops: relay, relay, .. , peer --> circuit and session where there is none --> 5 Pings each --> Traced
                                                                  (2 s in all; whoever is not heard by then is unknown)

A hop answers under its own session's keys, so no relay before it can speak in its name.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable

from overlay.node import events as node
from overlay.node.outbound import Outbound
from overlay.node.relays import relays_of
from overlay.node.rooms import Rooms
from overlay.node.snapshot import Hop
from overlay.paths.facts import Where
from overlay.relay.facts import CircuitWanted
from overlay.session.facts import DialAsked
from overlay.values import Direct, NodeId, Relayed
from overlay.wire.messages import Ping

QUESTIONS, GAP = 5, 0.1
"""Pings a hop, and seconds between two."""
PATIENCE = 2.0
"""Seconds a trace takes at most."""
GRACE = 0.5
"""Seconds before its end in which nothing more is asked: an answer would come too late to count."""
NOTHING = bytes(8)
"""The root of a Ping that is no keepalive: it compares no records."""
MOST_TRACES = 8
"""Traces at once; one more is answered with names alone."""


class Asked:
    """One hop, and what it answered."""

    def __init__(self, hop: NodeId, where: Where | None) -> None:
        self.hop = hop
        self.where = where
        """How it is asked; None: it is no member we know, so nobody is."""
        self.sent = 0
        self.answers: list[float] = []
        """Round trips, seconds."""

    @property
    def done(self) -> bool:
        """Nothing more will come."""
        return self.where is None or len(self.answers) == QUESTIONS


class Trail:
    """One trace under way."""

    def __init__(self, peer: NodeId, token: int, hops: list[Asked], *, now: float) -> None:
        self.peer, self.token, self.hops = peer, token, hops
        self.until = now + PATIENCE
        self.waiting: dict[tuple[NodeId, int], tuple[Asked, float]] = {}
        """(hop, number of the Ping) -> whom it went to, and when."""


class Trace:
    """The part of the hall that asks the hops."""

    def __init__(self, rooms: Rooms, outbound: Outbound, *, entropy: random.Random) -> None:
        self._rooms = rooms
        self._outbound = outbound
        self._entropy = entropy
        self._trails: list[Trail] = []
        self._next_at: float | None = None

    def begin(self, peer: NodeId, token: int, *, now: float) -> None:
        """Somebody asks for the hops to `peer`."""
        view = self._rooms.paths.view(peer)
        relays = relays_of(self._rooms, peer, view.relay) if view.relay is not None else ()
        nodes = () if view.kind == "none" else (*relays, peer)
        trail = Trail(peer, token, [self._hop(each, peer, view.relay) for each in nodes], now=now)
        if not nodes or len(self._trails) >= MOST_TRACES:
            self._tell(trail)
            return
        for asked in trail.hops:
            self._reach(asked, now=now)
        self._trails.append(trail)
        self._next_at = now

    def _hop(self, hop: NodeId, peer: NodeId, relay: NodeId | None) -> Asked:
        """Our neighbour directly, everybody behind it over its circuits; a name that is no member's not at all."""
        if relay is None or hop == relay:
            way = self._rooms.paths.neighbour(hop)
            return Asked(hop, way.where if way is not None else None)
        known = hop == peer or self._rooms.gossip.member(hop) is not None
        return Asked(hop, relay if known else None)

    def _reach(self, asked: Asked, *, now: float) -> None:
        """A circuit and a session, where there is none yet."""
        relay, peer = asked.where, self._rooms.paths.peer(asked.hop)
        if relay is None or isinstance(relay, Direct):
            return
        if peer is None or relay not in peer.ways:
            self._rooms.relay.tell(CircuitWanted(asked.hop, relay), now=now)
        if peer is None or not peer.session:
            self._rooms.session.tell(DialAsked(Relayed(relay, asked.hop), asked.hop), now=now)

    def next_timeout(self) -> float | None:
        """When the next questions are due."""
        return self._next_at

    def handle_timeout(self, *, now: float) -> None:
        """Ask again, and end what is over."""
        for trail in self._trails:
            for asked in trail.hops:
                if asked.sent < QUESTIONS and now <= trail.until - GRACE and self._ready(asked):
                    self._ask(trail, asked, now=now)
        self._end(lambda trail: now >= trail.until)
        ends = [trail.until for trail in self._trails]
        self._next_at = min(now + GAP, *ends) if ends else None

    def ponged(self, hop: NodeId, number: int, *, now: float) -> bool:
        """An answer that opened under `hop`'s keys came; False: it is no trace's."""
        for trail in self._trails:
            found = trail.waiting.pop((hop, number), None)
            if found is not None:
                asked, sent = found
                asked.answers.append(now - sent)
                self._end(lambda trail: all(each.done for each in trail.hops))
                return True
        return False

    def _ready(self, asked: Asked) -> bool:
        peer = self._rooms.paths.peer(asked.hop)
        return peer is not None and peer.session and asked.where in peer.ways

    def _ask(self, trail: Trail, asked: Asked, *, now: float) -> None:
        if asked.where is None:
            return
        number = self._entropy.getrandbits(32) or 1
        trail.waiting[asked.hop, number] = (asked, now)
        asked.sent += 1
        self._outbound.send(asked.hop, asked.where, Ping(number, NOTHING), now=now)

    def _end(self, over: Callable[[Trail], bool]) -> None:
        for trail in [each for each in self._trails if over(each)]:
            self._trails.remove(trail)
            self._tell(trail)

    def _tell(self, trail: Trail) -> None:
        hops = tuple(self._shown(asked) for asked in trail.hops)
        self._rooms.news.append(node.Traced(trail.peer, trail.token, hops))

    def _shown(self, asked: Asked) -> Hop:
        return Hop(
            name=self._rooms.gossip.name_of(asked.hop),
            endpoint=str(asked.where.endpoint) if isinstance(asked.where, Direct) else None,
            rtt_ms=round(statistics.median(asked.answers) * 1000, 3) if asked.answers else None,
            loss=round(1 - len(asked.answers) / asked.sent, 3) if asked.sent else None,
        )
