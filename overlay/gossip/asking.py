"""Records we lack: asked of whoever says that it has them, a window at a time (protocol section 8).

rumour (id, 7) of A --> asked of A --0.5, 1, 2 .. s--> asked of the next that has it --> came, or given up
                  \\--> waits, while A owes us 128 others
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


class Wanted(Struct):
    """A record we lack, and who says that it has it."""

    sequence: int
    at: float
    """When it is asked again; infinity: it waits for a place in a window."""
    sources: list[NodeId]
    """The first is asked next."""
    askings: int = 0
    asked: NodeId | None = None
    """Who owes it to us."""


class Asking:
    """What we lack, and whom we ask."""

    def __init__(self, out: list[SendGossip], drops: dict[str, int]) -> None:
        self._out = out
        self._drops = drops
        self._wanted: dict[NodeId, Wanted] = {}
        self._owing: dict[NodeId, int] = {}
        """Neighbour -> how many records it owes us."""
        self._waiting: dict[NodeId, dict[NodeId, None]] = {}
        """Neighbour -> what is to be asked of it when its window has room, oldest first."""
        self._next_at: float | None = None

    def __len__(self) -> int:
        return len(self._wanted)

    def rumour(self, peer: NodeId, node: NodeId, sequence: int) -> None:
        """`peer` has a record of `node` that we lack; `ask` sends what is to be asked."""
        wanted = self._wanted.get(node)
        if wanted is not None and sequence <= wanted.sequence:
            if peer not in wanted.sources:
                wanted.sources.append(peer)
            return
        if wanted is None and len(self._wanted) >= MAX_RECORDS:
            self._drops["wants_full"] = self._drops.get("wants_full", 0) + 1
            return
        if wanted is not None:
            self._forget(node)
        self._wanted[node] = Wanted(sequence, float("inf"), [peer])
        self._waiting.setdefault(peer, {})[node] = None

    def ask(self, peer: NodeId, *, now: float) -> None:
        """Ask `peer` for what waits, as far as its window goes."""
        waiting = self._waiting.get(peer)
        if not waiting:
            return
        ids: list[bytes] = []
        free = WINDOW - self._owing.get(peer, 0)
        while waiting and len(ids) < free:
            node = next(iter(waiting))
            del waiting[node]
            wanted = self._wanted[node]
            wanted.asked, wanted.at = peer, now + ASK_AGAIN[wanted.askings]
            self._wake(wanted.at)
            ids.append(node)
        if not waiting:
            del self._waiting[peer]
        self._owing[peer] = self._owing.get(peer, 0) + len(ids)
        for start in range(0, len(ids), WANT_CHUNK):
            self._out.append(SendGossip(peer, Want(ids[start : start + WANT_CHUNK])))

    def came(self, node: NodeId, sequence: int) -> None:
        """A record of `node` is here."""
        wanted = self._wanted.get(node)
        if wanted is not None and sequence >= wanted.sequence:
            self._forget(node)

    def gone(self, node: NodeId) -> None:
        """Nobody needs a record of `node` any more."""
        if node in self._wanted:
            self._forget(node)

    def down(self, peer: NodeId, *, now: float) -> None:
        """No session with `peer` is left: others are asked."""
        self._waiting.pop(peer, None)
        self._owing.pop(peer, None)
        for node, wanted in list(self._wanted.items()):
            if peer not in wanted.sources:
                continue
            wanted.sources.remove(peer)
            if not wanted.sources:
                del self._wanted[node]
            elif wanted.asked in (None, peer):
                wanted.asked, wanted.at = None, now
                self._wake(now)

    def next_timeout(self) -> float | None:
        """When something is to be asked again."""
        return self._next_at

    def handle_timeout(self, *, now: float) -> None:
        """Repeat what was not answered, of the next one that has it."""
        if self._next_at is None or self._next_at > now:
            return
        again: dict[NodeId, None] = {}
        for node, wanted in list(self._wanted.items()):
            if wanted.at > now:
                continue
            wanted.askings += 1
            if wanted.askings >= len(ASK_AGAIN):
                self._forget(node)
                continue
            self._no_longer_owed(wanted)
            wanted.sources.append(wanted.sources.pop(0))
            wanted.at = float("inf")
            self._waiting.setdefault(wanted.sources[0], {})[node] = None
            again[wanted.sources[0]] = None
        self._next_at = None
        for peer in again:
            self.ask(peer, now=now)
        due = min((wanted.at for wanted in self._wanted.values()), default=float("inf"))
        self._next_at = due if due != float("inf") else None

    def _wake(self, at: float) -> None:
        if self._next_at is None or at < self._next_at:
            self._next_at = at

    def _forget(self, node: NodeId) -> None:
        wanted = self._wanted.pop(node)
        self._no_longer_owed(wanted)
        for peer in wanted.sources:
            waiting = self._waiting.get(peer)
            if waiting is not None and node in waiting:
                del waiting[node]
                if not waiting:
                    del self._waiting[peer]

    def _no_longer_owed(self, wanted: Wanted) -> None:
        peer, wanted.asked = wanted.asked, None
        if peer is None:
            return
        left = self._owing.get(peer, 0) - 1
        if left > 0:
            self._owing[peer] = left
        else:
            self._owing.pop(peer, None)
