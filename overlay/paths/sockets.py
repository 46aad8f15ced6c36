"""Our sockets as they come and go, and what becomes of the ways by one that is gone."""

from __future__ import annotations

from overlay.paths import facts as told
from overlay.paths.board import Board
from overlay.paths.peer import Peer
from overlay.paths.proving import Proving
from overlay.paths.punching import Punching
from overlay.values import Direct


class Sockets:
    """Keeps the board's tables of them."""

    def __init__(self, board: Board, proving: Proving, punching: Punching) -> None:
        self._board = board
        self._proving = proving
        self._punching = punching

    def opened(self, fact: told.SocketOpened, *, now: float) -> None:
        """One of ours, or one that the engine asked for."""
        board = self._board
        sockets = {"main": board.sockets, "alternate": board.alternates, "engine": board.engine_sockets}[fact.role]
        sockets[fact.socket] = fact.local
        self._punching.host(fact, now=now)
        if fact.role == "main":
            board.self_view_changed()

    def closed(self, fact: told.SocketClosed, *, now: float) -> None:
        """A socket, or the local address it stood for, is gone: its ways go on by another, or with it."""
        for sockets in (self._board.sockets, self._board.alternates, self._board.engine_sockets):
            sockets.pop(fact.socket, None)
        self._punching.host(fact, now=now)
        for peer in list(self._board.peers.values()):
            gone = [key for key in peer.ways if isinstance(key, Direct) and key.via == fact.socket]
            for key in gone:
                self._elsewhere(peer, key, now=now)
            if gone:
                self._board.settle(peer, now=now)
        self._board.self_view_changed()

    def _elsewhere(self, peer: Peer, where: Direct, *, now: float) -> None:
        """The socket of a way is gone: another of its family takes it over, in doubt until it is answered; a hole goes
        with its socket."""
        way = peer.ways[where]
        self._board.drop_way(peer, where)
        if way.hole:
            return
        via = self._board.socket_for(where.endpoint)
        if via is None or (fresh := Direct(via, where.endpoint)) in peer.ways:
            return
        way.where = fresh
        peer.ways[fresh] = way
        self._board.distrust(peer, way, now=now)
        self._proving.ask(peer, way, now=now)
