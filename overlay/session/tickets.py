"""Tickets: what a session leaves behind, so that the next one needs no CPace run (protocol section 4).

a run is known to be held by both --add--> newest of its peer --spend--> gone: each opens one session
                                           a third one, a peer too many --> the oldest is gone

Both sides hold the same ones, and both keep them on disk. The older of two is for a side that could not write the
newer one down.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from overlay.values import NodeId

STRIKES = 3
"""Questions of somebody else's make after which a ticket is no good: its id is no secret to whoever saw one go by."""
ID_SIZE, SECRET_SIZE = 16, 32
KEPT = 2
"""Tickets of one peer."""
MOST_PEERS = 2048
"""Peers whose tickets are kept, those that got one last."""


class Ticket(Struct, frozen=True):
    """Opens one session with one peer."""

    peer: NodeId
    id: bytes
    """16 bytes: how the other finds it."""
    secret: bytes
    """32 bytes. Whoever has it, and the identity of either side, can be that side once."""

    def __repr__(self) -> str:
        """Without the secret: values end up in logs."""
        return f"Ticket({self.peer.hex()[:10]}, {self.id.hex()})"


class Tickets:
    """Those of all peers."""

    def __init__(self, held: Iterable[Ticket]) -> None:
        """`held`: of an earlier run, the oldest first."""
        self._by_peer: dict[NodeId, list[Ticket]] = {}
        """Newest first; the peers in the order of their newest."""
        self._by_id: dict[bytes, Ticket] = {}
        self._strikes: dict[bytes, int] = {}
        """Id -> times it was shown by somebody who does not hold its secret."""
        for ticket in held:
            self.add(ticket)

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, peer: NodeId) -> tuple[Ticket, ...]:
        """The tickets of a peer, oldest first."""
        return tuple(reversed(self._by_peer.get(peer, ())))

    def newest(self, peer: NodeId) -> Ticket | None:
        """The ticket to use with a peer."""
        held = self._by_peer.get(peer)
        return held[0] if held else None

    def find(self, id_: bytes) -> Ticket | None:
        """The ticket that somebody shows."""
        return self._by_id.get(id_)

    def add(self, ticket: Ticket) -> NodeId | None:
        """Keep one; the peer that had to give way for it, if any."""
        self.spend(self._by_id.get(ticket.id, ticket))
        held = self._by_peer.pop(ticket.peer, [])
        self._by_peer[ticket.peer] = [ticket, *held[: KEPT - 1]]
        self._by_id[ticket.id] = ticket
        for old in held[KEPT - 1 :]:
            self._drop(old)
        if len(self._by_peer) <= MOST_PEERS:
            return None
        oldest = next(iter(self._by_peer))
        for old in self._by_peer.pop(oldest):
            self._drop(old)
        return oldest

    def spend(self, ticket: Ticket) -> bool:
        """It is used, or no good; whether it was still there."""
        if self._by_id.pop(ticket.id, None) is None:
            return False
        held = [each for each in self._by_peer[ticket.peer] if each.id != ticket.id]
        if held:
            self._by_peer[ticket.peer] = held
        else:
            del self._by_peer[ticket.peer]
        self._strikes.pop(ticket.id, None)
        return True

    def strike(self, ticket: Ticket) -> bool:
        """Somebody showed it who does not hold its secret; whether that was once too often."""
        self._strikes[ticket.id] = self._strikes.get(ticket.id, 0) + 1
        return self._strikes[ticket.id] >= STRIKES

    def _drop(self, ticket: Ticket) -> None:
        del self._by_id[ticket.id]
        self._strikes.pop(ticket.id, None)
