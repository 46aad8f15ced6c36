"""Several gossip rooms joined by fake links, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from overlay.gossip.events import Event
from overlay.gossip.facts import (
    BucketsReceived,
    Fact,
    FirstDial,
    HaveReceived,
    NoPeers,
    RecordsReceived,
    SessionDown,
    SessionUp,
    UnheardReceived,
    WantReceived,
)
from overlay.gossip.gossip import Gossip
from overlay.identity import Identity, NetworkKeys, network_keys
from overlay.values import NodeId
from overlay.wire.codec import decode_message, encode_message
from overlay.wire.messages import Buckets, Have, Message, Records, Unheard, Want

NETWORK = network_keys("home", bytes(32))


def identity(number: int) -> Identity:
    """The same identity for the same number, in every test."""
    return Identity(number.to_bytes(32, "little"))


def gossip(
    who: Identity,
    name: str = "node",
    *,
    fixed: str | None = None,
    remembered: str | None = None,
    sequence: int = 0,
    network: NetworkKeys = NETWORK,
    now: float = 0.0,
) -> Gossip:
    """A room with the usual arguments."""
    return Gossip(
        identity=who,
        network=network,
        name=name,
        fixed_ipv4=fixed,
        remembered_ipv4=remembered,
        version="0.1.0",
        relay=True,
        boot=b"bootboot",
        sequence=sequence,
        entropy=random.Random(who.id),
        now=now,
    )


def as_fact(sender: NodeId, message: Message) -> Fact:
    """What the hall tells of a gossip message that came."""
    match message:
        case Have():
            return HaveReceived(sender, message.entries)
        case Want():
            return WantReceived(sender, message.ids)
        case Records():
            return RecordsReceived(sender, message.records)
        case Buckets():
            return BucketsReceived(sender, message.hashes)
        case Unheard():
            return UnheardReceived(sender, message.entries)
    raise AssertionError(message)


class Mesh:
    """Rooms by number; messages take `delay` seconds and are lost where `lost` says so."""

    def __init__(self, delay: float = 0.01, lost: Callable[[Message], bool] = lambda message: False) -> None:
        self.now = 0.0
        self.delay = delay
        self.lost = lost
        self.rooms: dict[NodeId, Gossip] = {}
        self.links: dict[tuple[NodeId, NodeId], None] = {}
        self.log: dict[NodeId, list[Event]] = {}
        self.sent: list[tuple[float, NodeId, NodeId, Message]] = []
        self._flying: list[tuple[float, NodeId, NodeId, bytes]] = []

    def add(self, room: Gossip) -> Gossip:
        self.rooms[room.own.id] = room
        self.log[room.own.id] = []
        self._collect(room)
        return room

    def tell(self, room: Gossip, fact: Fact) -> None:
        room.tell(fact, now=self.now)
        self._collect(room)

    def connect(self, one: Gossip, two: Gossip) -> None:
        """Open a session: each learns the other's record with the handshake."""
        for room in (one, two):
            self.tell(room, FirstDial())
        records = one.own_signed, two.own_signed
        self.links[one.own.id, two.own.id] = self.links[two.own.id, one.own.id] = None
        self.tell(one, SessionUp(two.own.id, records[1]))
        self.tell(two, SessionUp(one.own.id, records[0]))

    def disconnect(self, one: Gossip, two: Gossip) -> None:
        for room, peer in ((one, two), (two, one)):
            self.links.pop((room.own.id, peer.own.id), None)
            self.tell(room, SessionDown(peer.own.id))

    def alone(self, room: Gossip) -> Gossip:
        """A room that nobody else is there for."""
        self.add(room)
        self.tell(room, NoPeers())
        return room

    def run(self, seconds: float) -> None:
        """Let time pass, from one moment where something happens to the next."""
        end = self.now + seconds
        while (at := min(self._moments(), default=end)) <= end and at != float("inf"):
            self.now = max(self.now, at)
            self._deliver()
            for room in self.rooms.values():
                due = room.next_timeout()
                if due is not None and due <= self.now:
                    room.handle_timeout(now=self.now)
                    self._collect(room)
        self.now = end

    def events(self, room: Gossip, kind: type[Event]) -> list[Event]:
        return [event for event in self.log[room.own.id] if isinstance(event, kind)]

    def _moments(self) -> Iterator[float]:
        yield from (at for at, *_ in self._flying)
        for room in self.rooms.values():
            if (due := room.next_timeout()) is not None:
                yield due

    def _deliver(self) -> None:
        due = [flight for flight in self._flying if flight[0] <= self.now]
        self._flying = [flight for flight in self._flying if flight[0] > self.now]
        for _, sender, receiver, plain in due:
            if (sender, receiver) in self.links and receiver in self.rooms:
                self.tell(self.rooms[receiver], as_fact(sender, decode_message(plain)))

    def _collect(self, room: Gossip) -> None:
        self.log[room.own.id].extend(room.events())
        for command in room.commands():
            plain = encode_message(command.message)
            self.sent.append((self.now, room.own.id, command.peer, command.message))
            if not self.lost(command.message):
                self._flying.append((self.now + self.delay, room.own.id, command.peer, plain))
