"""Members heard on the link by their beacons: one dial each, where nobody is known to be (protocol section 10).

beacon --on-link? nobody known there? not lately?--> WAIT --still nobody--> one dial, 4 packets
                                                      |
                                                      +-- its record came, or it dialled us --> nothing

The wait is short and random, the longer the more members there are: a newcomer among two hundred is dialled by some.
"""

from __future__ import annotations

from overlay.paths import commands as do
from overlay.paths import facts as told
from overlay.paths.board import Board, Timer
from overlay.paths.endpoints import may_dial
from overlay.paths.peer import Peer
from overlay.paths.way import TRIES
from overlay.values import Direct
from punch.limiter import TokenBucket
from punch.values import Endpoint

AGAIN = 55.0
"""Seconds until a beacon from the same endpoint may cause another dial: less than between two beacons of a member."""
REFUSED_AGAIN = 3600.0
"""The same, once it turned out to be of another secret: two homes may have one name."""
MOST_SOURCES = 256
"""Endpoints remembered."""
DEPTH, RATE = 16, 0.5
"""Dials at once, and a second: beacons cost their sender next to nothing."""
LOOKS_DEPTH, LOOKS_RATE = 64, 8.0
"""Beacons looked up among all members at once, and a second: some milliseconds each among a thousand. Two hundred
members on one link send half as many."""
WAIT_A_MEMBER, LONGEST_WAIT = 0.01, 1.0
"""Seconds of waiting for each member known, and at most."""
CROWD = 32
"""Members above which not all have sessions with each other (design section 3): one that is known is left alone."""
STOP_AFTER = 3.7
"""As for endpoints out of a record: 4 packets."""


class Nearby:
    """The part of `paths` that hears of members on the link."""

    def __init__(self, board: Board, *, now: float) -> None:
        self._board = board
        self._bucket = TokenBucket(depth=DEPTH, rate=RATE, now=now)
        self._looks = TokenBucket(depth=LOOKS_DEPTH, rate=LOOKS_RATE, now=now)
        self._rest: dict[Endpoint, float] = {}
        """Endpoint -> until when its beacons are not heeded, the oldest first."""

    def heard(self, fact: told.BeaconHeard, *, now: float) -> None:
        """Somebody who knows the network's name is at `source`."""
        source, around = fact.source, self._board.around
        bare = Endpoint(source.transport, source.host.partition("%")[0], source.port)
        if not around.on_link(source.host) or not may_dial(bare, around=around, shares_public=False):
            self._board.drop("beacon_off_link")
        elif self._rest.get(source, 0.0) > now or not self._looks.take(now=now):
            self._board.drop("beacon_rate")
        elif self._is_known(source):
            pass
        elif not self._bucket.take(now=now):
            self._board.drop("beacon_rate")
        else:
            self._keep(source, until=now + AGAIN)
            members = sum(peer.known for peer in self._board.peers.values())
            wait = self._board.entropy.random() * min(LONGEST_WAIT, WAIT_A_MEMBER * members)
            self._board.timers.set((Timer.NEARBY, source), now + wait)

    def due(self, source: Endpoint, *, now: float) -> None:
        """Dial, if still nobody is known there."""
        board, via = self._board, self._board.socket_for(source)
        if via is None or board.leaving or self._is_known(source):
            return
        if board.may_knock(source, packets=TRIES, now=now):
            link = Direct(via, source)
            board.out.append(do.Dial(link, None, chance=True))
            board.timers.set((Timer.STOP_DIAL, link), now + STOP_AFTER)

    def refused(self, source: Endpoint, *, now: float) -> bool:
        """It is of another secret; whether only a beacon led there, and somebody else answers us."""
        if source not in self._rest:
            return False
        self._keep(source, until=now + REFUSED_AGAIN)
        return any(peer.session for peer in self._board.peers.values())

    def _is_known(self, source: Endpoint) -> bool:
        """Whether a member is reached there, or says that it is there and is met in other ways."""
        peers = self._board.peers.values()
        crowd = sum(peer.known for peer in peers) > CROWD and any(peer.session for peer in peers)
        return any(_is_at(peer, source, named=peer.session or crowd) for peer in peers)

    def _keep(self, source: Endpoint, *, until: float) -> None:
        self._rest.pop(source, None)
        self._rest[source] = until
        if len(self._rest) > MOST_SOURCES:
            del self._rest[next(iter(self._rest))]


def _is_at(peer: Peer, source: Endpoint, *, named: bool) -> bool:
    ways = peer.ways.items() if peer.session else ()
    if any(way.proven and isinstance(where, Direct) and where.endpoint == source for where, way in ways):
        return True
    return named and any(endpoint == source for endpoint, _ in peer.endpoints)
