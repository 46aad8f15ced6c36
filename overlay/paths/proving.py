"""Proof of ways: Challenges out, Answers in, larger sizes, and sources that moved (protocol section 5)."""

from __future__ import annotations

from overlay.paths import commands as do
from overlay.paths import events as happened
from overlay.paths.board import Board, Timer
from overlay.paths.endpoints import may_dial
from overlay.paths.facts import Where
from overlay.paths.peer import Peer
from overlay.paths.way import BASE_SIZE, FIRST_WAIT, SIZES, SMALL, TRIES, Way
from overlay.values import Direct
from overlay.wire.messages import Answer, Challenge
from punch.addresses import scope
from punch.values import Endpoint

TRIES_KNOWN = 20
"""Packets for a way that stands to reason: a circuit that was opened, an endpoint where the peer was reached."""
TRIES_DEAD_HOLE = 5
"""Packets for a hole that carried and does not answer: it will not open again, another one must be punched."""
TRIES_HOLE = 3
"""Packets for a hole that is claimed: with the engine's answer to its probe the 4 an endpoint gets."""
LAST_WAIT = 2.0
"""Seconds between two Challenges at most."""
USED_WAIT = 1.0
"""The same where user packets wait."""
QUICK_TRIES, QUICK_WAIT = 4, 0.1
"""Challenges that follow each other so soon where a way is in doubt, if the round trip is not longer: a lost one in ten
is no proof of anything."""
SIZE_ROUNDS = 3
"""How often sizes above the base are tried after a proof, the first time the largest alone: one lost round is
forgiven."""
SIZE_TRIES = 3
"""Datagrams of the present size that must be in vain, one after the other, to give it up."""
SIZE_WAIT = 1.0
"""Seconds between them."""
SIZE_AGAIN = 30.0
"""Seconds at base size until larger ones are tried again."""
ASK_BACK = 0.1
"""Seconds since a way last answered in which nobody asks it again only because the peer does."""
ASK_BACK_TRIPS = 2.0
"""Round trips that it is at least: two that ask back whenever the other's question comes would never end it."""
IN_USE = 2.0
"""Seconds since user packets in which it is worth to."""
MOST_ENDPOINTS = 12
"""Endpoints of one record that get Challenges (protocol section 5)."""
MOST_CANDIDATES = 8
"""Unproven sources of one peer at a time."""
AMPLIFICATION = 3
"""Bytes sent to an unproven source for each byte it sent (protocol section 5)."""


