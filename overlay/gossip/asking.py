"""Records we lack: asked of whoever says that it has them, a window at a time (protocol section 8).

rumour (id, 7) of A --> asked of A --0.5, 1, 2 .. s--> asked of the next that has it --> came, or given up
                  \\--> waits, while A owes us 128 others

What each says it has is kept apart: a claim that is too high to be true costs its own askings, and no other's. Each
record wanted is charged to whoever was the first to name it.
"""

from __future__ import annotations

from msgspec import Struct

from overlay.gossip.commands import SendGossip
from overlay.gossip.members import MAX_RECORDS
from overlay.values import NodeId
from overlay.wire.messages import Want

ASK_AGAIN = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds after each asking; then the record is taken to be a rumour."""
WINDOW = 128
"""Records that one neighbour owes us at a time: two meshes that meet send each other some 60 kB a round trip, not all
they have at once."""
WANT_CHUNK = 400
"""Ids of 34 B in a control message of 16 KiB."""
MOST_WANTED = MAX_RECORDS
"""Records wanted; one more takes the place of the oldest of whoever named most."""
NEVER = float("inf")


class Wanted(Struct):
    """A record we lack, and who says that it has it."""

    by: NodeId
    """Whom it is charged to."""
    sources: list[NodeId]
    """The first is asked, or next."""
    claims: dict[NodeId, int]
    """Source -> the sequence it says it has."""
    at: float = NEVER
    """When it is asked again."""
    askings: int = 0
    asked: NodeId | None = None
    """Who owes it to us."""
    waits: NodeId | None = None
    """In whose window it waits for a place."""


class Asking:
    """What we lack, and whom we ask."""

    def __init__(self, out: list[SendGossip]) -> None:
        self._out = out
        self._wanted: dict[NodeId, Wanted] = {}
        self._brought: dict[NodeId, dict[NodeId, bool]] = {}
        """Neighbour -> what is charged to it, oldest first, and whether that is a stranger."""
        self._owing: dict[NodeId, int] = {}
        """Neighbour -> how many records it owes us."""
        self._waiting: dict[NodeId, dict[NodeId, None]] = {}
        """Neighbour -> what is to be asked of it when its window has room, oldest first."""
        self._next_at: float | None = None

    def __len__(self) -> int:
        return len(self._wanted)

    def __contains__(self, node: NodeId) -> bool:
        return node in self._wanted

    def strangers(self, peer: NodeId) -> int:
        """How many unknown ids that `peer` named are still to come."""
        return sum(self._brought.get(peer, {}).values())

    def rumour(self, peer: NodeId, node: NodeId, sequence: int, *, stranger: bool = False, now: float) -> None:
        """`peer` has a record of `node` that we lack; `ask` sends what is to be asked."""
        wanted = self._wanted.get(node)
        if wanted is None:
            if len(self._wanted) >= MOST_WANTED:
                most = max(self._brought.values(), key=len)
                self._forget(next(iter(most)), now=now)
            wanted = self._wanted[node] = Wanted(peer, [peer], {peer: sequence})
            self._brought.setdefault(peer, {})[node] = stranger
            self._queue(node, wanted)
        elif peer in wanted.claims:
            wanted.claims[peer] = max(sequence, wanted.claims[peer])
        else:
            self._join(peer, node, sequence, wanted, now=now)

    def _join(self, peer: NodeId, node: NodeId, sequence: int, wanted: Wanted, *, now: float) -> None:
        """One more source, asked next: soon, whatever those before it are good for."""
        wanted.claims[peer] = sequence
        wanted.sources.insert(1, peer)
        wanted.askings = min(wanted.askings, len(ASK_AGAIN) - 2)
        if wanted.asked is not None:
            wanted.at = min(wanted.at, now + ASK_AGAIN[0])
            self._wake(wanted.at)
        elif wanted.waits is not None and self._load(peer) < self._load(wanted.waits):
            self._release(node, wanted, now=now)
            wanted.sources[:2] = reversed(wanted.sources[:2])
            self._queue(node, wanted)

    def ask(self, peer: NodeId, *, now: float) -> None:
        """Ask `peer` for what waits, as far as its window goes."""
        waiting = self._waiting.get(peer, {})
        ids = list(waiting)[: max(0, WINDOW - self._owing.get(peer, 0))]
        if not ids:
            return
        for node in ids:
            wanted = self._wanted[node]
            self._unqueue(peer, node)
            wanted.waits, wanted.asked, wanted.at = None, peer, now + ASK_AGAIN[wanted.askings]
            self._wake(wanted.at)
        self._owing[peer] = self._owing.get(peer, 0) + len(ids)
        for start in range(0, len(ids), WANT_CHUNK):
            self._out.append(SendGossip(peer, Want([*ids[start : start + WANT_CHUNK]])))

    def came(self, node: NodeId, sequence: int, *, now: float) -> None:
        """A record of `node` is here: whoever claimed no more need not be asked."""
        wanted = self._wanted.get(node)
        if wanted is None:
            return
        self._brought[wanted.by][node] = False
        for peer in [peer for peer, claimed in wanted.claims.items() if claimed <= sequence]:
            self._not_from(peer, node, wanted, now=now)

    def gone(self, node: NodeId, *, now: float) -> None:
        """Nobody needs a record of `node` any more."""
        if node in self._wanted:
            self._forget(node, now=now)

    def down(self, peer: NodeId, *, now: float) -> None:
        """No session with `peer` is left: others are asked."""
        for node, wanted in list(self._wanted.items()):
            if peer in wanted.claims:
                self._not_from(peer, node, wanted, now=now)

    def next_timeout(self) -> float | None:
        """When something is to be asked again."""
        return self._next_at

    def handle_timeout(self, *, now: float) -> None:
        """Repeat what was not answered, of the next one that has it."""
        if self._next_at is None or self._next_at > now:
            return
        for node, wanted in list(self._wanted.items()):
            if wanted.at > now:
                continue
            if wanted.asked is not None:
                wanted.askings += 1
                wanted.sources.append(wanted.sources.pop(0))
            if wanted.askings >= len(ASK_AGAIN):
                self._forget(node, now=now)
            else:
                self._release(node, wanted, now=now)
                self._queue(node, wanted)
        for peer in list(self._waiting):
            self.ask(peer, now=now)
        due = min((wanted.at for wanted in self._wanted.values()), default=NEVER)
        self._next_at = due if due != NEVER else None

    def _wake(self, at: float) -> None:
        if self._next_at is None or at < self._next_at:
            self._next_at = at

    def _load(self, peer: NodeId) -> int:
        return self._owing.get(peer, 0) + len(self._waiting.get(peer, ()))

    def _queue(self, node: NodeId, wanted: Wanted) -> None:
        """To be asked of its first source."""
        wanted.waits, wanted.at = wanted.sources[0], NEVER
        self._waiting.setdefault(wanted.sources[0], {})[node] = None

    def _unqueue(self, peer: NodeId, node: NodeId) -> None:
        waiting = self._waiting[peer]
        del waiting[node]
        if not waiting:
            del self._waiting[peer]

    def _not_from(self, peer: NodeId, node: NodeId, wanted: Wanted, *, now: float) -> None:
        """`peer` is no source any more; another is asked now if it was the one asked."""
        del wanted.claims[peer]
        wanted.sources.remove(peer)
        if not wanted.sources:
            self._forget(node, now=now)
            return
        if wanted.by == peer:
            self._brought.setdefault(wanted.sources[0], {})[node] = self._discharge(node, wanted)
            wanted.by = wanted.sources[0]
        if peer in (wanted.asked, wanted.waits):
            self._release(node, wanted, now=now)
            wanted.at = now
            self._wake(now)

    def _forget(self, node: NodeId, *, now: float) -> None:
        wanted = self._wanted.pop(node)
        self._discharge(node, wanted)
        self._release(node, wanted, now=now)

    def _discharge(self, node: NodeId, wanted: Wanted) -> bool:
        """It is charged to nobody any more; returns whether it was a stranger."""
        brought = self._brought[wanted.by]
        stranger = brought.pop(node)
        if not brought:
            del self._brought[wanted.by]
        return stranger

    def _release(self, node: NodeId, wanted: Wanted, *, now: float) -> None:
        """Nobody owes it, and it waits nowhere; what waits behind it has a place now."""
        if wanted.waits is not None:
            self._unqueue(wanted.waits, node)
        if wanted.asked is not None:
            left = self._owing.pop(wanted.asked) - 1
            if left:
                self._owing[wanted.asked] = left
            if wanted.asked in self._waiting:
                self._wake(now)
        wanted.asked = wanted.waits = None
