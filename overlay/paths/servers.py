"""STUN services we may ask: members reached directly at a public endpoint, the nearest first, then those of [stun].

A member answers on PORT and PORT + 1 (protocol section 9). One that is behind a NAT itself is none: it is met at an
endpoint that is open for us alone.
"""

from __future__ import annotations

from overlay.config.address import STUN_PORT, parse_addr
from overlay.errors import UsageError
from overlay.paths import commands as do
from overlay.paths import facts as told
from overlay.paths.board import Board, Timer
from overlay.paths.peer import Peer
from overlay.paths.way import Way
from overlay.values import Direct, NodeId
from punch.addresses import scope
from punch.facts import ServersKnown
from punch.values import Endpoint

RESOLVE_AGAIN = (60.0, 1800.0)
"""Seconds until a name is resolved again: one that failed, one that did not."""
MOST_ENDPOINTS = 4
"""Endpoints of one name that are asked."""
MOST_MEMBERS = 8
OPEN_KINDS = ("public", "given", "portmap")
"""Kinds of endpoints at which a member says that anybody reaches it."""


class Servers:
    """The part of `paths` that knows whom to ask."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._named: dict[str, tuple[Endpoint, ...]] = {}
        """ADDR with its port -> its endpoints; none until it is resolved."""
        self._members: tuple[tuple[NodeId, Endpoint], ...] = ()

    def name(self, servers: tuple[str, ...], *, now: float) -> None:
        """Take the servers of [stun]; port 3478 where none is named."""
        texts: list[str] = []
        for text in servers:
            try:
                texts.append(str(parse_addr(text, STUN_PORT)))
            except UsageError:
                self._board.drop("stun_server_malformed")
        self._named = {text: self._named.get(text, ()) for text in texts}
        self.resolve(now=now)

    def resolve(self, *, now: float) -> None:
        """Ask for the endpoints of all names."""
        for text in self._named:
            self._board.out.append(do.Resolve(text))
        if self._named:
            wait = RESOLVE_AGAIN[all(self._named.values())]
            self._board.timers.set((Timer.RESOLVE_STUN, None), now + wait)

    def resolved(self, fact: told.Resolved) -> bool:
        """A name has endpoints now; whether it is one of ours."""
        if fact.address not in self._named:
            return False
        if fact.endpoints:
            fair = tuple(each for each in fact.endpoints if scope(each.host) != "never")
            self._named[fact.address] = fair[:MOST_ENDPOINTS]
        return True

    def known(self) -> ServersKnown:
        """All of them; members keep their places as long as they are the same."""
        members = sorted(self._open_members(), key=lambda each: each[0])[:MOST_MEMBERS]
        pairs = tuple((node, endpoint) for _, node, endpoint in members)
        if sorted(pairs) != sorted(self._members):
            self._members = pairs
        named = tuple(endpoint for endpoints in self._named.values() for endpoint in endpoints)
        return ServersKnown(
            tuple(endpoint for _, endpoint in self._members),
            configured=named,
            peers=tuple(node for node, _ in self._members),
        )

    def _open_members(self) -> list[tuple[float, NodeId, Endpoint]]:
        found: list[tuple[float, NodeId, Endpoint]] = []
        for peer in self._board.peers.values():
            if not peer.session:
                continue
            ways = [(way, way.where) for way in peer.ways.values() if way.proven and not way.hole]
            fitting = [(way, where) for way, where in ways if isinstance(where, Direct) and _is_open(peer, way, where)]
            for way, where in fitting:
                rtt = way.rtt.smoothed
                found.append((rtt if rtt is not None else 1.0, peer.node, where.endpoint))
        return found


def _is_open(peer: Peer, way: Way, where: Direct) -> bool:
    """Whether anybody reaches the peer there: it answered a dial of ours, or says so itself."""
    if scope(where.endpoint.host) != "public":
        return False
    return way.dialled or any(each == where.endpoint and kind in OPEN_KINDS for each, kind in peer.endpoints)
