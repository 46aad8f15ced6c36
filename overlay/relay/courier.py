"""Which handshake frames are carried for whom: for every neighbour, not too many, and none that goes in a circle."""

from __future__ import annotations

from overlay.relay.facts import CarryAsked
from overlay.values import NodeId
from punch.limiter import TokenBucket

BURST, RATE = 512.0, 64.0
"""Frames carried for one neighbour, at once and a second: one that joins 31 members sends each m1 and m3 at once, and a
bridge between two halves of 16 hands on those of all of them."""


class Courier:
    """Judges each Carried that is not for us."""

    def __init__(self) -> None:
        self._buckets: dict[NodeId, TokenBucket] = {}

    def objection(self, asked: CarryAsked, *, own: NodeId, enabled: bool, now: float) -> str | None:
        """Why this frame is not carried, as a word of `relay.DROPS`; None: carry it.

        Who sent it is the neighbour's word: only the handshake inside proves it (protocol section 3).
        """
        if asked.sender in (own, asked.to) or asked.to == asked.peer:
            return "carried_forged"
        if not enabled:
            return "carried_off"
        if asked.hops == 0:
            return "carried_hops"
        bucket = self._buckets.get(asked.peer)
        if bucket is None:
            # One that is gone may be back at once: a bucket is kept until it is what a newcomer gets.
            self._buckets = {node: each for node, each in self._buckets.items() if each.full_at() > now}
            bucket = self._buckets[asked.peer] = TokenBucket(depth=BURST, rate=RATE, now=now)
        return None if bucket.take(now=now) else "carried_flood"
