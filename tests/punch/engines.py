"""Engines as hosts of a world: sockets by port, signals over a relay of their own, a STUN service to ask.

ann -- NAT -- internet -- NAT -- bob         Pair(seed, ann="nat3", bob="nat4-uniform"), then `meet`
         \\___ signals, delayed ___/
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator

from punch.commands import CloseSocket, OpenSockets, SendDatagram, SendSignal
from punch.config import PunchConfig, StunConfig
from punch.engine import Engine
from punch.events import AttemptEnded, Event, HoleOpened
from punch.facts import (
    CandidatesChanged,
    Fact,
    Heard,
    HoleRefused,
    NetworkChanged,
    PeerDirect,
    PeerUp,
    PeerWanted,
    ServersKnown,
    SignalReceived,
    SocketClosed,
    SocketFailed,
    SocketOpened,
)
from punch.probe import PROBE_BYTES
from punch.sim import Datagram, World
from punch.sim.engine_host import PORT as PORT
from punch.sim.nat import Nat
from punch.sim.stun_host import StunHost
from punch.sim.zoo import KINDS, settle
from punch.values import Candidate, Endpoint, PeerId, SocketId, udp

SERVERS = (udp("192.0.2.1", PORT), udp("192.0.2.2", PORT))


class Service(StunHost):
    """Our STUN service at one address with two ports; it counts what it is asked, and may fall silent."""

    def __init__(self, address: str) -> None:
        super().__init__(address, heard=lambda peer, host: None)
        self.asked = 0
        self.silent = False

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        self.asked += 1
        if not self.silent:
            super().receive(payload, source, to=to, now=now)


class Home:
    """An engine with sockets on a simulated host."""

    def __init__(
        self, name: str, *, config: PunchConfig, entropy: random.Random, carry: Callable[[SendSignal], None], now: float
    ) -> None:
        self.name = name
        self.engine = Engine(config, StunConfig(), entropy=entropy, now=now)
        self.events: list[Event] = []
        self.sent: list[tuple[float, SendDatagram]] = []
        self.signals: list[tuple[float, SendSignal]] = []
        self.sockets: dict[SocketId, int] = {}
        self.most_sockets = 10_000
        self.proves = True
        """Whether the host proves a hole (a sealed challenge) a moment after HoleOpened."""
        self.listen: Callable[[Event], None] = lambda event: None
        self.errors: Callable[[SendDatagram], str | None] = lambda command: None
        self._entropy = random.Random(repr(entropy.random()))
        self._carry = carry
        self._out: deque[Datagram] = deque()
        self._now = now
        self._opened = 0

    def start(self, address: str) -> None:
        self.tell(NetworkChanged("home", (address,)))
        self.tell(SocketOpened(self._bind(PORT), udp("0.0.0.0", PORT), role="main"))
        self.tell(CandidatesChanged((Candidate(udp(address, PORT), "local"),)))

    def tell(self, fact: Fact, *, now: float | None = None) -> None:
        self._now = self._now if now is None else now
        self.engine.tell(fact, now=self._now)
        self._pump()

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        self._now = now
        via = next((each for each, port in self.sockets.items() if port == to.port), None)
        if via is not None:
            self.engine.receive(payload, source, via=via, now=now)
            self._pump()

    def next_timeout(self) -> float | None:
        return self.engine.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        self._now = now
        self.engine.handle_timeout(now=now)
        self._pump()

    def outgoing(self) -> Iterator[Datagram]:
        while self._out:
            yield self._out.popleft()

    @property
    def holes(self) -> list[HoleOpened]:
        return [each for each in self.events if isinstance(each, HoleOpened)]

    @property
    def ended(self) -> list[AttemptEnded]:
        return [each for each in self.events if isinstance(each, AttemptEnded)]

    def probes_sent(self) -> list[tuple[float, SendDatagram]]:
        return [(at, each) for at, each in self.sent if len(each.payload) == PROBE_BYTES]

    def _bind(self, port: int = 0) -> SocketId:
        used = set(self.sockets.values())
        while not port or port in used:
            port = self._entropy.randrange(32768, 60999)
        self._opened += 1
        socket = SocketId(self._opened)
        self.sockets[socket] = port
        return socket

    def _pump(self) -> None:
        busy = True
        while busy:
            busy = False
            for command in list(self.engine.commands()):
                busy = True
                self._obey(command)
            for event in list(self.engine.events()):
                busy = True
                self.events.append(event)
                self.listen(event)

    def _obey(self, command: object) -> None:
        match command:
            case SendDatagram():
                self._send(command)
            case SendSignal():
                self.signals.append((self._now, command))
                self._carry(command)
            case CloseSocket():
                self.sockets.pop(command.socket, None)
                self.engine.tell(SocketClosed(command.socket), now=self._now)
            case OpenSockets():
                self._open(command)

    def _send(self, command: SendDatagram) -> None:
        assert command.via in self.sockets, "a closed socket is not sent by"
        self.sent.append((self._now, command))
        source = udp("0.0.0.0", self.sockets[command.via])
        self._out.append(Datagram(source, command.to, command.payload, *([command.ttl] if command.ttl else [])))

    def _open(self, command: OpenSockets) -> None:
        there = max(0, min(command.count, self.most_sockets - len(self.sockets)))
        for _ in range(there):
            socket = self._bind(command.port)
            local = udp("0.0.0.0", self.sockets[socket])
            self.engine.tell(SocketOpened(socket, local, request=command.request, role="engine"), now=self._now)
        if there < command.count:
            self.engine.tell(SocketFailed(command.request, command.count - there, "EMFILE"), now=self._now)


class Village:
    """Engines behind NATs, each pair with keys and signals."""

    def __init__(self, seed: int, *, relay: float = 0.02) -> None:
        self.world = World(seed=seed)
        self.relay = relay
        self.lost: Callable[[str, SendSignal], bool] = lambda name, said: False
        self.services = tuple(Service(each.host) for each in SERVERS)
        for number, service in enumerate(self.services):
            self.world.add(f"stun{number}", service, SERVERS[number].host)
        self.homes: dict[str, Home] = {}
        self.nats: dict[str, list[Nat]] = {}
        self._ids: dict[PeerId, str] = {}
        self._carried: dict[tuple[str, str], None] = {}

    def add(
        self, name: str, kind: str, *, config: PunchConfig | None = None, servers: bool = True, beside: str = ""
    ) -> Home:
        """`beside`: on the LAN of another home; `kind` is then of no matter."""
        number = len(self.homes) + 1
        carry = self._carrier(name)
        dice = self.world.dice(f"engine {name}")
        home = Home(name, config=config or PunchConfig(), entropy=dice, carry=carry, now=self.world.now)
        if beside:
            address = self.world.addresses(beside)[0].rpartition(".")[0] + f".{100 + number}"
            self.world.add(name, home, address, network=f"{beside} 0")
            self.nats[name] = self.nats[beside]
        else:
            self.nats[name] = settle(self.world, KINDS[kind], name, home, number=number)
        self.homes[name] = home
        self._ids[name.encode()] = name
        home.start(self.world.addresses(name)[0])
        if servers:
            home.tell(ServersKnown(SERVERS[:1], configured=SERVERS[1:], peers=(b"relay",)))
        return home

    def introduce(self, a: str, b: str, *, vouched: bool = True) -> None:
        """Keys, and the relay's word of where each is heard from."""
        for own, other in ((a, b), (b, a)):
            keys = {True: b"1" * 32, False: b"2" * 32}
            first = own < other
            fact = PeerUp(other.encode(), keys[first], keys[not first], epoch=3, first=first)
            self.tell(own, fact)
            if vouched:
                self._carried[own, other] = None
                self._vouch(own, other)
            self.homes[own].listen = self._prover(own)

    def _vouch(self, own: str, other: str) -> None:
        """The relay's word, which it repeats while it carries."""
        if self.nats[other] and (own, other) in self._carried:
            for address in self.nats[other][-1].addresses:
                self.tell(own, Heard(other.encode(), address, b"relay"))

    def tell(self, name: str, fact: Fact) -> None:
        self.homes[name].tell(fact, now=self.world.now)

    def want(self, a: str, b: str) -> None:
        """Traffic both ways, told again each second as a host does."""
        for own, other in ((a, b), (b, a)):
            self._vouch(own, other)
            self.tell(own, PeerWanted(other.encode(), "traffic"))

    def met(self, a: str, b: str) -> bool:
        """Both sides have a hole."""
        return all(
            any(each.peer == other.encode() for each in self.homes[own].holes) for own, other in ((a, b), (b, a))
        )

    def _carrier(self, name: str) -> Callable[[SendSignal], None]:
        def carry(said: SendSignal) -> None:
            to = self._ids.get(said.peer)
            if to is not None and not self.lost(name, said):
                fact = SignalReceived(name.encode(), said.signal)
                self.world.at(self.world.now + self.relay, lambda: self.tell(to, fact))

        return carry

    def _prover(self, name: str) -> Callable[[Event], None]:
        """A sealed challenge needs both ends: each has a hole, and they are of one pair."""

        def prove(event: HoleOpened, until: float) -> None:
            other = self._ids[event.peer]
            if self.homes[name].proves and self.met(name, other):
                self.tell(name, PeerDirect(event.peer, direct=True))
            elif self.world.now >= until:
                self.tell(name, HoleRefused(event.peer, event.via, event.endpoint))
            else:
                self.world.at(self.world.now + 0.05, lambda: prove(event, until))

        def listen(event: Event) -> None:
            if isinstance(event, HoleOpened):
                self.world.at(self.world.now + 0.04, lambda: prove(event, self.world.now + 2.0))

        return listen
