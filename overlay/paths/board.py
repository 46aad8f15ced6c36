"""What the parts of this room share: peers, timers, sockets, what is to be said; and the one place that chooses."""

from __future__ import annotations

import random
from collections import deque
from enum import Enum, auto

from overlay.paths import commands as do
from overlay.paths import events as happened
from overlay.paths.endpoints import Surroundings
from overlay.paths.facts import Where
from overlay.paths.peer import Peer
from overlay.paths.sparse import Sparse
from overlay.paths.way import Way
from overlay.sealing import LARGEST_TAG
from overlay.values import Direct, NodeId, guess_source
from overlay.wire.frame import HEADER_SIZE
from punch.commands import CloseSocket
from punch.limiter import TokenBucket
from punch.timers import Timers
from punch.values import Endpoint, SocketId

KNOCKS, KNOCK_TIME = 60, 600.0
"""Unanswered packets to one host (IPv6: /64) in so many seconds, over all peers and records (protocol section 9):
half of them at once, half as they come back, so that no window of that length sees more."""
FEARED_LIFE = 10.0
"""Seconds the shortest-lived NATs keep a mapping (nat-science section 1.3, Richter)."""
MOST_HOSTS = 4096
"""Hosts remembered for that; beyond them nobody new is knocked at."""


DOWN_AFTER = 0.4
"""Seconds in doubt without a sign of life until a way carries no more, if three round trips are not longer."""
USED = 600.0
"""Seconds since user packets in which a peer counts as used (design section 3)."""
HEAD_START, HEAD_START_EACH, FEW = 0.2, 0.1, 2
"""Seconds the endpoints of a record get before a relay is asked too where nobody waits, and as many more for each
member beyond a few dialled at the same time: of thirty that meet at once each pair would else shake hands by several
ways, on hosts that have no time for one."""
HEAD_START_TRIPS, HEAD_START_MOST = 3.0, 5.0
"""Round trips to our neighbours that it is at least, as they take now, where a handshake takes two; seconds at most."""
SEEK_AGAIN = 1.0
"""Seconds that the relay asked last gets before another one is looked for only because there is a new neighbour."""
IN_HASTE = 10.0
"""Seconds after user packets in which somebody waits for a peer."""
REACH_AGAIN = 5.0
"""Seconds after a member was dialled in which a new neighbour is no reason to dial it again."""


class Timer(Enum):
    """Every timer of `paths`; keys of the timer table are (Timer, what it is about)."""

    RETRY_ADDRESS = auto()
    """Resolve and dial a given address again."""
    REACH = auto()
    """Try again to get a session with a member."""
    DIAL_DIRECT = auto()
    """No session over a relay yet: dial what the record names."""
    DIAL_RELAY = auto()
    """No session by what the record names yet: look for a relay."""
    NEARBY = auto()
    """Dial who was heard on the link."""
    STOP_DIAL = auto()
    """Enough packets for an endpoint out of a record."""
    CHALLENGE = auto()
    """Repeat a Challenge."""
    SIZE = auto()
    """Try larger sizes again."""
    KEEPALIVE = auto()
    """Nothing was sent for a while."""
    SILENCE = auto()
    """Nothing was heard for a while."""
    TRIAL = auto()
    """The next step of a comparison of two ways."""
    DOUBT = auto()
    """What was doubted had time to answer."""
    NOBODY = auto()
    """Nobody answered so far."""
    GIVE_UP = auto()
    """Traffic waited in vain."""
    REDIAL = auto()
    """Sent for 5 s and nothing opened: a new handshake in parallel."""
    HOLE = auto()
    """A punched hole is to be proven by now, or looked at: does anybody use it?"""
    RESOLVE_STUN = auto()
    """Resolve the names of STUN servers again."""
    NAT_SEEN = auto()
    """Say what is known of our own NAT."""