class Proving:
    """The part of `paths` that proves ways."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def ask(self, peer: Peer, way: Way, *, now: float) -> None:
        """Challenge `way` from the first try on; one that is being asked goes on."""
        if self._board.timers.get((Timer.CHALLENGE, (peer.node, way.where))) is None:
            way.tries = 0
            self.repeat(peer, way, now=now)

    def ask_anew(self, peer: Peer, way: Way, *, now: float) -> None:
        """Challenge `way` now, whatever was asked before: the network is another."""
        self._board.timers.clear((Timer.CHALLENGE, (peer.node, way.where)))
        self.ask(peer, way, now=now)

    def repeat(self, peer: Peer, way: Way, *, now: float) -> None:
        """Send the next Challenge of a row, or end the row."""
        if not peer.session or self._board.leaving:
            return
        if not way.proven and self._board.is_spare(peer, way, now=now):
            return  # it is asked once it is needed
        where = way.where
        known = not isinstance(where, Direct) or way.routable
        claimed = way.hole and not known and self._board.timers.get((Timer.HOLE, (peer.node, where))) is not None
        if claimed and way.tries >= TRIES_HOLE:
            return  # the hole's own time is not over
        most = TRIES if not known else TRIES_DEAD_HOLE if way.hole else TRIES_KNOWN
        if way.tries >= most:
            self._unanswered(peer, way, now=now)
            return
        fair = known or way.candidate or not isinstance(where, Direct)
        if fair or (isinstance(where, Direct) and self._board.may_knock(where.endpoint, now=now)):
            self.challenge(peer, way, way.first_size(), now=now)
        way.tries += 1
        self._board.timers.set((Timer.CHALLENGE, (peer.node, way.where)), now + self._wait(peer, way, now=now))

    def _wait(self, peer: Peer, way: Way, *, now: float) -> float:
        """Seconds until the next Challenge of a row: soon where data goes by two ways meanwhile."""
        if way.doubtful and way.tries <= QUICK_TRIES:
            return max(QUICK_WAIT, 1.2 * (way.rtt.smoothed or 0.0))
        used = self._board.is_used(peer, now=now)
        return float(min(USED_WAIT if used else LAST_WAIT, FIRST_WAIT * 2.0 ** (way.tries - 1)))

    def challenge(self, peer: Peer, way: Way, size: int, *, now: float) -> None:
        """Send one Challenge of `size` bytes."""
        if not way.spend(size):
            return
        token = self._board.entropy.randbytes(8)
        way.challenged(token, size, now=now)
        self._board.out.append(do.SendOn(peer.node, way.where, Challenge(token), pad=size))

    def _unanswered(self, peer: Peer, way: Way, *, now: float) -> None:
        if way.carries and not way.doubtful:
            return
        way.doubt()
        self._board.drop_way(peer, way.where)
        if not isinstance(way.where, Direct):
            self._board.out.append(do.DropCircuit(peer.node, way.where))
        self._board.settle(peer, now=now)
        if not peer.current:
            self._board.timers.set((Timer.REACH, peer.node), now)

    def try_sizes(self, peer: Peer, way: Way, *, now: float) -> None:
        """Send one padded Challenge of the largest size, which most ways carry; in later rounds one for each size above
        the one proven."""
        larger = [size for size in SIZES if size > way.size]
        if not way.proven or not larger or way.sized >= SIZE_ROUNDS:
            return
        if not way.sized:
            larger = larger[-1:]
        way.sized += 1
        for size in larger:
            self.challenge(peer, way, size, now=now)
        self._board.timers.set((Timer.SIZE, (peer.node, way.where)), now + SIZE_WAIT)

    def back_to_base(self, peer: Peer, way: Way, *, now: float) -> None:
        """Large datagrams are lost where small ones arrive: base size at once; larger sizes are tried again later."""
        if way.size == BASE_SIZE:
            return
        way.size = BASE_SIZE
        way.sized = 0
        self._board.timers.set((Timer.SIZE, (peer.node, way.where)), now + SIZE_AGAIN)
        self._board.settle(peer, now=now)

    def doubt_size(self, peer: Peer, way: Way, *, now: float) -> None:
        """Much is lost: if only datagrams of the present size are, and none of them arrives, back to base."""
        if way.size > BASE_SIZE and way.vain(now=now) >= SIZE_TRIES:
            self.back_to_base(peer, way, now=now)
        elif way.size > BASE_SIZE:
            self.challenge(peer, way, way.size, now=now)

    def challenged(self, peer: Peer, where: Where, message: Challenge, size: int, *, now: float) -> None:
        """The peer asks: answer on the same way, alike in size."""
        way = peer.ways.get(where)
        if way is None and isinstance(where, Direct) and self._board.around.is_overlay(where.endpoint.host):
            return
        if way is None or way.spend(size):
            self._board.out.append(do.SendOn(peer.node, where, Answer(message.token), pad=size))
        if way is None or not peer.session:
            return
        if not way.proven:
            self.ask(peer, way, now=now)
        else:
            self._ask_back(peer, now=now)

    def _ask_back(self, peer: Peer, *, now: float) -> None:
        """The peer asks what was proven: it is in doubt. Perhaps only one direction works, and ours is the other; or
        it hears us and goes elsewhere, where we should follow: the way in use is to answer, too."""
        way = peer.ways.get(peer.current[0]) if peer.current else None
        trips = ASK_BACK_TRIPS * (way.rtt.smoothed or 0.0) if way is not None else 0.0
        fresh = way is None or way.doubtful or now - way.verified_at <= max(ASK_BACK, trips)
        if way is None or fresh or now - peer.user_at > IN_USE:
            return
        self._board.distrust(peer, way, now=now)
        self.ask(peer, way, now=now)
        self._board.settle(peer, now=now)

    def answered(self, peer: Peer, where: Where, message: Answer, *, now: float) -> None:
        """An Answer counts only from where its Challenge went."""
        way = self._board.fresh_way(peer, where) if isinstance(where, Direct) else peer.ways.get(where)
        if way is None or not way.owns(message.token):
            self._board.drop("answer_unasked")
            return
        if way.where != where:
            # The same endpoint, heard on the address it answered to: that socket is the one to use.
            del peer.ways[way.where]
            self._board.timers.clear((Timer.CHALLENGE, (peer.node, way.where)))
            way.where = where
            peer.ways[where] = way
        first = not way.proven
        way.answered(message.token, now=now)
        way.heard(now=now)
        self._board.timers.clear((Timer.CHALLENGE, (peer.node, where)))
        if first and way.hole:
            # The relay goes on beside it until something more came through.
            way.doubtful = True
            self._board.timers.set((Timer.HOLE, (peer.node, where)), now)
        if first and (surplus := peer.surplus(way)) is not None:
            self._board.drop_way(peer, surplus.where)
        if first and not way.carries:
            self.ask(peer, way, now=now)
        if first and way.moved:
            self._leave_old(peer, way, now=now)
        self._board.settle(peer, now=now)
        if first:
            if isinstance(where, Direct) and scope(where.endpoint.host) != "never":
                self._board.answered_from(where.endpoint)
                self._board.news.append(happened.AnsweredFrom(where.endpoint, peer.node))
                self._board.news.append(happened.NeighbourMoved(peer.node))
            self.try_sizes(peer, way, now=now)

    def _leave_old(self, peer: Peer, way: Way, *, now: float) -> None:
        """The peer moved here: its other direct ways must answer before they are believed again."""
        way.moved = False
        for other in list(peer.ways.values()):
            if other is not way and other.proven and isinstance(other.where, Direct):
                self._board.distrust(peer, other, now=now)
                self.ask(peer, other, now=now)

    def doubt_others(self, peer: Peer, kept: Way | None, *, anew: bool, now: float) -> None:
        """A new handshake came by `kept` (None: over a relay): every other way must answer a Challenge before it
        carries alone; those of a peer that started anew, before they carry at all."""
        for where, way in list(peer.ways.items()):
            if way is kept or not way.proven:
                continue
            if anew:
                self._board.timers.clear((Timer.CHALLENGE, (peer.node, where)))
                way.doubt()
            elif isinstance(where, Direct):
                self._board.distrust(peer, way, now=now)
            self.ask(peer, way, now=now)

    def came_from(self, peer: Peer, where: Direct, size: int, *, highest: bool, now: float) -> None:
        """A frame came by no proven way: with the highest counter its source is a candidate, fed by its bytes."""
        if not peer.session:
            return
        way = self._board.fresh_way(peer, where)
        if way is None:
            if not highest or peer.let_go.get(where.endpoint, 0.0) > now or not self._is_welcome(peer, where):
                return
            way = peer.way(where, peer.label)
            way.candidate = way.moved = True
            way.hole = where.endpoint in peer.holes or where.via in self._board.engine_sockets
            way.lifetime = peer.holes.get(where.endpoint)
        elif highest and not way.proven and not way.routable and not way.hole:
            way.candidate = way.moved = True  # it was only named by a record, and now it speaks
        way.allowance += AMPLIFICATION * size
        if way.proven or (way.candidate and way.allowance < SMALL):
            return
        asked = self._board.timers.get((Timer.CHALLENGE, (peer.node, way.where)))
        if way.candidate and asked is not None and asked - now > FIRST_WAIT:
            self.ask_anew(peer, way, now=now)
        else:
            self.ask(peer, way, now=now)

    def _is_welcome(self, peer: Peer, where: Direct) -> bool:
        """Whether one more source may become a candidate."""
        if self._board.around.is_overlay(where.endpoint.host):
            self._board.drop("source_overlay")
            return False
        if sum(way.candidate and not way.proven for way in peer.ways.values()) >= MOST_CANDIDATES:
            self._board.drop("source_candidates")
            return False
        return True

    def try_endpoints(self, peer: Peer, *, now: float) -> None:
        """Challenge what the peer's record names, over the session there is."""
        board = self._board
        if not peer.session or board.leaving:
            return
        for endpoint in self.dialable(peer):
            via = board.socket_for(endpoint)
            if via is None:
                continue
            where = Direct(via, endpoint)
            if self._board.fresh_way(peer, where) is None:
                self.ask(peer, peer.way(where, peer.label), now=now)

    def dialable(self, peer: Peer) -> list[Endpoint]:
        """Endpoints of the peer's record that may get packets of ours."""
        around = self._board.around
        return [
            endpoint
            for endpoint, kind in peer.endpoints
            if kind != "stun"
            and endpoint not in peer.misplaced
            and may_dial(endpoint, around=around, shares_public=peer.shares_public)
        ][:MOST_ENDPOINTS]
