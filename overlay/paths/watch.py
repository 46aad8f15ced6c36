"""Failure noticed by traffic (design section 3): who is sent to and not heard is doubted, tried by other ways, left.

quiet --> way in doubt: asked, with every other; data goes by a spare too
            |-- something came by it --> believed again
            |-- nothing in time ------> down: the spare carries alone
            +-- nothing of the peer by any way --> silent

A Challenge end to end decides for each way, whoever carries it: a relay that died need not be found out first. What
ICMP or our own kernel says is reason to ask, never to believe.
"""

from __future__ import annotations

from overlay.paths import commands as do
from overlay.paths import facts as told
from overlay.paths.board import DOWN_AFTER, Board, Timer
from overlay.paths.peer import Peer
from overlay.paths.proving import QUICK_TRIES, QUICK_WAIT, Proving
from overlay.paths.upkeep import REDIAL_AFTER, UNREPORTED_AFTER, Upkeep
from overlay.paths.way import FIRST_REST, Way
from overlay.values import Direct, NodeId

ANSWER = 0.05
"""Seconds an answer needs at least, whatever the round trip: two processes have to run."""
SILENT_AFTER, SILENT_ALONE = 0.9, 2.5
"""Seconds of sending with nothing opened by any way until a peer is silent: where others are heard meanwhile; and
where nobody is, so that our own link may be the fault."""
ENOUGH = 15
"""Looks at which something new was sent until the lack of Reports is evidence."""
LOSSY = 0.01
"""Loss from which on Reports may be what was lost: twice the time."""
OFTEN, OFTEN_WITHIN = 4, 6.0
"""A way that was doubted so often within so many seconds, and answered each time, carries less than it says."""
SILENCE_BUSY = 10.0
"""Seconds without hearing a peer that we keep sending to until no proof of its ways holds any more."""


