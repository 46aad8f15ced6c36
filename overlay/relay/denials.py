"""Which links are ignored for now: neighbours that would not carry to somebody, or did not answer (protocol section 8).

refused, or dead --IGNORED--> may be asked again; at once when it comes up anew, or the ways to that peer changed
"""

from __future__ import annotations

from overlay.relay.limits import IGNORED
from overlay.values import NodeId

MOST_DENIALS = 4096
"""Refusals remembered; the oldest give way."""

Pair = tuple[NodeId, NodeId]
"""(peer, the neighbour that would not lead to it)."""


class Denials:
    """Refused and dead links, each until when."""

    def __init__(self) -> None:
        self._until: dict[Pair, float] = {}

    def put(self, pair: Pair, *, now: float) -> None:
        """Ignore a link from now on."""
        self._until.pop(pair, None)
        self._until[pair] = now + IGNORED
        while len(self._until) > MOST_DENIALS or next(iter(self._until.values())) <= now:
            del self._until[next(iter(self._until))]

    def of(self, peer: NodeId, *, now: float) -> list[NodeId]:
        """The neighbours ignored for `peer`, longest ago first."""
        return [relay for (target, relay), until in self._until.items() if target == peer and now < until]

    def holds(self, pair: Pair, *, now: float) -> bool:
        """Whether a link is ignored."""
        return now < self._until.get(pair, now)

    def forgive(self, pair: Pair) -> None:
        """It carries again."""
        self._until.pop(pair, None)

    def forgive_relay(self, relay: NodeId) -> None:
        """A neighbour came up anew."""
        self._until = {pair: until for pair, until in self._until.items() if pair[1] != relay}

    def forgive_peer(self, peer: NodeId) -> None:
        """Other links lead to a peer."""
        self._until = {pair: until for pair, until in self._until.items() if pair[0] != peer}
