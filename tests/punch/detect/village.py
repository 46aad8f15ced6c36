"""Hosts for worlds: one that detects, one that answers, and the words they say to each other past the datagrams."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator

from punch.commands import CloseSocket, OpenSockets, SendDatagram, SendSignal
from punch.config import StunConfig
from punch.detect.answer import Answerer, touch
from punch.detect.ask import Detector
from punch.events import Event, ProfileChanged
from punch.facts import NetworkChanged, ServersKnown, SocketClosed, SocketFailed, SocketOpened
from punch.limiter import TokenBucket
from punch.manners import Manners
from punch.signals import Signal, Touch
from punch.sim import Datagram, Link, World
from punch.sim.zoo import Kind, settle
from punch.values import Endpoint, NatProfile, SocketId, udp

PORT = 27182
FAR = Link(delay=0.01)
"""With the host's access line of the same, 40 ms there and back."""


class Service:
    """A member that serves STUN at PORT and PORT + 1 of its addresses."""

    def __init__(self, *hosts: str, serve: bool = True) -> None:
        self.answerer = Answerer(StunConfig(serve="auto" if serve else "off"), now=0.0)
        self.ids: dict[Endpoint, SocketId] = {}
        self.out: deque[Datagram] = deque()
        self.deaf = False
        for host in hosts:
            for alternate in (False, True):
                socket, local = SocketId(len(self.ids) + 1), udp(host, PORT + alternate)
                self.ids[local] = socket
                self.answerer.tell(SocketOpened(socket, local, role="alternate" if alternate else "main"))

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        if to in self.ids and not self.deaf:
            self.send(self.answerer.receive(payload, source, via=self.ids[to], now=now))

    def send(self, commands: list[SendDatagram]) -> None:
        locals_ = {socket: local for local, socket in self.ids.items()}
        self.out.extend(Datagram(locals_[each.via], each.to, each.payload, each.ttl) for each in commands)

    def touch(self, signal: Touch, heard_from: str) -> None:
        sent = touch(signal, host=heard_from, via=SocketId(1))
        self.send([sent] if sent is not None else [])

    def next_timeout(self) -> float | None:
        return None

    def handle_timeout(self, *, now: float) -> None:
        raise AssertionError("woken for nothing")

    def outgoing(self) -> Iterator[Datagram]:
        while self.out:
            yield self.out.popleft()


