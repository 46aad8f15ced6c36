"""Engines behind NATs in one world: members that serve STUN and relay signals, keys, and a word of where each is heard.

host -- NATs -- internet -- first, second: STUN, a host's keepalive, a Touch
  \\_____ signals, by way of `first`, as late as it is far _____/
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from punch.commands import SendSignal
from punch.config import PunchConfig, StunConfig
from punch.engine import Engine
from punch.facts import CandidatesChanged, Heard, PeerUp, PeerWanted, ServersKnown, SignalReceived
from punch.sim.engine_host import PORT, EngineHost
from punch.sim.journal import Journal, Quiet
from punch.sim.link import Link
from punch.sim.nat import Nat
from punch.sim.stun_host import StunHost
from punch.sim.world import World
from punch.sim.zoo import Kind, settle
from punch.values import Candidate, PeerId, udp

FIRST, SECOND = b"first", b"second"
ADDRESSES = {FIRST: "203.0.113.1", SECOND: "203.0.113.129"}
KEYS = (b"k" * 32, b"K" * 32)
BOTH = PunchConfig(nat4_nat4="auto")
"""Everything may be tried when traffic wants it."""
WANTED_EVERY = 1.0


class Terms(Struct, frozen=True, kw_only=True):
    """What engines meet under."""

    config: PunchConfig = BOTH
    delay: float = 0.01
    """Seconds of each access line, one way: four of them there and back between a host and a server."""
    jitter: float = 0.0
    loss: float = 0.0
    """Of each access line: a packet between two hosts crosses two."""
    hops: int = 10
    """Routers across the internet, which lower a TTL."""
    settled: float = 3.0
    """When traffic begins."""
    late: float = 0.0
    """So much later the remote side of a duel comes up."""
    patience: float = 60.0
    """Seconds of traffic after which it has failed."""
    members: int = 2
    """Members that serve STUN, 1 or 2."""


class Meeting:
    """Add sides, introduce pairs, start them, and let time pass in `world`."""

    def __init__(self, terms: Terms, *, seed: int | str, journal: Journal | None = None) -> None:
        self.terms = terms
        self.wire = Link(delay=terms.delay, jitter=terms.jitter, loss=terms.loss)
        self.world = World(seed=seed, link=self.wire, hops=terms.hops, journal=journal or Quiet())
        self.servers: dict[PeerId, StunHost] = {}
        self.sides: dict[PeerId, EngineHost] = {}
        self.nats: dict[PeerId, list[Nat]] = {}
        self._friends: dict[PeerId, list[PeerId]] = {}
        for name in (FIRST, SECOND)[: terms.members]:
            self.servers[name] = StunHost(ADDRESSES[name], heard=self._hearing(name))
            self.world.add(name.decode(), self.servers[name], ADDRESSES[name])

    def add(self, name: PeerId, kind: Kind) -> EngineHost:
        """A side behind NATs of this kind; at most 127."""
        number = len(self.sides) + 1
        dice = self.world.dice(f"engine {number}")
        engine = Engine(self.terms.config, StunConfig(), entropy=dice, now=self.world.now)
        host = self.sides[name] = EngineHost(name, engine, random.Random(dice.getrandbits(64)), self._carrier(name))
        self.nats[name] = settle(self.world, kind, name.decode(), host, number=number, uplink=self.wire)
        self._friends[name] = []
        return host

    def introduce(self, one: PeerId, other: PeerId) -> None:
        """Let two sides be peers of each other, before either is started."""
        self._friends[one].append(other)
        self._friends[other].append(one)

    def start(self, name: PeerId) -> None:
        """Bring a side up: its sockets, the members it may ask, its peers."""
        now, side = self.world.now, self.sides[name]
        (address,) = self.world.addresses(name.decode())
        side.start(address, tuple(server.main for server in self.servers.values()), now=now)
        kind = "local" if self.nats[name] else "public"
        side.tell(CandidatesChanged((Candidate(udp(address, PORT), kind),)), now=now)
        servers = tuple(server.main for server in self.servers.values())
        side.tell(ServersKnown(servers, peers=tuple(self.servers)), now=now)
        for other in self._friends[name]:
            seal, opening = KEYS if name < other else reversed(KEYS)
            side.tell(PeerUp(other, seal, opening, 1, name < other), now=now)

    def want(self, one: PeerId, other: PeerId) -> None:
        """Traffic of these two goes by the relay from now on, as long as a side is not direct."""
        for name, peer in ((one, other), (other, one)):
            if peer not in self.sides[name].direct:
                self.sides[name].tell(PeerWanted(peer, "traffic"), now=self.world.now)
        self.world.at(self.world.now + WANTED_EVERY, lambda: self.want(one, other))

    def peak(self, name: PeerId) -> int:
        """The most entries that were alive in any NAT of a side."""
        return max((nat.peak for nat in self.nats[name]), default=0)

    def spent(self, name: PeerId) -> int:
        """Packets of a side that drew from its budget."""
        return self.sides[name].engine.budget(self.world.now).probes_sent

    def _soon(self, action: Callable[[], None], lines: int) -> None:
        """After so many access lines."""
        self.world.at(self.world.now + lines * self.terms.delay, action)

    def _carrier(self, name: PeerId) -> Callable[[SendSignal], None]:
        def carry(said: SendSignal) -> None:
            if said.peer in self.servers:
                self._soon(lambda: self.servers[said.peer].signalled(name, said.signal), 2)
            else:
                fact = SignalReceived(name, said.signal)
                self._soon(lambda: self.sides[said.peer].tell(fact, now=self.world.now), 4)

        return carry

    def _hearing(self, server: PeerId) -> Callable[[PeerId, str], None]:
        def heard(peer: PeerId, host: str) -> None:
            for other in self._friends[peer] if server == FIRST else ():
                self._soon(partial(self._vouch, other, Heard(peer, host, server)), 2)

        return heard

    def _vouch(self, to: PeerId, fact: Heard) -> None:
        self.sides[to].tell(fact, now=self.world.now)
