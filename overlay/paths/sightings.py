"""Where others heard us from: a public host that is none of ours is a NAT's."""

from __future__ import annotations

from overlay.paths.board import Board
from overlay.paths.endpoints import scope
from overlay.values import NodeId
from punch.values import Endpoint, parse_endpoint

MOST_SEEN = 4
"""Endpoints others heard us from that are kept."""


class Sightings:
    """The last few, one a peer."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.endpoints: dict[Endpoint, NodeId] = {}
        """Endpoint -> who said so last."""

    def see(self, peer: NodeId, said: str | None) -> bool:
        """`peer` heard us from there in its handshake; whether that tells us something."""
        if said is None:
            return False
        try:
            seen = parse_endpoint(said)
        except ValueError:
            self._board.drop("seen_malformed")
            return False
        if scope(seen.host) != "public" or seen.host in self._board.around.own_hosts():
            return False
        for old in [each for each, by in self.endpoints.items() if by == peer]:
            del self.endpoints[old]
        self.endpoints[seen] = peer
        while len(self.endpoints) > MOST_SEEN:
            del self.endpoints[next(iter(self.endpoints))]
        return True