class Watch:
    """The part of `paths` that watches what is sent."""

    def __init__(self, board: Board, proving: Proving, upkeep: Upkeep) -> None:
        self._board = board
        self._proving = proving
        self._upkeep = upkeep

    # --- looks ---

    def pulse(self, fact: told.Pulse, *, now: float) -> None:
        """A quick look at the plane."""
        peer = self._board.peers.get(fact.peer)
        if peer is not None:
            self._upkeep.data(peer, fact.last_tx, fact.last_rx, now=now)
            self.look(peer, fact.last_tx, now=now)

    def look(self, peer: Peer, sent: float, *, now: float) -> None:
        """How long was nothing heard of a peer that we send to, last at `sent`?"""
        if not peer.session or peer.heard_at is None:
            return
        vigil = peer.vigil
        vigil.look(sent, peer.heard_at)
        way = peer.ways.get(peer.current[0]) if peer.current else None
        if way is not None and not way.doubtful and not way.down:
            answer = _answer(way)
            if vigil.is_doubtful(answer, now=now):
                self.doubt(peer, way, now=now)
            elif vigil.is_suspect(answer, now=now):
                vigil.asked_at = now
                self._upkeep.probe(peer, way, now=now)
        self._unreported(peer, way, now=now)
        self._long_quiet(peer, now=now)

    def _unreported(self, peer: Peer, way: Way | None, *, now: float) -> None:
        """The peer is heard, and says nothing of what we keep sending: pings pass, data does not."""
        if way is None or way.doubtful or peer.busy_since is None:
            return
        since = max(peer.report_at, peer.busy_since, peer.since, peer.unreported_at)
        after = UNREPORTED_AFTER * (2 if way.redundancy.loss >= LOSSY else 1) + way.patience(0.0)
        if now - since >= after and peer.vigil.looks >= ENOUGH:
            peer.unreported_at = now
            peer.vigil.looks = 0
            self._proving.back_to_base(peer, way, now=now)
            self._leave(peer, way, now=now)

    def _leave(self, peer: Peer, way: Way, *, now: float) -> None:
        """It answers, and carries nothing: another way goes first for a while."""
        if peer.spare(way, now=now) is None:
            self.doubt(peer, way, now=now)
        else:
            way.fall(rest=FIRST_REST, now=now)
            self._board.settle(peer, now=now)

    def _long_quiet(self, peer: Peer, *, now: float) -> None:
        quiet = peer.vigil.quiet(now)
        if quiet >= REDIAL_AFTER and self._board.timers.get((Timer.REDIAL, peer.node)) is None:
            self._board.timers.set((Timer.REDIAL, peer.node), now)
        if quiet >= SILENCE_BUSY and any(way.proven for way in peer.ways.values()):
            self._upkeep.fall_silent(peer, now=now)

    def refused(self, fact: told.SendRefused, *, now: float) -> None:
        """Our own kernel would not send."""
        peer = self._board.peers.get(fact.peer)
        way = peer.ways.get(peer.current[0]) if peer is not None and peer.current else None
        if peer is not None and way is not None and not way.doubtful and not way.down:
            self.doubt(peer, way, now=now)

    # --- doubt ---

    def doubt(self, peer: Peer, way: Way, *, now: float) -> None:
        """Ask on every way; a spare is used together with the doubtful one until it answers."""
        if way.doubtful or not peer.session:
            return
        peer.doubts = (*(at for at in peer.doubts if now - at < OFTEN_WITHIN), now)
        if len(peer.doubts) >= OFTEN and peer.spare(way, now=now) is not None:
            peer.doubts = ()
            self._leave(peer, way, now=now)
        self._board.distrust(peer, way, now=now)
        for each in list(peer.ways.values()):
            self._proving.ask(peer, each, now=now)
        self._board.settle(peer, now=now)
        if not any(self._is_sound(each) for each in peer.ways.values() if each is not way):
            self._board.out.append(do.FindRelay(peer.node))
        if not isinstance(way.where, Direct):
            self._ask_relay(way.where, now=now)
        if not self._greet_relays(peer, now=now):
            self._call_witness(peer, now=now)

    @staticmethod
    def _is_sound(way: Way) -> bool:
        return way.proven and not way.doubtful and not way.down and not isinstance(way.where, Direct)

    def _ask_relay(self, relay: NodeId, *, now: float) -> None:
        """Perhaps it is the relay that is gone."""
        carrier = self._board.peers.get(relay)
        way = carrier.best_direct() if carrier is not None else None
        if carrier is not None and way is not None and not way.doubtful and not way.down:
            if carrier.vigil.since is None:
                carrier.vigil.since = now
            self.doubt(carrier, way, now=now)

    def _greet_relays(self, peer: Peer, *, now: float) -> bool:
        """Our own address may be another since a while: relays take frames of a circuit only from where they know us
        to be, and learn it by what opens with them alone. Whether there are any."""
        carriers = [self._board.peers.get(where) for where in peer.ways if not isinstance(where, Direct)]
        for carrier in carriers:
            way = carrier.best_direct() if carrier is not None and carrier.session else None
            if carrier is not None and way is not None:
                self._proving.ask(carrier, way, now=now)
        return any(carriers)

    def _call_witness(self, peer: Peer, *, now: float) -> None:
        """Somebody else, who shows that our own link works, if he answers."""
        for other in self._board.peers.values():
            way = other.best_direct() if other is not peer and other.session else None
            if way is not None and not way.doubtful and not way.down:
                self._upkeep.probe(other, way, now=now)
                return

    def overdue(self, peer: Peer, *, now: float) -> None:
        """The ways that were doubted had their time."""
        vigil = peer.vigil
        since = vigil.doubted_at
        if since is None or not peer.session:
            return
        waits = [self._judge(peer, way, since, now=now) for way in list(peer.ways.values())]
        self._board.settle(peer, now=now)
        heard, wait = (peer.heard_at or 0.0) > since, max(waits, default=0.0)
        if not heard and vigil.since is not None:
            wait = self._verdict(peer, min(since, vigil.since), now=now)
        if wait > 0.0:
            self._board.timers.set((Timer.DOUBT, peer.node), now + max(wait, 0.01))
        else:
            vigil.doubted_at = None

    def _judge(self, peer: Peer, way: Way, since: float, *, now: float) -> float:
        """Seconds that a way in doubt still has; one that had its time is down."""
        if not way.proven or not way.doubtful or way.down:
            return 0.0
        left = since + way.patience(DOWN_AFTER) - now
        if (
            left <= 0.001
            and way.tries < QUICK_TRIES
            and self._board.timers.get((Timer.CHALLENGE, (peer.node, way.where)))
        ):
            left = QUICK_WAIT
        if left <= 0.001:
            self._mark_down(peer, way, since, now=now)
            return 0.0
        return left

    def _verdict(self, peer: Peer, since: float, *, now: float) -> float:
        """Nothing of the peer was heard by any way: seconds until it is called silent, or it is now."""
        wanted = SILENT_AFTER if self._hears_others(peer, since) else SILENT_ALONE
        slowest = max((way.patience(0.0) for way in peer.ways.values() if way.proven), default=0.0)
        left = max(wanted, DOWN_AFTER + slowest) - (now - since)
        if left <= 0.001:
            self._upkeep.say_silent(peer, now=now)
            return 0.0
        return min(left, 0.2)

    def _mark_down(self, peer: Peer, way: Way, since: float, *, now: float) -> None:
        if peer.current[:1] == (way.where,) and (peer.heard_at or 0.0) > since:
            way.fall(rest=0.0, now=now)  # the peer is there, by others
        way.down = True
        self._board.rebound = self._board.rebound or way.hole
        if isinstance(way.where, Direct):
            self._leave_relay(peer, now=now)

    def _leave_relay(self, relay: Peer, *, now: float) -> None:
        """A neighbour does not answer: whoever is reached over it, and used, is tried by other ways too."""
        best = relay.best_direct()
        if best is not None and not best.down:
            return
        for peer in list(self._board.peers.values()):
            way = peer.ways.get(relay.node)
            if way is not None and peer.current[:1] == (relay.node,) and self._board.is_used(peer, now=now):
                self.doubt(peer, way, now=now)

    def _hears_others(self, peer: Peer, since: float) -> bool:
        return any((other.heard_at or 0.0) >= since for other in self._board.peers.values() if other is not peer)


def _answer(way: Way) -> float:
    """Seconds in which an answer comes by a way that works, as a rule."""
    if way.rtt.smoothed is None:
        return 1.0
    return max(ANSWER, 1.5 * way.rtt.smoothed + 4.0 * (way.rtt.jitter or 0.0))
