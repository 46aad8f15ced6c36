"""Where others heard us from: a public host that is none of ours is a NAT's; one of ours says that there is none."""

from __future__ import annotations

from overlay.paths.board import Board
from overlay.values import NodeId
from punch.addresses import scope
from punch.values import Endpoint, parse_endpoint

MOST_SEEN = 4
"""Endpoints others heard us from that are kept."""


class Sightings:
    """The last few, one a peer."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.endpoints: dict[Endpoint, NodeId] = {}
        """Endpoint -> who said so last."""
        self._plain: dict[Endpoint, None] = {}
        """Endpoints of our own at which somebody heard us as they are."""

    def see(self, peer: NodeId, said: str | None) -> bool:
        """`peer` heard us from there in its handshake; whether that tells us something."""
        if said is None:
            return False
        try:
            seen = parse_endpoint(said)
        except ValueError:
            self._board.drop("seen_malformed")
            return False
        if scope(seen.host) != "public":
            return False
        if seen.host in self._board.around.own_hosts():
            return self._see_plain(seen)
        for old in [each for each, by in self.endpoints.items() if by == peer]:
            del self.endpoints[old]
        self.endpoints[seen] = peer
        while len(self.endpoints) > MOST_SEEN:
            del self.endpoints[next(iter(self.endpoints))]
        return True

    def _see_plain(self, seen: Endpoint) -> bool:
        before = self.is_open()
        if any(local.port == seen.port for local in self._board.sockets.values()):
            self._plain[seen] = None
        while len(self._plain) > MOST_SEEN:
            del self._plain[next(iter(self._plain))]
        return self.is_open() != before

    def is_open(self) -> bool:
        """Whether somebody heard us at a public address and port of our own, and nobody elsewhere: what an answer of
        a STUN server would say (nat-science section 1.1). IPv6 says nothing of the NAT that IPv4 may have."""
        own = self._board.around.own_hosts()
        ipv4 = any(scope(host) != "never" and ":" not in host for host in own)
        elsewhere = any(each.host not in own for each in self.endpoints)
        return not elsewhere and any(each.host in own and not (each.is_ipv6 and ipv4) for each in self._plain)
