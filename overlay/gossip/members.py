"""The records held: newest of each id, how long, and how many a neighbour may bring (protocol section 8).

new record --admit--> held --refreshed in time--> held
                       |  left, or three intervals without a newer one
                       v
                      gone: (id, sequence) known for a day, so that no echo brings it back
"""

from __future__ import annotations

from msgspec import Struct

from overlay.gossip.record import Record
from overlay.values import NodeId
from punch.limiter import TokenBucket

MAX_RECORDS = 4096
INTRODUCED_BURST = 1100
"""New ids a neighbour may bring at once .."""
INTRODUCED_RATE = 2.0
""".. and a second from then on."""
MIN_INTERVAL = 3600.0
"""Seconds: records are refreshed every max(1 h, 10 s x members)."""
INTERVAL_PER_MEMBER = 10.0
INTERVALS_KEPT = 3
REMEMBERED = 86_400.0
"""Seconds a record that is gone keeps its successors-only rule."""


class Held(Struct):
    """A record as it is kept."""

    record: Record
    signed: bytes
    """Verbatim, as its node signed it."""
    at: float
    """When it came, seconds."""
    heard: float
    """When something of its node itself was last heard."""


class Gone(Struct, frozen=True):
    """What is left of a record that was dropped."""

    sequence: int
    signed: bytes
    """Shown to its owner, should it come back with an older sequence."""
    until: float


class Members:
    """The newest verified record of every id, our own too."""

    def __init__(self) -> None:
        self._held: dict[NodeId, Held] = {}
        self._gone: dict[NodeId, Gone] = {}
        self._introduced: dict[NodeId, TokenBucket] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, node: NodeId) -> Held | None:
        """The record held of `node`."""
        return self._held.get(node)

    def all(self) -> list[Held]:
        """Every record held, in the order their ids came."""
        return list(self._held.values())

    def sequence(self, node: NodeId) -> int:
        """The highest sequence of `node` seen, held or gone; -1 for a stranger."""
        if held := self._held.get(node):
            return held.record.sequence
        gone = self._gone.get(node)
        return gone.sequence if gone else -1

    def signed(self, node: NodeId) -> bytes | None:
        """The newest signed record of `node`, held or gone."""
        found = self._held.get(node) or self._gone.get(node)
        return found.signed if found else None

    def put(self, record: Record, signed: bytes, *, now: float) -> bool:
        """Hold a verified record newer than any before; True if its id was not held."""
        first = record.id not in self._held
        self._held[record.id] = Held(record, signed, now, now)
        self._gone.pop(record.id, None)
        return first

    def drop(self, node: NodeId, *, now: float) -> Held | None:
        """Let the record of `node` go; its sequence is remembered for a day."""
        held = self._held.pop(node, None)
        if held:
            self._gone[node] = Gone(held.record.sequence, held.signed, now + REMEMBERED)
            if len(self._gone) > MAX_RECORDS:
                del self._gone[next(iter(self._gone))]
        return held

    def heard(self, node: NodeId, *, now: float) -> None:
        """Something of `node` itself came just now."""
        if held := self._held.get(node):
            held.heard = now

    def room(self, neighbour: NodeId, *, now: float) -> int:
        """How many new ids `neighbour` may bring now."""
        return min(MAX_RECORDS - len(self._held), int(self._budget(neighbour, now).available(now=now)))

    def introduce(self, neighbour: NodeId, *, now: float) -> bool:
        """Count one new id against `neighbour`; False if it brought too many."""
        return self._budget(neighbour, now).take(now=now)

    def _budget(self, neighbour: NodeId, now: float) -> TokenBucket:
        if neighbour not in self._introduced:
            self._introduced[neighbour] = TokenBucket(depth=INTRODUCED_BURST, rate=INTRODUCED_RATE, now=now)
        return self._introduced[neighbour]

    @property
    def interval(self) -> float:
        """Seconds between two records of a node while nothing changes."""
        return max(MIN_INTERVAL, INTERVAL_PER_MEMBER * len(self._held))

    def expired(self, own: NodeId, *, now: float) -> list[NodeId]:
        """Ids whose record is three intervals old; our own never is."""
        oldest = now - INTERVALS_KEPT * self.interval
        return [node for node, held in self._held.items() if held.at <= oldest and node != own]

    def tidy(self, *, slept: float, now: float) -> None:
        """Forget what nobody needs any more. `slept` seconds nobody could have been heard in do not count."""
        for held in self._held.values():
            held.at += slept
            held.heard += slept
        self._gone = {node: gone for node, gone in self._gone.items() if gone.until > now}
        self._introduced = {node: budget for node, budget in self._introduced.items() if budget.full_at() > now}
