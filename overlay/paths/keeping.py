"""Sessions this node wants, and those let go: in a large mesh each keeps a few (design section 3, Sparse).

wanted: chosen, or user traffic within 10 min        any other session, when idle:  Parting(MAY_END) ->
                                                     its other end wants it         <- STAY   kept, asked again later
                                                     or does not                    <- ENDED  both forget it
more than this node takes: Parting(FULL) ->, ended; its other end chooses somebody else
"""

from __future__ import annotations

from overlay.paths import commands as do
from overlay.paths import events as happened
from overlay.paths import facts as told
from overlay.paths.board import Board, Timer
from overlay.paths.peer import Peer
from overlay.wire.messages import Parting

MAY_END, ENDED, STAY, FULL = range(4)
"""The words of a Parting."""
ASK_AGAIN = 600.0
"""Seconds until one that wants its session is asked again."""
ASKINGS = 3
"""Questions without an answer after which a session ends on our side."""


class Keeping:
    """The part of `paths` that lets sessions go without a quarrel."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def wanted(self, fact: told.Wanted, *, now: float) -> None:
        """Others are wanted from now on: those without a session are tried at once."""
        board = self._board
        board.wanted.peers = None if fact.peers is None else dict.fromkeys(fact.peers)
        for peer in board.peers.values():
            timer = (Timer.REACH, peer.node)
            if not board.wanted.wants(peer, now=now):
                board.timers.clear(timer)
            elif peer.known and not (peer.session and peer.current) and board.timers.get(timer) is None:
                board.timers.set(timer, now)

    def let_go(self, fact: told.LetGo, *, now: float) -> None:
        """A session is not wanted here: ask its other end, or end it at once where there are too many."""
        peer = self._board.peers.get(fact.peer)
        if peer is None or not peer.session:
            return
        if fact.full:
            for _ in range(2):  # nobody answers it
                self._say(peer, FULL)
            self._end(peer)
            return
        state = self._board.wanted
        askings, next_at = state.asked.get(peer.node, (0, now))
        if now < next_at:
            return
        if askings >= ASKINGS:
            self._end(peer)
            return
        state.asked[peer.node] = (askings + 1, now)
        self._say(peer, MAY_END)

    def parted(self, peer: Peer, message: Parting, *, now: float) -> None:
        """The other end of a session says what it thinks of it."""
        state = self._board.wanted
        if not peer.session or (state.peers is None and message.word == MAY_END):
            # Here the mesh is small still: the other will see it so soon, or we as it does.
            self._say(peer, STAY)
        elif message.word == MAY_END:
            stays = state.wants(peer, now=now)
            self._say(peer, STAY if stays else ENDED)
            if not stays:
                self._end(peer)
        elif message.word == STAY:
            state.asked[peer.node] = (0, now + ASK_AGAIN)
        elif message.word in (ENDED, FULL):
            self._end(peer)
            if message.word == FULL:
                self._board.news.append(happened.Refused(peer.node))
        else:
            self._board.drop("parting_unknown")

    def _say(self, peer: Peer, word: int) -> None:
        way = peer.control_way()
        if way is not None and peer.session:
            self._board.out.append(do.SendOn(peer.node, way.where, Parting(word)))

    def _end(self, peer: Peer) -> None:
        self._board.wanted.release(peer)
        self._board.out.append(do.EndSession(peer.node))
