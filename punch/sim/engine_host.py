"""A host of a world around an engine: its sockets, a keepalive to its servers, and a proof for each hole.

    world --datagram--> receive --STUN, probe--> engine --commands--> datagrams by a socket, signals by `carry`
                        hello, challenge, proof                events --HoleOpened--> challenge ... proof -> PeerDirect

A host of the overlay does the same with sealed frames (paths); here three words of a few bytes stand for them.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from math import inf

from punch.commands import Command, OpenSockets, SendDatagram, SendSignal
from punch.engine import Engine
from punch.events import AttemptEnded, AttemptStarted, Event, HoleOpened
from punch.facts import (
    Fact,
    HoleRefused,
    NetworkChanged,
    PeerDirect,
    SocketClosed,
    SocketFailed,
    SocketOpened,
)
from punch.sim.host import Datagram
from punch.values import Endpoint, PeerId, SocketId, udp

PORT = 27182
LOCAL_PORTS = (32768, 60999)
"""net.ipv4.ip_local_port_range as Linux ships it."""
HELLO, CHALLENGE, PROOF = b"\xf0hello ", b"\xf1challenge ", b"\xf2proof "
HELLO_EVERY, HELLO_FIRST, HELLOS = 15.0, 0.2, 3
"""Seconds between two words to a server, which keep the mapping towards it, and between the first few."""
CHALLENGES, CHALLENGE_EVERY = 4, 0.25
"""How often a challenge is said, and seconds between; after the last one's time its hole is refused."""


