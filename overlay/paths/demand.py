"""What user packets ask for: a way where none leads, a direct one, spares, a watch over those in use.

TrafficWaiting, TrafficBegan, PingAsked --> a way is looked for, or a direct one punched
Traffic (each second) --> reports, silence, spares, trials
"""

from __future__ import annotations

from overlay.paths import facts as told
from overlay.paths.board import Board
from overlay.paths.dialling import Dialling
from overlay.paths.punching import Punching
from overlay.paths.spares import Spares
from overlay.paths.trial import Trials
from overlay.paths.upkeep import BUSY, Upkeep
from overlay.paths.watch import Watch


class Demand:
    """The part of `paths` that hears of user packets."""

    def __init__(
        self,
        board: Board,
        upkeep: Upkeep,
        watch: Watch,
        punching: Punching,
        *,
        dialling: Dialling,
        spares: Spares,
        trials: Trials,
    ) -> None:
        self._board = board
        self._upkeep = upkeep
        self._watch = watch
        self._punching = punching
        self._dialling = dialling
        self._spares = spares
        self._trials = trials

    def waiting(self, fact: told.TrafficWaiting, *, now: float) -> None:
        """Packets for a peer are held."""
        peer = self._board.peer(fact.peer)
        if not peer.routes:
            self._spares.call_neighbours(now=now)
        self._dialling.traffic_waiting(peer, now=now)
        self._punching.traffic(peer, now=now)

    def counted(self, fact: told.Traffic, *, now: float) -> None:
        """The plane's counters of a peer, each second."""
        peer = self._board.peers.get(fact.peer)
        if peer is None:
            return
        if fact.small != peer.small:
            peer.small = fact.small
            self._board.settle(peer, now=now)
        self._upkeep.traffic(peer, fact, now=now)
        self._watch.look(peer, fact.last_tx, now=now)
        self._spares.tend(peer, now=now)
        self._trials.tend(peer, now=now)
        if fact.last_tx and fact.last_tx > now - BUSY:
            self._punching.traffic(peer, now=now)
        elif not peer.watched:
            # A pause: the plane says when it is over.
            peer.watched = True
            self._board.settle(peer, now=now)

    def began(self, fact: told.TrafficBegan, *, now: float) -> None:
        """User packets go by a relay again, after a pause."""
        peer = self._board.peers.get(fact.peer)
        if peer is not None:
            peer.watched, peer.user_at = False, now
            self._board.settle(peer, now=now)
            self._punching.traffic(peer, now=now)

    def direct_asked(self, fact: told.DirectAsked, *, now: float) -> None:
        """A person wants a direct way."""
        peer = self._board.peers.get(fact.peer)
        if peer is not None and peer.best_direct() is None:
            self._punching.demanded(fact.peer, now=now)

    def ping_asked(self, fact: told.PingAsked, *, now: float) -> None:
        """A person wants a round trip."""
        peer = self._board.peer(fact.peer)
        peer.user_at = now
        self._upkeep.ping(peer, fact.token, now=now)
        self._punching.traffic(peer, now=now)
