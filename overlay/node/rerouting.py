"""Looks again at who carries, when links changed or time went by; and says when the links of our record changed.

a member's links changed --> stale --1 s--> look: relayed peers in use, and those nobody leads to yet --> RelaysFound
time ------------------------------5 s----> look     our own links --> the record says so, 30 s apart; a lost one now

A look asks routing for a few peers only; what no change touched costs no search.
"""

from __future__ import annotations

from collections.abc import Callable

from overlay.node.relays import candidates, links_now, relays_of
from overlay.node.rooms import Rooms
from overlay.paths import facts as paths
from overlay.paths.peer import Peer
from overlay.relay.facts import CircuitAnew
from overlay.routing.costs import STEP
from overlay.routing.values import Candidate, Listed
from overlay.values import NodeId
from punch.limiter import TokenBucket

SOON, AGAIN = 1.0, 5.0
"""Seconds from a change to the look at it, and between looks while somebody is reached by a relay."""
MOST_LOOKED = 8
"""Peers of each kind that one look asks routing for; the others wait for the next."""
IN_USE = 60.0
"""Seconds after the last user packet for which a better relay is looked for."""
ANEW_EVERY = 60.0
"""Seconds between two circuits for a better way behind the same relay: it chooses that way, not we."""
LINKS_BURST, LINKS_EVERY = 4, 30.0
"""Changes of our own links said in a node's first seconds, and seconds between two from then on (design section 3)."""
LINKS_GATHER = 1.0
"""Seconds in which neighbours that come up together count as one change."""


class OwnLinks:
    """The links our record states: changed seldom, but a lost one is struck out at once."""

    def __init__(self, *, now: float) -> None:
        self._budget = TokenBucket(depth=LINKS_BURST, rate=1 / LINKS_EVERY, now=now)
        self._said: tuple[Listed, ...] = ()
        self._at = now - LINKS_GATHER
        self.behind = False
        """Something else would be best to say, and is to wait."""

    def say(self, wanted: tuple[Listed, ...], near: set[NodeId], *, now: float) -> tuple[Listed, ...]:
        """What to state now, where `wanted` would be best and only those in `near` are neighbours."""
        if wanted != self._said and now - self._at >= LINKS_GATHER and self._budget.take(now=now):
            self._said, self._at = wanted, now
        self._said = tuple(link for link in self._said if link[0] in near)
        self.behind = wanted != self._said
        return self._said


class Rerouting:
    """The part of the hall that reconsiders ways."""

    def __init__(self, rooms: Rooms, say_self: Callable[..., None], *, now: float) -> None:
        """`say_self`: our record may have other links now."""
        self._rooms = rooms
        self._say_self = say_self
        self._own = OwnLinks(now=now)
        self._told: dict[NodeId, tuple[NodeId, ...]] = {}
        """Peers that nobody led to -> the relays told of since."""
        self._anew: dict[NodeId, float] = {}
        """When a circuit was last opened anew for a peer, for a better way behind the same relay."""
        self._turn = 0
        self._links_at = now + LINKS_EVERY
        self._next_at: float | None = None

    def links(self, *, now: float) -> tuple[Listed, ...]:
        """The links our record should state now."""
        near = {node for node, _ in self._rooms.paths.neighbours()}
        said = self._own.say(links_now(self._rooms, now=now), near, now=now)
        if self._own.behind:
            self._links_at = min(self._links_at, now + LINKS_GATHER)
        return said

    def stale(self, *, now: float) -> None:
        """Somebody's links changed, or our own."""
        if self._next_at is None or self._next_at > now + SOON:
            self._next_at = now + SOON

    def next_timeout(self) -> float | None:
        """When to look."""
        return self._links_at if self._next_at is None else min(self._next_at, self._links_at)

    def handle_timeout(self, *, now: float) -> None:
        """Look."""
        if now >= self._links_at:
            self._links_at = now + LINKS_EVERY
            self._say_self(now=now)
        if self._next_at is None or now < self._next_at:
            return
        members = self._rooms.gossip.members()
        known = [peer for each in members if (peer := self._rooms.paths.peer(each.id)) is not None]
        used = [peer for peer in known if _relayed(peer) and now - peer.user_at < IN_USE]
        lost = [peer for peer in known if peer.known and peer.searched and not peer.current]
        for peer in self._some(used):
            self._better(peer, now=now)
        for peer in self._some(lost):
            self._any(peer, now=now)
        self._told = {peer.node: self._told[peer.node] for peer in lost if peer.node in self._told}
        self._turn += 1
        self._next_at = now + AGAIN if used else None

    def _some(self, peers: list[Peer]) -> list[Peer]:
        """A few of them, others each time."""
        start = self._turn * MOST_LOOKED % max(1, len(peers))
        return (peers[start:] + peers[:start])[:MOST_LOOKED]

    def _better(self, peer: Peer, *, now: float) -> None:
        """Tell of a relay that is cheaper than the one in use by more than a step."""
        found = candidates(self._rooms, peer.node, now=now)
        if found and found[0].relay != peer.current[0]:
            self._tell(peer, tuple(each.relay for each in found), tuple(each.cost_ms for each in found), now=now)
        elif (
            found and self._leads_better(peer, found[0]) and now - self._anew.get(peer.node, -ANEW_EVERY) >= ANEW_EVERY
        ):
            self._anew = {node: at for node, at in self._anew.items() if now - at < ANEW_EVERY} | {peer.node: now}
            self._rooms.relay.tell(CircuitAnew(peer.node, found[0].relay), now=now)

    def _leads_better(self, peer: Peer, best: Candidate) -> bool:
        """Whether the relay in use knows a way onward that is cheaper than its circuit by more than a step."""
        behind = relays_of(self._rooms, peer.node, best.relay)
        return best.stated_ms is not None and best.through != behind and STEP * best.stated_ms < best.cost_ms

    def _any(self, peer: Peer, *, now: float) -> None:
        """Tell of relays that nobody knew when the peer was last tried."""
        found = candidates(self._rooms, peer.node, now=now)
        relays = tuple(each.relay for each in found)
        if found and self._told.get(peer.node) != relays:
            self._told[peer.node] = relays
            self._tell(peer, relays, tuple(each.cost_ms for each in found), now=now)

    def _tell(self, peer: Peer, relays: tuple[NodeId, ...], costs: tuple[float, ...], *, now: float) -> None:
        self._rooms.paths.tell(paths.RelaysFound(peer.node, relays, costs), now=now)


def _relayed(peer: Peer) -> bool:
    return bool(peer.current) and isinstance(peer.current[0], bytes)
