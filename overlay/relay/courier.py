"""Which handshake frames are carried for whom: each neighbour only its own, one link further, not too many."""

from __future__ import annotations

from collections.abc import Collection

from overlay.relay.facts import CarryAsked
from overlay.values import NodeId
from punch.limiter import TokenBucket

BURST, RATE = 64.0, 10.0
"""Frames carried for one neighbour, at once and a second: one that joins 31 members sends each m1 and m3 at once."""


class Courier:
    """Judges each Carried that is not for us."""

    def __init__(self) -> None:
        self._buckets: dict[NodeId, TokenBucket] = {}

    def objection(self, asked: CarryAsked, *, reachable: Collection[NodeId], enabled: bool, now: float) -> str | None:
        """Why this frame is not carried, as a word of `relay.DROPS`; None: carry it.

        With one relay between two nodes the sender can only be the neighbour itself.
        """
        if asked.sender != asked.peer or asked.to == asked.peer:
            return "carried_forged"
        if not enabled:
            return "carried_off"
        if asked.hops == 0:
            return "carried_hops"
        if asked.to not in reachable:
            return "carried_no_peer"
        bucket = self._buckets.get(asked.peer)
        if bucket is None:
            bucket = self._buckets[asked.peer] = TokenBucket(depth=BURST, rate=RATE, now=now)
        return None if bucket.take(now=now) else "carried_flood"

    def forget(self, neighbour: NodeId) -> None:
        """The neighbour is gone; it starts with a full bucket when it comes back."""
        self._buckets.pop(neighbour, None)
