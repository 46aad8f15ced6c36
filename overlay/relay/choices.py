"""Whom to hand on to: the target itself, or the neighbours that lead there; and the links ignored for now.

request, handshake --target a neighbour?--> it, then --onward--> by cost, none that signed it, none refused of late
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from overlay.relay.denials import Denials
from overlay.relay.facts import CarryAsked
from overlay.relay.limits import MAX_LINKS, MOST_NEXT, MOST_NEXT_FAR, ROUTED_DEPTH, ROUTED_RATE
from overlay.relay.requests import links_left, relays_behind
from overlay.values import NodeId
from overlay.wire.messages import OpenCircuit
from punch.limiter import TokenBucket

Onward = Callable[[NodeId, Sequence[NodeId], int, float, Callable[[], bool]], Sequence[NodeId]]
"""(target, whom to avoid, links left from us, now, may it search where nothing is kept?) -> neighbours that lead there,
the best first."""


class Choices:
    """Answers for the machine; knows which links refused or failed."""

    def __init__(self, onward: Onward, drop: Callable[[str], None]) -> None:
        self._onward = onward
        self._drop = drop
        self._budgets: dict[NodeId, TokenBucket] = {}
        self.refused = Denials()
        """Refused or dead when asked for a circuit."""
        self.failed = Denials()
        """Their circuits stood and carried nothing."""

    def up(self, neighbour: NodeId) -> None:
        """A neighbour came up: it is believed anew."""
        self.refused.forgive_relay(neighbour)
        self.failed.forgive_relay(neighbour)

    def _may_search(self, neighbour: NodeId, now: float) -> bool:
        """Whether we search one more way for a neighbour; counted."""
        budget = self._budgets.get(neighbour)
        if budget is None:
            # One that is gone may be back at once: a budget is kept until it is what a newcomer gets.
            self._budgets = {node: each for node, each in self._budgets.items() if each.full_at() > now}
            budget = self._budgets[neighbour] = TokenBucket(depth=ROUTED_DEPTH, rate=ROUTED_RATE, now=now)
        if budget.take(now=now):
            return True
        self._drop("circuit_flood")
        return False

    def following(
        self, peer: NodeId, message: OpenCircuit, up: Collection[NodeId], *, now: float
    ) -> tuple[NodeId, ...]:
        """Whom to hand the neighbour `peer`'s request on to, best first: a few, the target itself before all."""
        target, left = NodeId(message.target), links_left(message)
        avoid = (peer, NodeId(message.source), *relays_behind(peer, message))
        routed = [
            each
            for each in self._onward(target, avoid, left, now, partial(self._may_search, peer, now))
            if each in up and each not in (target, *avoid) and not self.refused.holds((target, each), now=now)
        ]
        most = MOST_NEXT_FAR if message.crossed else MOST_NEXT
        if target not in up:
            return tuple(routed[:most])
        # A target that is near and did not answer of late is asked last, but is asked.
        late = self.refused.holds((target, target), now=now)
        return (*routed[: most - 1], target) if late else (target, *routed[: most - 1])

    def after(self, asked: CarryAsked, up: Collection[NodeId], *, now: float) -> NodeId | None:
        """Whom to hand a handshake on to."""
        if asked.to in up:
            return asked.to
        may_search = partial(self._may_search, asked.peer, now)
        onward = self._onward(asked.to, (asked.peer, asked.sender), min(asked.hops, MAX_LINKS - 1), now, may_search)
        return next((each for each in onward if each in up and each not in (asked.peer, asked.sender)), None)
