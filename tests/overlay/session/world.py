"""Hosts with nothing but `Sessions`, joined by a fake link in virtual time; a packet's fate is a function."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from hashlib import blake2b

from msgspec import Struct

from overlay.identity import Identity, NetworkKeys, network_keys
from overlay.sealing import CIPHERS
from overlay.session import Sealed, Sessions
from overlay.session.commands import SendControl, SendHandshake
from overlay.session.events import (
    DialFailed,
    Event,
    KeysLive,
    KeysMade,
    KeysRetired,
    LabelRetired,
    OpenKeyReady,
    ProbeKeysLive,
    SecretRefused,
    SessionLost,
    SessionOpened,
    TicketsChanged,
)
from overlay.session.facts import ControlReceived, DialAsked, Fact
from overlay.session.layout import MAC_SIZE, mac1
from overlay.session.tickets import KEPT, Ticket
from overlay.values import Direct, Label, Link, NodeId, Relayed
from overlay.wire.messages import Message, Ping, Rekey, Rekeyed
from punch.values import Endpoint, SocketId, udp

SOCKET = SocketId(1)
NETWORK = network_keys("home", b"s" * 32)
OTHER_SECRET = network_keys("home", b"t" * 32)
OTHER_NAME = network_keys("away", b"s" * 32)


def keygen(seed: bytes) -> Callable[[int], bytes]:
    """Key material that repeats."""
    counter = iter(range(10**9))
    return lambda size: blake2b(seed + next(counter).to_bytes(8, "little"), digest_size=size).digest()


KINDS = {1: "m1", 2: "m2", 3: "m3", 4: "m4", 5: "r1", 6: "r2"}


class Packet(Struct, frozen=True):
    """One datagram: a handshake frame, or a sealed control frame with its sender."""

    source: Endpoint
    to: Endpoint
    frame: bytes = b""
    sealed: Sealed | None = None
    message: Message | None = None
    """What is sealed, for the journal and for fates that choose by it."""

    @property
    def kind(self) -> str:
        """m1 .. m4, r1, r2, cookie, or the class of the message."""
        if self.sealed is not None:
            return type(self.message).__name__
        return KINDS[self.frame[1]] if self.frame[0] == 4 else "cookie"


Fate = Callable[[Packet], list[Packet]]


class Host:
    """A node at one endpoint."""

    def __init__(
        self,
        world: World,
        index: int,
        keys: NetworkKeys,
        ciphers: tuple[str, ...],
        seed: bytes,
        tickets: tuple[Ticket, ...] = (),
    ) -> None:
        self.index, self.seed = index, seed
        self.identity = Identity(
            blake2b(b"identity" + bytes((index,)) + seed.partition(b"/")[0], digest_size=32).digest()
        )
        self.endpoint = udp(f"192.0.2.{index}", 27182)
        self.record = f"record {index}".encode()
        self.sessions = Sessions(
            identity=self.identity,
            keys=keys,
            record=self.record,
            ciphers=ciphers,
            offloads=index,
            keygen=keygen(bytes((index,)) + seed),
            entropy=random.Random(index) if not seed else random.Random(bytes((index,)) + seed),
            now=world.now,
            tells_keys=world.tells_keys,
            tickets=tickets,
        )
        self.events: list[Event] = []
        self.messages: list[Message] = []
        self.open_keys: dict[tuple[NodeId, int], bytes] = {}
        self.seal_keys: dict[NodeId, tuple[int, bytes]] = {}
        self.given: list[bytes] = []
        """Every data key ever given to seal with."""
        self.probe_keys: dict[NodeId, ProbeKeysLive] = {}
        self.labels: dict[Label, NodeId] = {}
        self.tickets: dict[NodeId, tuple[Ticket, ...]] = {}
        """What it would have on disk."""
        for ticket in tickets:
            self.tickets[ticket.peer] = (*self.tickets.get(ticket.peer, ()), ticket)

    @property
    def id(self) -> NodeId:
        return self.identity.id

    def happened(self, event: Event) -> None:
        """Do what the hall and the data plane would."""
        self.events.append(event)
        match event:
            case SessionOpened():
                assert event.first == all(known != event.peer for known in self.labels.values())
                self.labels[event.label] = event.peer
            case OpenKeyReady():
                assert (event.peer, event.epoch) not in self.open_keys
                self.open_keys[event.peer, event.epoch] = event.key
            case KeysLive():
                assert event.key not in self.given
                self.given.append(event.key)
                self.seal_keys[event.peer] = (event.epoch, event.key)
            case ProbeKeysLive():
                assert event.seal_key not in self.given
                self.given += (event.seal_key, event.open_key)
                self.probe_keys[event.peer] = event
            case KeysRetired():
                del self.open_keys[event.peer, event.epoch]
            case LabelRetired():
                del self.labels[event.label]
            case SessionLost():
                self.seal_keys.pop(event.peer, None)
                assert all(peer != event.peer for peer, _ in self.open_keys)
                assert event.peer not in self.labels.values()
            case TicketsChanged():
                assert len(event.tickets) <= KEPT
                self.tickets.pop(event.peer, None)
                self.tickets[event.peer] = event.tickets
            case SecretRefused() | DialFailed() | KeysMade():
                pass

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    def opened(self) -> list[SessionOpened]:
        return [event for event in self.events if isinstance(event, SessionOpened)]


class World:
    """Delivers what hosts send, and jumps to the next wake-up."""

    def __init__(self, *, delay: float = 0.02, tells_keys: bool = False) -> None:
        self.tells_keys = tells_keys
        self.now = 1000.0
        self.delay = delay
        self.hosts: dict[Endpoint, Host] = {}
        self.by_id: dict[NodeId, Host] = {}
        self.fate: Fate = lambda packet: [packet]
        self.sent: list[Packet] = []
        self.times: list[float] = []
        self._queue: list[tuple[float, int, Packet]] = []
        self._order = 0
        self._hosts = 0
        self._restarts = 0

    def host(self, keys: NetworkKeys = NETWORK, *, ciphers: tuple[str, ...] = CIPHERS, seed: bytes = b"") -> Host:
        self._hosts += 1
        host = Host(self, self._hosts, keys, ciphers, seed)
        self.hosts[host.endpoint] = self.by_id[host.id] = host
        return host

    def restart(self, host: Host, *, tickets: tuple[Ticket, ...] | None = None) -> Host:
        """The host is killed and comes back with what is on its disk, or with `tickets`."""
        self._restarts += 1
        kept = tickets if tickets is not None else tuple(each for held in host.tickets.values() for each in held)
        seed = host.seed.partition(b"/")[0] + b"/" + bytes((self._restarts,))
        again = Host(self, host.index, NETWORK, CIPHERS, seed, kept)
        assert again.id == host.id
        self.hosts[host.endpoint] = self.by_id[host.id] = again
        return again

    def leave(self, host: Host) -> None:
        """Nothing comes from or to it any more."""
        del self.hosts[host.endpoint]

    def tell(self, host: Host, fact: Fact) -> None:
        host.sessions.tell(fact, now=self.now)
        self.settle(host)

    def dial(self, host: Host, to: Host, *, expect: NodeId | None = None) -> Link:
        link = direct(to.endpoint)
        self.tell(host, DialAsked(link, expect))
        return link

    def send(self, host: Host, to: Host, message: Message) -> bool:
        """Seal a message and send it; False while no key may."""
        sealed = host.sessions.seal(to.id, message, now=self.now)
        if sealed is not None:
            self.put(Packet(host.endpoint, to.endpoint, sealed=sealed, message=message))
        self.settle(host)
        return sealed is not None

    def settle(self, host: Host) -> None:
        for event in host.sessions.events():
            host.happened(event)
        for command in host.sessions.commands():
            match command:
                case SendHandshake():
                    assert isinstance(command.link, Direct)
                    self.put(Packet(host.endpoint, command.link.endpoint, command.frame))
                case SendControl():
                    to = self.by_id[command.peer]
                    sealed = host.sessions.seal(to.id, command.message, now=self.now)
                    if sealed is not None:
                        self.put(Packet(host.endpoint, to.endpoint, sealed=sealed, message=command.message))

    def put(self, packet: Packet) -> None:
        self.sent.append(packet)
        self.times.append(self.now)
        for place, each in enumerate(self.fate(packet)):
            self._order += 1
            heapq.heappush(self._queue, (self.now + self.delay * (1 + place / 100), self._order, each))

    def deliver(self, packet: Packet) -> None:
        host = self.hosts.get(packet.to)
        if host is None:
            return
        if packet.sealed is None:
            host.sessions.receive(packet.frame, direct(packet.source), now=self.now)
        else:
            self._open(host, self.hosts[packet.source].id, packet.sealed)
        self.settle(host)

    def _open(self, host: Host, sender: NodeId, sealed: Sealed) -> None:
        message = host.sessions.open(sender, sealed.epoch, sealed.counter, sealed.body, now=self.now)
        self.settle(host)
        if isinstance(message, Rekey | Rekeyed):
            fact = ControlReceived(sender, message.noise, isinstance(message, Rekeyed))
            host.sessions.tell(fact, now=self.now)
        if message is not None:
            host.messages.append(message)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while (at := min(self._wakeups())) <= end:
            self.now = max(self.now, at)
            if self._queue and self._queue[0][0] <= self.now:
                self.deliver(heapq.heappop(self._queue)[2])
                continue
            for host in self.hosts.values():
                due = host.sessions.next_timeout()
                if due is not None and due <= self.now:
                    host.sessions.handle_timeout(now=self.now)
                    self.settle(host)
        self.now = end

    def _wakeups(self) -> Iterator[float]:
        yield float("inf")
        if self._queue:
            yield self._queue[0][0]
        for host in self.hosts.values():
            due = host.sessions.next_timeout()
            if due is not None:
                yield due

    def kinds(self) -> list[str]:
        return [packet.kind for packet in self.sent]


def direct(endpoint: Endpoint) -> Direct:
    return Direct(SOCKET, endpoint)


def relayed(host: Host, relay: Host) -> Relayed:
    return Relayed(relay.id, host.id)


def agreed(one: Host, two: Host) -> bool:
    """Whether what each seals with now, the other opens; probes too."""
    if two.id not in one.seal_keys or one.id not in two.seal_keys:
        return False
    mine, theirs = one.probe_keys[two.id], two.probe_keys[one.id]
    if (mine.epoch, mine.seal_key, mine.open_key) != (theirs.epoch, theirs.open_key, theirs.seal_key):
        return False
    return all(
        other.open_keys.get((host.id, host.seal_keys[other.id][0])) == host.seal_keys[other.id][1]
        for host, other in ((one, two), (two, one))
    )


def remade(frame: bytes, keys: NetworkKeys = NETWORK) -> bytes:
    """`frame` with the mac1 it needs, as anybody who knows the name can make it."""
    return frame[:-MAC_SIZE] + mac1(keys.mac_key, frame[:-MAC_SIZE])


def lose(*kinds: str, times: int = 10**9) -> Fate:
    """Lose the first `times` packets of these kinds."""
    left = [times]

    def fate(packet: Packet) -> list[Packet]:
        if packet.kind in kinds and left[0] > 0:
            left[0] -= 1
            return []
        return [packet]

    return fate


def joined() -> tuple[World, Host, Host]:
    """Two hosts that met."""
    world = World()
    a, b = world.host(), world.host()
    world.dial(a, b)
    world.run(0.5)
    assert agreed(a, b)
    return world, a, b


PING = Ping(1, bytes(8))
