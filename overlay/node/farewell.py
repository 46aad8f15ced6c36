"""The end of a node: its word goes to every peer by its present path, a few times, before the sockets close.

asked --> peers --0.04 s--> again --0.04 s--> again, then our relays too --0.04 s--> again --0.04 s--> Left
          (each time our last record, which they pass on, and Leave)
          (a relay drops our circuits when it hears that we left: it is the last to be told)
"""

from __future__ import annotations

from overlay.gossip import facts as gossip
from overlay.node.events import Left
from overlay.node.outbound import Outbound
from overlay.node.rooms import Rooms
from overlay.paths import facts as paths
from overlay.paths.facts import Where
from overlay.values import Direct, NodeId
from overlay.wire.messages import Leave, Records

AGAIN = 0.04
"""Seconds between two words: nobody answers them, and a lost one would look like silence for a minute."""
TIMES = 4
"""Words to each peer ..."""
LAST = 2
"""... and to one that carries for us: the last of them."""


class Farewell:
    """The part of the hall that ends it."""

    def __init__(self, rooms: Rooms, outbound: Outbound) -> None:
        self._rooms = rooms
        self._outbound = outbound
        self._said = 0
        self._next_at: float | None = None

    def begin(self, *, now: float) -> None:
        """A person asked for it; once is enough."""
        if self._said == 0:
            self._rooms.paths.tell(paths.Leaving(), now=now)
            self._rooms.gossip.tell(gossip.Leaving(), now=now)
            self._say(now=now)

    def next_timeout(self) -> float | None:
        """When the next word is due."""
        return self._next_at

    def handle_timeout(self, *, now: float) -> None:
        """Say it again, or end."""
        if self._said < TIMES:
            self._say(now=now)
        else:
            self._next_at = None
            self._rooms.left = True
            self._rooms.news.append(Left())

    def _say(self, *, now: float) -> None:
        ways = self._ways()
        carriers = {where for _, where in ways if not isinstance(where, Direct)}
        for node, where in ways:
            if node not in carriers or self._said >= TIMES - LAST:
                # The record comes first: whoever heard Leave has no session any more, and is to pass it on.
                self._outbound.send(node, where, Records([self._rooms.gossip.own_signed]), now=now)
                self._outbound.send(node, where, Leave(), now=now)
        self._said = self._said + 1 if ways else TIMES
        self._next_at = now + AGAIN if ways else now

    def _ways(self) -> list[tuple[NodeId, Where]]:
        """How each peer is reached now, those over a relay first."""
        rooms = self._rooms
        ways = [(node, where) for node in rooms.paths.sessions() if (where := rooms.paths.control_where(node))]
        return sorted(ways, key=lambda way: isinstance(way[1], Direct))
