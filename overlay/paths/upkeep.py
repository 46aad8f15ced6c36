"""Ways kept alive: keepalive, round trips, reports, silence (protocol sections 4 and 5)."""

from __future__ import annotations

from overlay.paths import commands as do
from overlay.paths import events as happened
from overlay.paths import facts as told
from overlay.paths.board import Board, Timer
from overlay.paths.dialling import Dialling
from overlay.paths.estimate import Totals
from overlay.paths.facts import Where
from overlay.paths.peer import Peer
from overlay.paths.proving import Proving
from overlay.paths.way import Way
from overlay.wire.messages import Ping, Pong, Report

KEEPALIVE = 25.0
"""Seconds without having sent, then a Ping (protocol section 5)."""
LIFE_SHARE = 0.8
"""Of a mapping's learned lifetime; each side's own datagrams keep its own NAT's mapping (RFC 4787, REQ-6)."""
HOLE_UNKNOWN = 12.0
"""Seconds, where no lifetime is known: some carriers' NATs forget after 15 (nat-science section 1.3)."""
LEAST, HOLE_MOST = 3.0, 55.0
SILENCE_IDLE = 65.0
"""Seconds without hearing an idle peer: two keepalives and a margin."""
SILENCE_HOLE = 125.0
"""The same where the other side may keep a hole open with HOLE_MOST."""
REDIAL_AFTER = 5.0
"""Seconds of sending with nothing opened until a new handshake starts in parallel (protocol section 4)."""
UNREPORTED_AFTER = 2.2
"""Seconds of sending without a Report while something is heard: large datagrams are lost (protocol section 5), or
all that goes this way is."""
HEAVY = 0.2
"""Share of slices missed from which on the size of datagrams may be the reason."""
STRADDLES = 1.0
"""Seconds after a change of the way in which Reports still tell of the one before."""
RTT_EVERY = 5.0
"""Seconds between round trips measured under traffic."""
BUSY = 1.5
"""Seconds since the last packet went in which a peer counts as being sent to; counters come each second."""
SENDING = 0.1
"""Seconds since the last packet went in which a round trip shows what it meets."""
PONG_SIZE = 65
"""Bytes of a sealed Pong at most."""
MOST_PINGS = 64
"""Unanswered Pings remembered for one peer."""