class EngineHost:
    """One side: `name` is its peer id; `carry` brings a signal away, `servers` get its keepalive."""

    def __init__(self, name: PeerId, engine: Engine, entropy: random.Random, carry: Callable[[SendSignal], None]):
        self.name = name
        self.engine = engine
        self.events: list[tuple[float, Event]] = []
        self.direct: dict[PeerId, float] = {}
        """Peer -> when its hole was proven."""
        self.ended: dict[PeerId, AttemptEnded] = {}
        """How the last attempt with each peer ended, if it is over; a new one takes it away."""
        self.most_pps = 0
        """The most datagrams that left within one second: all but keepalives and what the main socket says to
        servers."""
        self.spare_sockets = 4096
        self._entropy = entropy
        self._carry = carry
        self._servers: tuple[Endpoint, ...] = ()
        self._sockets: dict[SocketId, Endpoint] = {}
        self._by_port: dict[int, SocketId] = {}
        self._made = 0
        self._main = SocketId(0)
        self._out: deque[Datagram] = deque()
        self._second: deque[float] = deque()
        self._hello_at = inf
        self._hellos = 0
        self._challenged: dict[tuple[PeerId, SocketId, Endpoint], list[float]] = {}
        """(peer, socket, endpoint) -> when each further challenge is said; at the last of these it is refused."""
        self._challenge_at = inf

    def start(self, address: str, servers: tuple[Endpoint, ...], *, now: float) -> None:
        """Come up at a local address: main and alternate socket, and a word to each server."""
        self._servers, self._hello_at = servers, now
        self.tell(NetworkChanged(f"{address}/24", (address,)), now=now)
        self._main = self._bind(PORT)
        self.tell(SocketOpened(self._main, udp("0.0.0.0", PORT), role="main"), now=now)
        self.tell(SocketOpened(self._bind(PORT + 1), udp("0.0.0.0", PORT + 1), role="alternate"), now=now)

    def tell(self, fact: Fact, *, now: float) -> None:
        """Hand a fact to the engine."""
        self.engine.tell(fact, now=now)
        self._pump(now)

    # --- the verbs of a host

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """A datagram came."""
        via = self._by_port.get(to.port)
        if via is None:
            return
        if payload.startswith(CHALLENGE):
            self._out.append(self._datagram(via, source, PROOF + self.name))
            self._challenge(payload.removeprefix(CHALLENGE), via, source, now)
        elif payload.startswith(PROOF):
            self._proven(payload.removeprefix(PROOF), now)
        else:
            self.engine.receive(payload, source, via=via, now=now)
            self._pump(now)

    def next_timeout(self) -> float | None:
        """The engine's, the next keepalive's, or the next challenge's."""
        own = self._hello_at if self._hello_at < self._challenge_at else self._challenge_at
        at = self.engine.next_timeout()
        if at is not None and at < own:
            return at
        return None if own == inf else own

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        if self._hello_at <= now:
            self._hellos += 1
            self._hello_at = now + (HELLO_FIRST if self._hellos < HELLOS else HELLO_EVERY)
            self._out.extend(self._datagram(self._main, server, HELLO + self.name) for server in self._servers)
        if self._challenge_at <= now:
            self._say_again(now)
        self.engine.handle_timeout(now=now)
        self._pump(now)

    def outgoing(self) -> Iterator[Datagram]:
        """Drain what is to be sent."""
        while self._out:
            yield self._out.popleft()

    # --- holes

    def _challenge(self, peer: PeerId, via: SocketId, endpoint: Endpoint, now: float) -> None:
        key = (peer, via, endpoint)
        if peer not in self.direct and key not in self._challenged:
            self._challenged[key] = [now + CHALLENGE_EVERY * times for times in range(CHALLENGES + 1)]
            self._say_again(now)

    def _proven(self, peer: PeerId, now: float) -> None:
        if peer not in self.direct:
            self.direct[peer] = now
            self.tell(PeerDirect(peer, direct=True), now=now)

    def _say_again(self, now: float) -> None:
        """Say the challenges that are due, and refuse the holes that did not answer."""
        for key, times in list(self._challenged.items()):
            peer, via, endpoint = key
            if peer in self.direct or via not in self._sockets:
                del self._challenged[key]
            elif times[0] <= now:
                times.pop(0)
                if times:
                    self._out.append(self._datagram(via, endpoint, CHALLENGE + self.name))
                else:
                    del self._challenged[key]
                    self.tell(HoleRefused(peer, via, endpoint), now=now)
        self._challenge_at = min((times[0] for times in self._challenged.values()), default=inf)

    # --- what the engine wants

    def _pump(self, now: float) -> None:
        """Obey the commands, also those that obeying the earlier ones brings; then hear the events."""
        for command in self.engine.commands():
            self._obey(command, now)
        for event in self.engine.events():
            self.events.append((now, event))
            if isinstance(event, HoleOpened):
                self._challenge(event.peer, event.via, event.endpoint, now)
            elif isinstance(event, AttemptEnded) and event.state != "idle":
                self.ended[event.peer] = event
            elif isinstance(event, AttemptStarted):
                self.ended.pop(event.peer, None)

    def _obey(self, command: Command, now: float) -> None:
        if isinstance(command, SendDatagram):
            local = self._sockets.get(command.via)
            if local is not None:
                self._out.append(Datagram(local, command.to, command.payload, command.ttl))
                if command.via != self._main or command.to not in self._servers:
                    self._count(now)
        elif isinstance(command, SendSignal):
            self._carry(command)
        elif isinstance(command, OpenSockets):
            self._open(command, now)
        else:
            local = self._sockets.pop(command.socket, None)
            if local is not None:
                del self._by_port[local.port]
                self.engine.tell(SocketClosed(command.socket), now=now)

    def _count(self, now: float) -> None:
        second = self._second
        while second and second[0] <= now - 1.0:
            second.popleft()
        second.append(now)
        if len(second) > self.most_pps:
            self.most_pps = len(second)

    def _datagram(self, via: SocketId, to: Endpoint, payload: bytes) -> Datagram:
        return Datagram(self._sockets[via], to, payload)

    def _open(self, command: OpenSockets, now: float) -> None:
        for opened in range(command.count):
            port = command.port or self._free_port(even=command.parity == "even")
            if port in self._by_port or len(self._sockets) >= self.spare_sockets:
                self.engine.tell(SocketFailed(command.request, command.count - opened, "EMFILE"), now=now)
                return
            socket = self._bind(port)
            fact = SocketOpened(socket, self._sockets[socket], request=command.request, role="engine")
            self.engine.tell(fact, now=now)

    def _free_port(self, *, even: bool) -> int:
        low, high = LOCAL_PORTS
        while True:
            port = low + int(self._entropy.random() * (high - low + 1))
            if port not in self._by_port and not (even and port % 2):
                return port

    def _bind(self, port: int) -> SocketId:
        self._made += 1
        socket = SocketId(self._made)
        self._sockets[socket] = udp("0.0.0.0", port)
        self._by_port[port] = socket
        return socket