class Board:
    """Shared state of the room."""

    def __init__(self, *, own: NodeId, entropy: random.Random) -> None:
        self.own = own
        self.entropy = entropy
        self.peers: dict[NodeId, Peer] = {}
        self.sockets: dict[SocketId, Endpoint] = {}
        """Those on PORT: they dial."""
        self.alternates: dict[SocketId, Endpoint] = {}
        """Those on PORT + 1."""
        self.engine_sockets: dict[SocketId, Endpoint] = {}
        """Those the punch engine asked for."""
        self.turned: deque[tuple[NodeId, bool]] = deque()
        """Peers that came to be reached directly, or no longer are, for the engine."""
        self.lifetime: float | None = None
        """Seconds a mapping lives in our own NAT, as far as proven; None: not known."""
        self.unsure_until = 0.0
        """Until then its measurement may still come, and a short life is feared; 0: there is no NAT."""
        self.rebound = False
        """A hole went dead: our NAT may have forgotten its table, and what was measured of it."""
        self.stale = False
        """Our own endpoints or neighbours changed and the engine does not know."""
        self.around = Surroundings()
        self.timers: Timers[tuple[Timer, object]] = Timers()
        self.out: deque[do.Command] = deque()
        self.news: deque[happened.Event] = deque()
        self.drops: dict[str, int] = {}
        self.leaving = False
        self.wanted = Sparse()
        self.root = bytes(8)
        """What keepalives say of the records held here."""
        self.woke_at = 0.0
        """When this host last woke: what was not heard before says nothing."""
        self._knocks: dict[str, TokenBucket] = {}

    def may_knock(self, endpoint: Endpoint, *, packets: int = 1, now: float) -> bool:
        """Whether an endpoint that only a record names may get `packets` more; counted, so that nobody aims us."""
        host = guess_source(Direct(SocketId(0), endpoint))
        bucket = self._knocks.get(host)
        if bucket is None:
            if len(self._knocks) >= MOST_HOSTS:
                self._knocks = {key: each for key, each in self._knocks.items() if each.full_at() > now}
            if len(self._knocks) >= MOST_HOSTS:
                self.drop("knock_hosts")
                return False
            bucket = self._knocks[host] = TokenBucket(depth=KNOCKS / 2, rate=KNOCKS / 2 / KNOCK_TIME, now=now)
        if bucket.take(packets, now=now):
            return True
        self.drop("knock_budget")
        return False

    def answered_from(self, endpoint: Endpoint) -> None:
        """Somebody of the network answers there: what was sent there counts no more."""
        self._knocks.pop(guess_source(Direct(SocketId(0), endpoint)), None)

    def forget_stranger(self, peer: Peer) -> None:
        """Keep nothing of one that no record names, that has no session and no way."""
        if not (peer.known or peer.session or peer.ways):
            self.peers.pop(peer.node, None)

    def peer(self, node: NodeId) -> Peer:
        """The peer, made when it is new."""
        peer = self.peers.get(node)
        if peer is None:
            peer = self.peers[node] = Peer(node)
        return peer

    def fresh_way(self, peer: Peer, where: Direct) -> Way | None:
        """The way that sends to the same endpoint by PORT, whatever local address it was known by; a socket of the
        engine's is a way of its own."""
        found = peer.ways.get(where)
        if found is not None or where.via in self.engine_sockets:
            return found
        for key, way in peer.ways.items():
            if isinstance(key, Direct) and key.endpoint == where.endpoint and key.via not in self.engine_sockets:
                return way
        return None

    def drop_way(self, peer: Peer, where: Where) -> None:
        """A way is no more, and with it the socket that only it used."""
        if peer.ways.pop(where, None) is None:
            return
        for timer in (Timer.CHALLENGE, Timer.SIZE, Timer.HOLE):
            self.timers.clear((timer, (peer.node, where)))
        if isinstance(where, Direct):
            self.release(where.via)

    def release(self, socket: SocketId) -> None:
        """Close a socket that the engine asked for, unless some way of somebody leads by it."""
        keys = (where for peer in self.peers.values() for where in peer.ways)
        if socket in self.engine_sockets and not any(isinstance(key, Direct) and key.via == socket for key in keys):
            del self.engine_sockets[socket]
            self.out.append(CloseSocket(socket))

    def own_lifetime(self, *, now: float) -> float | None:
        """Seconds to count on for mappings of our own NAT; None: as long as any keepalive needs."""
        if self.lifetime is None and now < self.unsure_until:
            return FEARED_LIFE
        return self.lifetime

    def self_view_changed(self) -> None:
        """Our own endpoints or neighbours changed."""
        self.stale = True
        self.news.append(happened.SelfViewChanged())

    def drop(self, reason: str) -> None:
        """Count one message that led nowhere."""
        self.drops[reason] = self.drops.get(reason, 0) + 1

    def socket_for(self, endpoint: Endpoint) -> SocketId | None:
        """The socket to dial `endpoint` by: the wildcard one of its family, else any of it."""
        family = [(sid, local) for sid, local in self.sockets.items() if local.is_ipv6 == endpoint.is_ipv6]
        wild = [sid for sid, local in family if local.host in ("0.0.0.0", "::")]
        return wild[0] if wild else (family[0][0] if family else None)

    def route(self, peer: Peer, way: Way) -> do.Route | None:
        """The way as the data plane needs it; a relayed one goes to the relay's own best direct way."""
        where, size, watch = way.where, way.size, False
        if not isinstance(where, Direct):
            relay = self.peers.get(where)
            first = relay.best_direct() if relay is not None else None
            if first is None or not isinstance(first.where, Direct):
                return None
            where, size, watch = first.where, min(size, first.size), peer.watched
        shape = way.redundancy.shape
        limit = shape.slices * (size - HEADER_SIZE) - LARGEST_TAG if shape.slices else 0
        return do.Route(where.via, where.endpoint, way.label, size, peer.small, watch, limit, shape.parity)

    def view(self, peer: Peer) -> happened.PathView:
        """What we send on to `peer`, for people."""
        if not peer.current:
            return happened.PathView("none", None, None, peer.since)
        where = peer.current[0]
        if isinstance(where, Direct):
            return happened.PathView("direct", where.endpoint, None, peer.since)
        relay = self.peers.get(where)
        first = relay.best_direct() if relay is not None else None
        endpoint = first.where.endpoint if first is not None and isinstance(first.where, Direct) else None
        return happened.PathView("relay", endpoint, where, peer.since)

    def settle(self, peer: Peer, *, now: float) -> None:
        """Choose again for `peer`, and tell the plane, the hall, and whoever is relayed by it."""
        routed = [(way, self.route(peer, way)) for way in peer.ways.values() if way.proven and peer.session]
        by_way = {way.where: route for way, route in routed if route is not None}
        ways = peer.choose([way for way, route in routed if route is not None], now=now)
        routes = tuple(by_way[way.where] for way in ways)
        chosen = tuple(way.where for way in ways)
        moved = chosen[:1] != peer.current[:1]
        if moved:
            peer.since = now
        peer.current = chosen
        if routes != peer.routes:
            peer.routes = routes
            self.out.append(do.UseRoutes(peer.node, routes))
        if chosen and not peer.reached and peer.heard_at is not None and peer.heard_at > peer.silent_at:
            peer.reached = True
            peer.tries = 0
            self.news.append(happened.PeerReached(peer.node))
        elif moved and peer.reached:
            self.news.append(happened.PathChanged(peer.node, self.view(peer)))
        if chosen:
            self.timers.clear((Timer.GIVE_UP, peer.node))
        best = peer.best_direct() if peer.session else None
        direct = best is not None and not best.down
        if direct != peer.direct:
            peer.direct = direct
            self.turned.append((peer.node, direct))
        gone = best is None or not isinstance(best.where, Direct) or (best.down and not peer.reached)
        before, peer.near = peer.near, None if best is None or gone else best.where
        if before != peer.near:
            self._neighbour_changed(peer, before, peer.near, now=now)

    def distrust(self, peer: Peer, way: Way, *, now: float) -> None:
        """Something is to come by this way soon, or it carries no more; until then a spare goes beside it."""
        way.doubtful = True
        if peer.vigil.doubted_at is None:
            peer.vigil.doubted_at = now
            self.timers.set((Timer.DOUBT, peer.node), now + way.patience(DOWN_AFTER))

    def is_used(self, peer: Peer, *, now: float) -> bool:
        """Whether user packets went to or came from a peer of late."""
        return peer.user_at > 0.0 and now - peer.user_at < USED

    def is_in_haste(self, peer: Peer, *, now: float) -> bool:
        """Whether user packets wait for a peer, or went to it a moment ago."""
        return peer.user_at > 0.0 and now - peer.user_at < IN_HASTE

    def is_spare(self, peer: Peer, way: Way, *, now: float) -> bool:
        """Whether a way over a relay is needless now: the peer is reached directly, and nobody sends to it."""
        if isinstance(way.where, Direct) or self.is_used(peer, now=now):
            return False
        best = peer.best_direct()
        return best is not None and not (best.doubtful or best.down or best.hole)

    def seek_relay(self, peer: Peer, *, now: float) -> None:
        """Look for a relay, as soon as what is under way had its time."""
        at = max(now, peer.sought_at + SEEK_AGAIN)
        if not self.is_in_haste(peer, now=now):
            at = max(at, (peer.session_at if peer.session else peer.dialled_at) + self._head_start(now=now))
        self.timers.set((Timer.DIAL_RELAY, peer.node), at)

    def crowd(self, *, now: float) -> int:
        """Members dialled of late by what their records name, beyond a few."""
        return max(0, sum(now - peer.dialled_at < REACH_AGAIN for peer in self.peers.values()) - FEW)

    def _head_start(self, *, now: float) -> float:
        near = [peer.ways.get(peer.near) for peer in self.peers.values() if peer.near is not None]
        trips = sorted(way.rtt.smoothed for way in near if way is not None and way.rtt.smoothed is not None)
        usual = HEAD_START_TRIPS * trips[len(trips) // 2] if trips else 0.0
        return min(HEAD_START_MOST, max(HEAD_START + HEAD_START_EACH * self.crowd(now=now), usual))

    def _neighbour_changed(self, peer: Peer, before: Where | None, after: Where | None, *, now: float) -> None:
        if after is None:
            self.news.append(happened.NeighbourDown(peer.node))
        else:
            self.news.append((happened.NeighbourMoved if before else happened.NeighbourUp)(peer.node))
        self.self_view_changed()
        for other in self.peers.values():
            lacking = other.known and not other.current and other is not peer
            if after is not None and before is None and lacking and self.wanted.wants(other, now=now):
                self._may_lead_to(other, now=now)
            if peer.node in other.current or (not other.current and peer.node in other.ways):
                self.settle(other, now=now)

    def _may_lead_to(self, lacking: Peer, *, now: float) -> None:
        """There is a new neighbour: perhaps it reaches one that we do not."""
        if now - lacking.dialled_at < REACH_AGAIN:
            self.seek_relay(lacking, now=now)
        else:
            lacking.tries = 0
            self.timers.set((Timer.REACH, lacking.node), now)
