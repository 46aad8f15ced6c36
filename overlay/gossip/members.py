"""The records held: newest of each id, how long, and how many a neighbour may bring (protocol section 8).

new record --admit--> held --refreshed in time--> held
                       |  left, or three intervals without a newer one
                       v
                      gone: (id, sequence) known for a day, so that no echo brings it back

All places taken: whoever introduced most of those that are new here loses the first of them to a newcomer, unless the
newcomer is one more of its own. Neighbours, and members known for an hour, stay.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from overlay.gossip.digest import Digest
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
ESTABLISHED = 3600.0
"""Seconds after which a member gives way to no newcomer."""


_QUIET = b"is quiet"
"""What stands for the signature in the digest of a member that nobody hears."""


class Held(Struct):
    """A record as it is kept."""

    record: Record
    signed: bytes
    """Verbatim, as its node signed it."""
    at: float
    """When it came, seconds."""
    heard: float
    """When something of its node itself was last heard."""
    since: float
    """When its id came to be known."""
    by: NodeId | None
    """The neighbour that introduced it; None: the disk, or itself in a handshake."""
    quiet: bool = False
    """Nobody hears its node any more, as its neighbours say."""


class Gone(Struct, frozen=True):
    """What is left of a record that was dropped."""

    sequence: int
    signed: bytes
    """Shown to its owner, should it come back with an older sequence."""
    until: float
    left: bool = False
    """It said so itself: only a later record brings it back, where else it may come again as it was."""


class Members:
    """The newest verified record of every id, our own too."""

    def __init__(self, key: bytes = b"") -> None:
        """`key` sets the digests of networks apart."""
        self.digest = Digest(key)
        self._held: dict[NodeId, Held] = {}
        self._gone: dict[NodeId, Gone] = {}
        self._introduced: dict[NodeId, TokenBucket] = {}
        self._fresh: dict[NodeId, dict[NodeId, None]] = {}
        """Introducing neighbour -> ids that it brought within the hour, oldest first."""

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

    def entries(self, buckets: Collection[int]) -> list[tuple[bytes, int]]:
        """(id, sequence) of every record held whose id begins with one of these bytes."""
        chosen = frozenset(buckets)
        return [(node, held.record.sequence) for node, held in self._held.items() if node[0] in chosen]

    def put(self, record: Record, signed: bytes, *, by: NodeId | None = None, now: float) -> bool:
        """Hold a verified record newer than any before; True if its id was not held."""
        before = self._held.get(record.id)
        if before is not None:
            self._unsum(before)
            since, by = before.since, before.by
        else:
            since = now
            if by is not None:
                self._fresh.setdefault(by, {})[record.id] = None
        self.digest.add(record.id, record.sequence, signed)
        self._held[record.id] = Held(record, signed, now, now, since, by)
        self._gone.pop(record.id, None)
        return before is None

    def drop(self, node: NodeId, *, now: float) -> Held | None:
        """Let the record of `node` go; its sequence is remembered for a day."""
        held = self._remove(node)
        if held:
            self.bury(node, held.record.sequence, held.signed, now=now)
        return held

    def bury(self, node: NodeId, sequence: int, signed: bytes, *, left: bool = False, now: float) -> None:
        """Remember for a day that this record of `node`, and all before it, are over."""
        self._gone.pop(node, None)
        self._gone[node] = Gone(sequence, signed, now + REMEMBERED, left)
        if len(self._gone) > MAX_RECORDS:
            del self._gone[next(iter(self._gone))]

    def is_gone(self, node: NodeId) -> bool:
        """Whether `node` was held within the last day and is no more."""
        return node in self._gone

    def has_left(self, node: NodeId) -> bool:
        """Whether `node` said within the last day that it left, and is no more."""
        gone = self._gone.get(node)
        return gone is not None and gone.left

    def may_return(self, node: NodeId, sequence: int) -> bool:
        """Whether `node`, that was given up, may come again with the record it had."""
        gone = self._gone.get(node)
        return gone is not None and gone.sequence == sequence and not gone.left

    def evict(self, node: NodeId) -> None:
        """Let the record of `node` go to make room: nothing of it is remembered, it may come again."""
        self._remove(node)

    def _remove(self, node: NodeId) -> Held | None:
        held = self._held.get(node)
        if held is not None:
            self._unsum(held)
            del self._held[node]
            self._settled(node, held)
        return held

    def _settled(self, node: NodeId, held: Held) -> None:
        """`node` is no newcomer any more."""
        if held.by is not None and (brought := self._fresh.get(held.by)) is not None:
            brought.pop(node, None)
            if not brought:
                del self._fresh[held.by]

    def heard(self, node: NodeId, *, now: float) -> None:
        """Something of `node` itself came just now."""
        if held := self._held.get(node):
            held.heard = now
            if held.quiet:
                self.set_quiet(node, False)

    def set_quiet(self, node: NodeId, quiet: bool) -> None:
        """Whether nobody hears a member any more; the digest says so too, that two that differ in it find out."""
        held = self._held.get(node)
        if held is not None and held.quiet != quiet:
            held.quiet = quiet
            change = self.digest.add if quiet else self.digest.remove
            change(node, held.record.sequence, _QUIET)

    def _unsum(self, held: Held) -> None:
        """A record is held no more as it was."""
        self.set_quiet(held.record.id, False)
        self.digest.remove(held.record.id, held.record.sequence, held.signed)

    # -- how many -----------------------------------------------------------------------------------------------

    def victim(self, by: NodeId | None, spared: Collection[NodeId]) -> NodeId | None:
        """Who gives way to a newcomer that `by` introduces; None: the newcomer finds no place. `spared`: neighbours."""
        if not self._fresh:
            return None
        worst = max(self._fresh, key=lambda each: len(self._fresh[each]))
        if by is not None and len(self._fresh[worst]) <= len(self._fresh.get(by, ())) + 1:
            return None
        return next((node for node in self._fresh[worst] if node not in spared), None)

    def room(self, neighbour: NodeId, *, now: float) -> int:
        """How many new ids `neighbour` may bring now."""
        return int(self._budget(neighbour, now).available(now=now))

    def introduce(self, neighbour: NodeId, *, now: float) -> bool:
        """Count one new id against `neighbour`; False if it brought too many."""
        return self._budget(neighbour, now).take(now=now)

    def _budget(self, neighbour: NodeId, now: float) -> TokenBucket:
        if neighbour not in self._introduced:
            self._introduced[neighbour] = TokenBucket(depth=INTRODUCED_BURST, rate=INTRODUCED_RATE, now=now)
        return self._introduced[neighbour]

    # -- time ---------------------------------------------------------------------------------------------------

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
        for node, held in self._held.items():
            held.at += slept
            held.heard += slept
            if held.by is not None and now - held.since >= ESTABLISHED:
                self._settled(node, held)
        self._gone = {node: gone for node, gone in self._gone.items() if gone.until > now}
        self._introduced = {node: budget for node, budget in self._introduced.items() if budget.full_at() > now}
