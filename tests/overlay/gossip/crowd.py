"""Hundreds of gossip rooms in virtual time, joined as a sparse mesh is: who says how much, and who knows what when.

Signatures are taken for granted and a record is decoded once for all rooms; keepalives bear the root as `paths` sends
them. Bytes are counted as they cross the wire: IPv4 and UDP headers, our header, the tag, and 1,200 B a datagram.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from overlay.gossip.facts import Fact, FirstDial, Remembered, RootHeard, SelfChanged, SessionDown, SessionUp
from overlay.gossip.gossip import Gossip
from overlay.gossip.record import Record, RecordEndpoint, RecordLink
from overlay.gossip.records import decode
from overlay.routing.neighbours import Candidate, choose
from overlay.values import NodeId
from overlay.wire.messages import Buckets, Have, Message, Records, Unheard, Want
from tests.overlay.gossip.mesh import as_fact, gossip, identity

HEADERS, DATAGRAM = 28 + 16 + 16, 1200
PING = HEADERS + 12
KEEPALIVE = 25.0


@contextmanager
def trusting() -> Iterator[None]:
    """Records are not verified, and decoded once."""
    known: dict[bytes, Record] = {}

    def once(signed: bytes, network: str) -> Record:
        if signed not in known:
            known[signed] = decode(signed, network)
        return known[signed]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("overlay.gossip.intake.decode", once)
        patch.setattr("overlay.gossip.intake.is_signed", lambda *_: True)
        yield


def size(message: Message) -> int:
    """Bytes on the wire, close to the true ones."""
    match message:
        case Have() | Unheard():
            body = 4 + 38 * len(message.entries)
        case Want():
            body = 4 + 34 * len(message.ids)
        case Records():
            body = 4 + sum(len(record) + 3 for record in message.records)
        case Buckets():
            body = 4 + sum(9 if each > 0xFFFF_FFFF else 1 for each in message.hashes)
        case _:
            raise AssertionError(message)
    return body + HEADERS * (1 + body // DATAGRAM)


class Crowd:
    """So many rooms; the first `relays` are public."""

    def __init__(self, count: int, relays: int, *, delay: float = 0.04, seed: int = 1) -> None:
        self.now = 0.0
        self.delay = delay
        self.dice = random.Random(seed)
        self.lost: Callable[[NodeId, NodeId], bool] = lambda sender, receiver: False
        self.rooms: list[Gossip] = []
        self.index: dict[NodeId, int] = {}
        self.links: dict[NodeId, dict[NodeId, float]] = {}
        """Room -> neighbour -> when it was last sent something."""
        self.sent: dict[NodeId, int] = {}
        self.kinds: dict[str, int] = {}
        self.relays = relays
        self._queue: list[tuple[float, int, NodeId, Fact | _Keepalive | None]] = []
        self._order = 0
        self._planned: dict[NodeId, float] = {}
        for number in range(count):
            self.add(number)

    def add(self, number: int) -> Gossip:
        """A room with a record as they are in life."""
        room = gossip(identity(number + 1), f"n{number}", remembered=None, now=self.now)
        public = number < self.relays
        ends = [RecordEndpoint(f"192.168.{number >> 8}.{number & 255 or 1}:27182", "local")]
        ends.append(RecordEndpoint(f"203.{number >> 8}.0.{number & 255 or 1}:27182", "public" if public else "stun"))
        room.tell(FirstDial(), now=self.now)
        room.tell(SelfChanged(tuple(ends), (), relay=public), now=self.now)
        list(room.commands()), list(room.events())
        self.rooms.append(room)
        self.index[room.own.id] = len(self.rooms) - 1
        self.links[room.own.id] = {}
        self.sent[room.own.id] = 0
        self._plan(room)
        return room

    def acquaint(self) -> None:
        """Everybody knows everybody, as after a night."""
        signed = [room.own_signed for room in self.rooms]
        for room in self.rooms:
            room.tell(Remembered(signed), now=self.now)
            list(room.events())

    def chosen(self, room: Gossip) -> list[Gossip]:
        """Whom a room would choose."""
        others = [each for each in self.rooms if each is not room]
        candidates = [Candidate(each.own.id, self.index[each.own.id] < self.relays) for each in others]
        return [self.rooms[self.index[node]] for node in choose(candidates, {}, entropy=self.dice)]

    def weave(self) -> None:
        """Everybody connects to whom it chooses, says so in its record, and knows everybody, as after a night."""
        chosen = {room.own.id: self.chosen(room) for room in self.rooms}
        for room in self.rooms:
            links = tuple(RecordLink(other.own.id, 9) for other in chosen[room.own.id])
            room.tell(SelfChanged(room.own.endpoints, links, relay=room.own.relay), now=self.now)
        self.acquaint()
        for room in self.rooms:
            for other in chosen[room.own.id]:
                self.connect(room, other)

    def connect(self, one: Gossip, two: Gossip) -> None:
        if two.own.id in self.links[one.own.id]:
            return
        for room, other in ((one, two), (two, one)):
            self.links[room.own.id][other.own.id] = self.now
            self._post(self.now + self.dice.random() * KEEPALIVE, room.own.id, None, other.own.id)
        for room, other in ((one, two), (two, one)):
            self.tell(room, SessionUp(other.own.id, other.own_signed))

    def part(self, one: Gossip, two: Gossip) -> None:
        for room, other in ((one, two), (two, one)):
            if self.links[room.own.id].pop(other.own.id, None) is not None:
                self.tell(room, SessionDown(other.own.id))

    def tell(self, room: Gossip, fact: Fact) -> None:
        room.tell(fact, now=self.now)
        self._collect(room)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let time pass, or until something holds; how long it took."""
        began = self.now
        while self._queue and self._queue[0][0] <= began + seconds and not until():
            at, _, node, fact = heapq.heappop(self._queue)
            self.now = max(self.now, at)
            room = self.rooms[self.index[node]]
            if isinstance(fact, _Keepalive):
                self._keepalive(room, fact.peer)
            elif fact is not None:
                self.tell(room, fact)
            elif self._planned.get(node) == at:
                del self._planned[node]
                room.handle_timeout(now=self.now)
                self._collect(room)
        if not until():
            self.now = began + seconds
        return self.now - began

    def _keepalive(self, room: Gossip, peer: NodeId) -> None:
        last = self.links[room.own.id].get(peer)
        if last is None:
            return
        if self.now - last >= KEEPALIVE - 0.01:
            last = self.links[room.own.id][peer] = self.now
            self.sent[room.own.id] += PING
            self.kinds["Ping"] = self.kinds.get("Ping", 0) + PING
            root = room._members.digest.root
            self._deliver(room.own.id, peer, RootHeard(room.own.id, root))
        self._post(last + KEEPALIVE, room.own.id, None, peer)

    def _collect(self, room: Gossip) -> None:
        list(room.events())
        own = room.own.id
        for command in room.commands():
            bytes_ = size(command.message)
            self.sent[own] += bytes_
            kind = type(command.message).__name__
            self.kinds[kind] = self.kinds.get(kind, 0) + bytes_
            if command.peer in self.links[own]:
                self.links[own][command.peer] = self.now
                self._deliver(own, command.peer, as_fact(own, command.message))
        self._plan(room)

    def _deliver(self, sender: NodeId, receiver: NodeId, fact: Fact) -> None:
        if not self.lost(sender, receiver):
            self._post(self.now + self.delay, receiver, fact, None)

    def _plan(self, room: Gossip) -> None:
        due = room.next_timeout()
        if due is not None and self._planned.get(room.own.id) != due:
            self._planned[room.own.id] = due
            self._post(due, room.own.id, None, None)

    def _post(self, at: float, node: NodeId, fact: Fact | None, peer: NodeId | None) -> None:
        self._order += 1
        what: Fact | _Keepalive | None = _Keepalive(peer) if peer is not None else fact
        heapq.heappush(self._queue, (at, self._order, node, what))

    def know(self, record: Record) -> int:
        """How many hold this record, or a newer one."""
        held = (room.member(record.id) for room in self.rooms)
        return sum(each is not None and each.sequence >= record.sequence for each in held)


class _Keepalive:
    """It is time to look whether a neighbour was sent something."""

    def __init__(self, peer: NodeId) -> None:
        self.peer = peer