class Asking:
    """A host with a Detector, its sockets, and a budget of 40 packets and 33 a second."""

    def __init__(self, host: str, *, entropy: random.Random, sockets: int = 64, depth: float = 40.0) -> None:
        self.host = host
        self.entropy = entropy
        self.bucket = TokenBucket(depth=depth, rate=33.0, now=0.0)
        self.sent: list[tuple[float, SendDatagram]] = []
        self.signals: list[tuple[float, SendSignal]] = []
        self.news: list[tuple[float, Event]] = []
        self.refused = 0
        """Datagrams that were none of the detector's."""
        self.on_signal: Callable[[SendSignal, float], None] = lambda signal, now: None
        self._spare = sockets
        self._open: dict[SocketId, Endpoint] = {}
        self._next = 1
        self._out: deque[Datagram] = deque()
        self._requests = 0
        self.now = 0.0
        self.detector = Detector(
            entropy=entropy, spend=self._spend, room_at=self._room_at, request_ids=self._request_id, manners=Manners()
        )
        for alternate in (False, True):
            self.open_own(PORT + alternate, alternate=alternate)

    @property
    def profile(self) -> NatProfile:
        return self.detector.profile

    @property
    def open_sockets(self) -> int:
        return len(self._open) - 2

    def profiles(self) -> list[tuple[float, NatProfile]]:
        return [(at, event.profile) for at, event in self.news if isinstance(event, ProfileChanged)]

    def open_own(self, port: int, *, alternate: bool) -> SocketId:
        socket = self._bind(port)
        role = "alternate" if alternate else "main"
        self.tell(SocketOpened(socket, udp("0.0.0.0", port), role=role), now=self.now)  # type: ignore[arg-type]
        return socket

    def start(self, servers: ServersKnown, *, key: str = "home", now: float = 0.0) -> None:
        self.tell(NetworkChanged(key, (self.host,)), now=now)
        self.tell(servers, now=now)

    def tell(self, fact: object, *, now: float) -> None:
        self.detector.tell(fact, now=now)  # type: ignore[arg-type]
        self._drain(now)

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        via = next((socket for socket, local in self._open.items() if local.port == to.port), None)
        if via is not None and not self.detector.receive(payload, source, via=via, now=now):
            self.refused += 1
        self._drain(now)

    def next_timeout(self) -> float | None:
        return self.detector.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        self.detector.handle_timeout(now=now)
        self._drain(now)

    def outgoing(self) -> Iterator[Datagram]:
        while self._out:
            yield self._out.popleft()

    def _bind(self, port: int) -> SocketId:
        socket, self._next = SocketId(self._next), self._next + 1
        self._open[socket] = udp("0.0.0.0", port)
        return socket

    def _spend(self, via: SocketId, to: tuple[Endpoint, ...], now: float) -> bool:
        return self.bucket.take(now=now)

    def _room_at(self, packets: float, now: float) -> float:
        missing = packets - self.bucket.available(now=now)
        return now if missing <= 0 else now + missing / self.bucket.rate + 1e-6

    def _request_id(self) -> int:
        self._requests += 1
        return self._requests

    def _drain(self, now: float) -> None:
        self.now = now
        waiting = deque(self.detector.commands())
        while waiting:
            command = waiting.popleft()
            if isinstance(command, SendDatagram):
                assert command.via in self._open
                self.sent.append((now, command))
                self._out.append(Datagram(self._open[command.via], command.to, command.payload, command.ttl))
            elif isinstance(command, OpenSockets):
                self._open_many(command, now)
                waiting.extend(self.detector.commands())
            elif isinstance(command, CloseSocket):
                del self._open[command.socket]
                self.detector.tell(SocketClosed(command.socket), now=now)
                waiting.extend(self.detector.commands())
            else:
                self.signals.append((now, command))
                self.on_signal(command, now)
        self.news.extend((now, event) for event in self.detector.events())

    def _open_many(self, command: OpenSockets, now: float) -> None:
        for number in range(command.count):
            if self.open_sockets >= self._spare:
                missing = command.count - number
                self.detector.tell(SocketFailed(command.request, missing, "EMFILE"), now=now)
                return
            port = self.entropy.randint(32768, 60999)
            while any(local.port == port for local in self._open.values()):
                port = self.entropy.randint(32768, 60999)
            fact = SocketOpened(self._bind(port), udp("0.0.0.0", port), request=command.request, role="engine")
            self.detector.tell(fact, now=now)


S_HOST, T_HOST, T2_HOST = "203.0.113.1", "203.0.113.9", "203.0.113.10"


class Village:
    """A world with a host behind a NAT of some kind, and two members that serve STUN."""

    def __init__(
        self,
        kind: Kind,
        *,
        seed: int,
        loss: float = 0.0,
        delay: float = 0.01,
        seconds: bool = True,
        second_address: bool = False,
        signal_delay: float = 0.06,
    ) -> None:
        self.world = World(seed=seed)
        wire = Link(delay=delay, loss=loss / 2)
        self.first = Service(S_HOST, *([T2_HOST] if second_address else []))
        self.second = Service(T_HOST)
        self.members = {b"first": self.first, b"second": self.second}
        hosts = [S_HOST, T2_HOST] if second_address else [S_HOST]
        self.world.add("first", self.first, *hosts, link=wire)
        if seconds:
            self.world.add("second", self.second, T_HOST, link=wire)
        inside = "192.168.1.2" if kind.models else "198.51.100.8"
        self.asking = Asking(inside, entropy=self.world.dice("asking"))
        self.asking.on_signal = self._carry
        self._signal_delay = signal_delay
        self._loss = loss
        self._dice = self.world.dice("signals")
        self.nats = settle(self.world, kind, "asking", self.asking, number=1, link=wire)
        members = (udp(S_HOST, PORT), udp(T_HOST, PORT)) if seconds else (udp(S_HOST, PORT),)
        self.servers = ServersKnown(members, peers=(b"first", b"second")[: len(members)])

    def _carry(self, said: SendSignal, now: float) -> None:
        """A relay brings a Touch to its member, who hears the asking host from its NAT's address."""
        signal: Signal = said.signal
        assert isinstance(signal, Touch)
        service = self.members[said.peer]
        heard = self.nats[-1].addresses[0] if self.nats else self.asking.host
        if self._dice.random() >= self._loss:
            self.world.at(now + self._signal_delay, lambda: service.touch(signal, heard))

    def start(self) -> None:
        self.asking.start(self.servers, now=self.world.now)
