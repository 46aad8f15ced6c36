"""Punched holes as ways: claimed, proven, kept, let go.

HoleOpened --> claimed --Challenge answered--> proven: both ways until more comes by it --> in use
                  |                                                                          |
   unfair, or     +-- not in time --> HoleRefused, socket closed     5 min without traffic --+--> relay, socket closed
"""

from __future__ import annotations

from collections.abc import Callable

from overlay.paths import commands as do
from overlay.paths.board import Board, Timer
from overlay.paths.endpoints import may_claim
from overlay.paths.facts import Where
from overlay.paths.peer import Peer
from overlay.paths.proving import Proving
from overlay.values import Direct, NodeId
from punch.events import HoleOpened
from punch.facts import HoleRefused
from punch.values import Endpoint, SocketId

PROOF_WITHIN = 3.0
"""Seconds a claimed hole has for the first Answer: Challenges go at 0, 250 and 750 ms."""
IDLE = 300.0
"""Seconds without user packets after which a hole is let go (design section 4)."""
LET_GO_FOR = 10.0
"""Seconds in which what still comes from a hole let go of does not bring it back: the other side's 5 minutes end a
moment later."""
RELAY_WAIT = 2.0
"""Seconds a relay has to be found before a hole is let go ..."""
RELAY_AGAIN = 60.0
"""... and until it is looked for again, where there is none: then the hole stays."""
MOST_CLAIMED = 8
"""Holes of one peer that wait for their proof; more are refused."""
MOST_REMEMBERED = 8
"""Holes of one peer that are remembered."""


class Holes:
    """The part of `paths` that makes ways of holes."""

    def __init__(self, board: Board, proving: Proving, refuse: Callable[..., None]) -> None:
        """`refuse` tells the engine HoleRefused."""
        self._board = board
        self._proving = proving
        self._refuse = refuse
        self._seeking: dict[tuple[NodeId, Where], float] = {}
        """Holes about to be let go, and since when a relay is looked for."""

    def claim(self, event: HoleOpened, *, now: float) -> None:
        """A probe came through: the socket is ours now, and the hole is to be proven."""
        peer, where = self._board.peers.get(NodeId(event.peer)), Direct(event.via, event.endpoint)
        if peer is None or not self._is_fair(peer, event.endpoint):
            self._board.release(event.via)
            self._refuse(HoleRefused(event.peer, event.via, event.endpoint), now=now)
            return
        way = peer.way(where, peer.label)
        way.hole, way.lifetime = True, event.lifetime
        way.candidate = False
        self._remember(peer, event.endpoint, event.lifetime)
        if way.proven:
            return
        self._board.timers.clear((Timer.CHALLENGE, (peer.node, where)))
        self._board.timers.set((Timer.HOLE, (peer.node, where)), now + PROOF_WITHIN)
        self._proving.ask(peer, way, now=now)

    def _is_fair(self, peer: Peer, endpoint: Endpoint) -> bool:
        """Whether a hole may be claimed: whoever makes probes names their source at will."""
        board = self._board
        if not peer.session or board.leaving:
            return False
        if not may_claim(endpoint, peer.endpoints, around=board.around, shares_public=peer.shares_public):
            board.drop("hole_endpoint")
            return False
        claimed = [way for way in peer.ways.values() if way.hole and not (way.proven or way.candidate)]
        if len(claimed) >= MOST_CLAIMED:
            board.drop("hole_claims")
            return False
        return True

    def _remember(self, peer: Peer, endpoint: Endpoint, lifetime: float | None) -> None:
        peer.holes.pop(endpoint, None)
        peer.holes[endpoint] = lifetime
        peer.let_go.pop(endpoint, None)
        while len(peer.holes) > MOST_REMEMBERED:
            del peer.holes[next(iter(peer.holes))]

    def uses(self, socket: SocketId) -> bool:
        """Whether a way leads by this socket, so that it is not the engine's to close."""
        return any(
            isinstance(where, Direct) and where.via == socket and (way.hole or way.proven)
            for peer in self._board.peers.values()
            for where, way in peer.ways.items()
        )

    def due(self, about: tuple[NodeId, Direct], *, now: float) -> None:
        """A hole was to be proven by now; or it is, and somebody looks whether it is used."""
        node, where = about
        peer = self._board.peers.get(node)
        way = peer.ways.get(where) if peer is not None else None
        if peer is None or way is None:
            return
        if way.proven_at is None:
            self._board.drop_way(peer, where)
            self._board.settle(peer, now=now)
            self._refuse(HoleRefused(node, where.via, where.endpoint), now=now)
            return
        if way.doubtful:
            self._proving.ask(peer, way, now=now)
        used = max(way.proven_at, peer.user_at)
        if now < used + IDLE - 0.001:
            self._seeking.pop((node, where), None)
            self._keep_alive(peer, now=now)
            self._board.timers.set((Timer.HOLE, about), used + IDLE)
        else:
            self._let_go(peer, where, now=now)

    def _keep_alive(self, peer: Peer, *, now: float) -> None:
        """The next keepalive counts by the hole's lifetime."""
        self._board.timers.set((Timer.KEEPALIVE, peer.node), now + 1.0)

    def _let_go(self, peer: Peer, where: Direct, *, now: float) -> None:
        """Nobody uses it: back to a relay, where one carries; it comes back with traffic."""
        about, relayed = (peer.node, where), peer.best_relayed()
        if relayed is None or self._board.route(peer, relayed) is None:
            since = self._seeking.setdefault(about, now)
            if now - since >= RELAY_WAIT:
                del self._seeking[about]
                self._board.timers.set((Timer.HOLE, about), now + RELAY_AGAIN)
                return
            self._board.out.append(do.FindRelay(peer.node))
            self._board.timers.set((Timer.HOLE, about), now + RELAY_WAIT)
            return
        self._seeking.pop(about, None)
        peer.let_go = {endpoint: until for endpoint, until in peer.let_go.items() if until > now}
        peer.let_go[where.endpoint] = now + LET_GO_FOR
        peer.watched = True
        self._board.drop_way(peer, where)
        self._board.settle(peer, now=now)