class Upkeep:
    """The part of `paths` that keeps ways alive."""

    def __init__(self, board: Board, proving: Proving, dialling: Dialling) -> None:
        self._board = board
        self._proving = proving
        self._dialling = dialling

    def heard(self, peer: Peer, where: Where, *, now: float) -> None:
        """Something of `peer` opened."""
        way = peer.ways.get(where)
        if way is not None:
            doubted = way.doubtful
            way.heard(now=now)
            if doubted:
                self._board.settle(peer, now=now)
        self.alive(peer, now=now)

    def alive(self, peer: Peer, *, now: float) -> None:
        """The peer is there, whatever the way."""
        peer.heard_at = now
        if peer.current:
            self._board.timers.clear((Timer.REDIAL, peer.node))
        if self._board.timers.get((Timer.SILENCE, peer.node)) is None:
            self._board.timers.set((Timer.SILENCE, peer.node), now + SILENCE_IDLE)
        if not peer.reached and peer.current:
            self._board.settle(peer, now=now)

    def session_up(self, peer: Peer, *, now: float) -> None:
        """From now on something is sent at least every 25 s."""
        self.keep_soon(peer, now=now)

    def keep_soon(self, peer: Peer, *, now: float) -> None:
        """Count the keepalive anew: the way, or what is known of our NAT, changed."""
        wait = _keepalive(peer, self._board.own_lifetime(now=now))
        self._board.timers.set((Timer.KEEPALIVE, peer.node), max(now, peer.last_tx + wait))

    def keepalive(self, peer: Peer, *, now: float) -> None:
        """Ping where nothing was sent for long enough."""
        if not peer.session or self._board.leaving:
            return
        wait = _keepalive(peer, self._board.own_lifetime(now=now))
        if now - peer.last_tx >= wait - 0.001 and peer.current:
            self._ping(peer, 0, None, now=now)
            peer.last_tx = now
        self._board.timers.set((Timer.KEEPALIVE, peer.node), max(peer.last_tx + wait, now + 1.0))

    def silence(self, peer: Peer, *, now: float) -> None:
        """Still there?"""
        heard = max(peer.heard_at or 0.0, self._board.woke_at)
        patience = SILENCE_HOLE if _by_hole(peer) is not None else SILENCE_IDLE
        if now - heard < patience - 0.001:
            self._board.timers.set((Timer.SILENCE, peer.node), heard + patience)
            return
        self.fall_silent(peer, now=now)

    def fall_silent(self, peer: Peer, *, now: float) -> None:
        """No proof of a way holds any more; where the peer is known it is dialled anew."""
        self.say_silent(peer, now=now)
        for way in list(peer.ways.values()):
            way.doubt()
        self._board.settle(peer, now=now)
        if peer.known and not self._board.leaving:
            self._board.timers.set((Timer.REDIAL, peer.node), now)

    def say_silent(self, peer: Peer, *, now: float) -> None:
        """Nothing of the peer opens by any way, as far as can be seen; its ways go on being tried."""
        if peer.reached:
            peer.reached = False
            peer.silent_at = now
            self._board.news.append(happened.PeerSilent(peer.node))
            self._board.settle(peer, now=now)

    def ping(self, peer: Peer, token: int | None, *, now: float) -> None:
        """Measure one round trip; `token` names who asked."""
        req = self._board.entropy.getrandbits(32) or 1
        while len(peer.pings) >= MOST_PINGS:
            del peer.pings[next(iter(peer.pings))]
        peer.pings[req] = (token, now)
        self._ping(peer, req, token, now=now)

    def probe(self, peer: Peer, way: Way, *, now: float) -> None:
        """A sign of life by this way is wanted: a Ping, which is small."""
        req = self._board.entropy.getrandbits(32) or 1
        while len(peer.pings) >= MOST_PINGS:
            del peer.pings[next(iter(peer.pings))]
        peer.pings[req] = (None, now)
        self._board.out.append(do.SendOn(peer.node, way.where, Ping(req, self._board.root)))

    def _ping(self, peer: Peer, req: int, token: int | None, *, now: float) -> None:
        way = peer.control_way()
        if way is None:
            if token is not None:
                self._dialling.traffic_waiting(peer, now=now)
            return
        self._board.out.append(do.SendOn(peer.node, way.where, Ping(req, self._board.root)))

    def pinged(self, peer: Peer, where: Where, message: Ping) -> None:
        """Answer where RTT is wanted."""
        way = peer.ways.get(where)
        if message.req and (way is None or way.spend(PONG_SIZE)):
            self._board.out.append(do.SendOn(peer.node, where, Pong(message.req, self._board.root)))

    def ponged(self, peer: Peer, where: Where, message: Pong, *, now: float) -> None:
        """Take the round trip."""
        entry = peer.pings.pop(message.req, None)
        if entry is None:
            self._board.drop("pong_unasked")
            return
        token, sent = entry
        way = peer.ways.get(where)
        if way is not None:
            way.rtt.sample(now - sent)
            way.verified_at = now
            if way.redundancy.measured(now - sent, way.rtt.floor, now=now):
                self._board.settle(peer, now=now)
        if token is not None:
            self._board.news.append(happened.PongHeard(peer.node, token, now - sent, self._board.view(peer)))

    def reported(self, peer: Peer, message: Report, *, now: float) -> None:
        """What the peer got of what we sent."""
        totals = Totals(message.complete, message.incomplete, message.slices, message.missed, message.rebuilt)
        added = peer.loss.report(totals, now=now)
        peer.report_at = now
        peer.vigil.looks = 0
        way = peer.ways.get(peer.current[0]) if peer.current else None
        if way is None or way.doubtful or now - peer.since < STRADDLES:
            return
        way.reported = True
        way.told += added.slices + added.missed
        if way.redundancy.reported(added, way.rtt.floor, now=now):
            self._board.settle(peer, now=now)
        if added.complete and added.missed > HEAVY * (added.slices + added.missed):
            self._proving.doubt_size(peer, way, now=now)

    def data(self, peer: Peer, sent: float, heard: float, *, now: float) -> None:
        """What the plane says of when data last went and came."""
        if heard > (peer.heard_at or 0.0):
            way = peer.ways.get(peer.current[0]) if peer.current else None
            if way is not None and not way.doubtful:
                way.heard_at = heard
            self.alive(peer, now=now)
            peer.heard_at = heard
        peer.last_tx = max(peer.last_tx, sent)
        peer.user_at = max(peer.user_at, sent, heard)
        if now - sent <= SENDING and peer.session and peer.current:
            way = peer.ways.get(peer.current[0])
            if way is not None and way.redundancy.wants_rtt(now=now):
                self.ping(peer, None, now=now)

    def traffic(self, peer: Peer, fact: told.Traffic, *, now: float) -> None:
        """The plane's counters, each second."""
        self.data(peer, fact.last_tx, fact.last_rx, now=now)
        self._report(peer, fact)
        if fact.last_tx <= now - BUSY or not peer.session or peer.heard_at is None:
            peer.busy_since = None
            return
        if peer.busy_since is None:
            peer.busy_since = now
        if now >= peer.next_rtt:
            peer.next_rtt = now + RTT_EVERY
            self.ping(peer, None, now=now)

    def _report(self, peer: Peer, fact: told.Traffic) -> None:
        report = Report(fact.complete, fact.incomplete, fact.highest, fact.slices, fact.missed, fact.rebuilt)
        if peer.session and _fate(report) != _fate(peer.reported) and (way := peer.control_way()) is not None:
            peer.reported = report
            self._board.out.append(do.SendOn(peer.node, way.where, report))


def _fate(report: Report) -> tuple[int, int, int]:
    """What makes a report worth sending."""
    return (report.complete, report.incomplete, report.missed)


def _by_hole(peer: Peer) -> Way | None:
    """The way in use, where it is a punched hole."""
    way = peer.ways.get(peer.current[0]) if peer.current else None
    return way if way is not None and way.hole else None


def _keepalive(peer: Peer, own: float | None) -> float:
    """Seconds without having sent until a Ping keeps the way in use open; `own`: the lifetime in our own NAT."""
    way = _by_hole(peer)
    if way is None:
        return KEEPALIVE if own is None else min(KEEPALIVE, max(LEAST, own * LIFE_SHARE))
    if way.lifetime is None:
        return HOLE_UNKNOWN
    return min(HOLE_MOST, max(LEAST, way.lifetime * LIFE_SHARE))
