"""Spare ways, found and kept warm for peers that user packets go to, so that switching needs no search.

    in use:  direct --------> peer          warm:  another direct one, one relay
    in use:  relay r1 -r1---> peer          warm:  relay r2

Traffic that lasted asks for them; a Ping by each now and then keeps its circuit and mappings and shows that it works.
Peers without traffic of late get none of this.
"""

from __future__ import annotations

from overlay.paths import commands as do
from overlay.paths.board import Board
from overlay.paths.peer import Peer
from overlay.paths.proving import Proving
from overlay.paths.upkeep import Upkeep
from overlay.paths.way import Way
from overlay.values import Direct, NodeId

LASTING = 1.0
"""Seconds that traffic lasts until it is worth a spare: a ping alone is not."""
WARM_FOR = 120.0
"""Seconds after the last user packet in which spares are kept warm."""
PROVE_EVERY = 20.0
"""Seconds between two signs of life of a spare: circuits idle for 60 end (protocol section 7)."""
SEEK_EVERY, SEEK_LAST = 2.0, 60.0
"""Seconds between two searches for relays while there are too few; doubles."""
MOST_CALLED = 8
"""Lost neighbours that are asked at once when packets wait and no way leads anywhere."""
RELAYS_DIRECT, RELAYS_RELAYED = 1, 2
"""Relayed ways that are to stand for a peer reached directly, and for one that is not, the one in use among them."""


class Spares:
    """The part of `paths` that keeps ways in reserve."""

    def __init__(self, board: Board, proving: Proving, upkeep: Upkeep) -> None:
        self._board = board
        self._proving = proving
        self._upkeep = upkeep

    def tend(self, peer: Peer, *, now: float) -> None:
        """Once a second for each peer with a session."""
        if not peer.current or not peer.session or self._board.leaving:
            return
        if peer.busy_since is not None and now - peer.busy_since >= LASTING:
            peer.lasted_at = now
        if peer.lasted_at is None or now - peer.lasted_at > WARM_FOR:
            return
        relayed = 0
        for way in self._kept(peer):
            self._prove(peer, way, now=now)
            relayed += not isinstance(way.where, Direct)
        wanted = RELAYS_DIRECT if isinstance(peer.current[0], Direct) else RELAYS_RELAYED - 1
        if relayed < wanted:
            self._seek(peer, now=now)

    def _kept(self, peer: Peer) -> list[Way]:
        """The proven ways that are not in use: the best direct one and the best relays."""
        idle = [way for way in peer.ways.values() if way.proven and way.where not in peer.current]
        direct = [way for way in idle if isinstance(way.where, Direct)]
        relayed = [way for way in idle if not isinstance(way.where, Direct)]
        return [*sorted(direct, key=_rank)[:1], *sorted(relayed, key=_rank)[:RELAYS_RELAYED]]

    def _prove(self, peer: Peer, way: Way, *, now: float) -> None:
        """A Ping when it is time; one that stays unanswered puts the way in doubt, and Challenges decide."""
        heard = max(way.heard_at or 0.0, way.proven_at or 0.0)
        if way.pinged_at > heard and now - way.pinged_at >= way.patience(1.0) and not way.doubtful:
            way.doubtful = True
            self._proving.ask(peer, way, now=now)
        elif now - max(heard, way.pinged_at) >= PROVE_EVERY and not way.doubtful:
            way.pinged_at = now
            self._upkeep.probe(peer, way, now=now)

    def _seek(self, peer: Peer, *, now: float) -> None:
        if now < peer.seek_at:
            return
        wait = min(SEEK_LAST, SEEK_EVERY * 2.0 ** min(peer.seeks, 6))
        peer.seeks += 1
        peer.seek_at = now + wait * (0.75 + self._board.entropy.random() / 2)
        peer.seeking = True
        self._board.out.append(do.FindRelay(peer.node))

    def found(self, peer: Peer, relays: tuple[NodeId, ...]) -> bool:
        """Who may carry, best first; whether that was the answer to a search of ours."""
        asked, peer.seeking = peer.seeking, False
        if not asked or not peer.current:
            return False
        fresh = [relay for relay in relays if relay not in peer.ways]
        if fresh:
            self._board.out.append(do.WantCircuit(peer.node, fresh[0]))
        else:
            peer.seek_at += SEEK_LAST / 2
        return True

    def call_neighbours(self, *, now: float) -> None:
        """Packets wait and no way leads there: those who were neighbours until of late may carry, if they are back."""
        lost = [
            peer for peer in self._board.peers.values() if peer.session and peer.best_direct() is None and peer.ways
        ]
        for peer in sorted(lost, key=lambda peer: -(peer.heard_at or 0.0))[:MOST_CALLED]:
            for way in list(peer.ways.values()):
                if isinstance(way.where, Direct) and way.routable:
                    self._proving.ask_anew(peer, way, now=now)

    def circuit_stands(self, peer: Peer) -> None:
        """One more way: the next search begins with a short wait again."""
        peer.seeks = 0


def _rank(way: Way) -> tuple[bool, float]:
    return (way.doubtful or way.down, way.rtt.smoothed if way.rtt.smoothed is not None else 1.0)
