"""Requests of neighbours whose way is not proven here yet, though they proved ours: held for a moment.

request --EARLY_EACH a neighbour, EARLY_KEPT in all--> held --its way is proven--> heard
                                                         +---- EARLY is over ----> dropped
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from overlay.relay.limits import EARLY, EARLY_EACH, EARLY_KEPT
from overlay.values import NodeId
from overlay.wire.messages import OpenCircuit

Held = deque[tuple[float, OpenCircuit]]
"""(when it came, what it says), the oldest first."""


class Early:
    """Those of all neighbours."""

    def __init__(self, drop: Callable[[str], None]) -> None:
        self._drop = drop
        self._held: dict[NodeId, Held] = {}

    def __len__(self) -> int:
        return sum(len(held) for held in self._held.values())

    def put(self, peer: NodeId, message: OpenCircuit, *, now: float) -> None:
        """Hold a request; where there is no room the oldest of whoever has most here gives way."""
        for node in list(self._held):
            self._tidy(node, now)
        held = self._held.setdefault(peer, deque())
        held.append((now, message))
        if len(held) > EARLY_EACH:
            self._give_way(peer)
        elif len(self) > EARLY_KEPT:
            self._give_way(max(self._held, key=lambda node: len(self._held[node])))

    def take(self, peer: NodeId, *, now: float) -> list[OpenCircuit]:
        """The requests of a neighbour, the oldest first: its way is proven."""
        self._tidy(peer, now)
        return [message for _, message in self._held.pop(peer, ())]

    def _tidy(self, peer: NodeId, now: float) -> None:
        while (held := self._held.get(peer)) and now > held[0][0] + EARLY:
            self._give_way(peer)

    def _give_way(self, peer: NodeId) -> None:
        self._held[peer].popleft()
        if not self._held[peer]:
            del self._held[peer]
        self._drop("circuit_stranger")
