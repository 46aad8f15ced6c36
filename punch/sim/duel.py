"""Two engines behind two NATs, from one seed: do they get direct, how soon, with how much?

    local -- NATs -- internet -- NATs -- remote          first, second: members that serve STUN; `first` relays signals
    0 s: both come up and measure     `settled`: traffic begins     ... direct on both sides, or given up

`duel("nat3", "nat4-uniform", seed=1)` is one world.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from math import inf

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
from punch.sim.world import TooLate, World
from punch.sim.zoo import KINDS, Kind, settle
from punch.values import Candidate, NatProfile, PeerId, udp

LOCAL, REMOTE, FIRST, SECOND = b"local", b"remote", b"first", b"second"
ADDRESSES = {FIRST: "203.0.113.1", SECOND: "203.0.113.129"}
KEYS = (b"k" * 32, b"K" * 32)
BOTH = PunchConfig(nat4_nat4="auto")
"""Everything may be tried when traffic wants it."""
WANTED_EVERY = 1.0


class Terms(Struct, frozen=True, kw_only=True):
    """What a duel is fought under."""

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
    """So much later the remote side comes up."""
    patience: float = 60.0
    """Seconds of traffic after which it has failed."""
    members: int = 2
    """Members that serve STUN, 1 or 2."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How a duel ended; pairs are (local, remote)."""

    success: bool
    seconds: float | None
    """From the beginning of traffic until both sides are direct; 0 if they were before."""
    packets: tuple[int, int]
    """That drew from the budget after traffic began; of the attempt itself if that was over before."""
    measuring: tuple[int, int]
    """That drew from it before."""
    entries: tuple[int, int]
    """The most entries that were alive in any NAT of that side, keepalives and measurements included."""
    pps: tuple[int, int]
    """The most datagrams that left within one second."""
    profiles: tuple[NatProfile, NatProfile]
    strategy: str
    reason: str
    """Of the side that gave up, or `direct`."""


class Duel:
    """The world of one; `run` fights it."""

    def __init__(
        self, local: Kind | str, remote: Kind | str, *, seed: int | str, terms: Terms, journal: Journal | None = None
    ) -> None:
        self.terms = terms
        wire = Link(delay=terms.delay, jitter=terms.jitter, loss=terms.loss)
        self.world = World(seed=seed, link=wire, hops=terms.hops, journal=journal or Quiet())
        self.servers: dict[PeerId, StunHost] = {}
        self.sides: dict[PeerId, EngineHost] = {}
        self.nats: dict[PeerId, list[Nat]] = {}
        for name in (FIRST, SECOND)[: terms.members]:
            self.servers[name] = StunHost(ADDRESSES[name], heard=self._hearing(name))
            self.world.add(name.decode(), self.servers[name], ADDRESSES[name])
        for number, (name, kind) in enumerate(((LOCAL, local), (REMOTE, remote)), start=1):
            self._settle(name, KINDS[kind] if isinstance(kind, str) else kind, number, wire)

    def run(self) -> Outcome:
        """Measure, fight, and say how it went."""
        self._start(LOCAL)
        self.world.at(self.terms.late, lambda: self._start(REMOTE))
        self.world.run(until=self.terms.settled)
        began, before = self.world.now, self._sent()
        self._want()
        with contextlib.suppress(TooLate):
            self.world.run_until(self._over, within=self.terms.patience)
        return self._outcome(began, before)

    def _settle(self, name: PeerId, kind: Kind, number: int, wire: Link) -> None:
        dice = self.world.dice(f"engine {number}")
        engine = Engine(self.terms.config, StunConfig(), entropy=dice, now=self.world.now)
        host = EngineHost(name, engine, random.Random(dice.getrandbits(64)), self._carrier(name))
        self.sides[name] = host
        self.nats[name] = settle(self.world, kind, name.decode(), host, number=number, uplink=wire)

    def _start(self, name: PeerId) -> None:
        now, side, other = self.world.now, self.sides[name], _other(name)
        (address,) = self.world.addresses(name.decode())
        servers = tuple(server.main for server in self.servers.values())
        side.start(address, servers, now=now)
        kind = "local" if self.nats[name] else "public"
        side.tell(CandidatesChanged((Candidate(udp(address, PORT), kind),)), now=now)
        side.tell(ServersKnown(servers, peers=tuple(self.servers)), now=now)
        seal, opening = KEYS if name == LOCAL else reversed(KEYS)
        side.tell(PeerUp(other, seal, opening, 1, name == LOCAL), now=now)

    # --- what the relay does

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
            if server == FIRST:
                fact = Heard(peer, host, server)
                self._soon(lambda: self.sides[_other(peer)].tell(fact, now=self.world.now), 2)

        return heard

    def _want(self) -> None:
        """Traffic goes by the relay as long as a side is not direct."""
        for name, side in self.sides.items():
            if _other(name) not in side.direct:
                side.tell(PeerWanted(_other(name), "traffic"), now=self.world.now)
        self.world.at(self.world.now + WANTED_EVERY, self._want)

    # --- how it goes

    def _over(self) -> bool:
        """Both are direct, or both have given up."""
        return all(_other(name) in side.direct or _other(name) in side.ended for name, side in self.sides.items())

    def _sent(self) -> list[int]:
        return [side.engine.budget(self.world.now).probes_sent for side in self.sides.values()]

    def _outcome(self, began: float, before: list[int]) -> Outcome:
        local, remote = self.sides.values()
        at = max(side.direct.get(_other(name), inf) for name, side in self.sides.items())
        ends = [side.ended[_other(name)] for name, side in self.sides.items() if _other(name) in side.ended]
        failed = next((end.reason for end in ends if end.state != "succeeded"), "too_late")
        spent = [each - earlier for each, earlier in zip(self._sent(), before, strict=True)]
        if at <= began:
            spent = [side.engine.view(_other(name), began).probes for name, side in self.sides.items()]
        peaks = [max((nat.peak for nat in nats), default=0) for nats in self.nats.values()]
        return Outcome(
            success=at < inf,
            seconds=max(0.0, at - began) if at < inf else None,
            packets=(spent[0], spent[1]),
            measuring=(before[0], before[1]),
            entries=(peaks[0], peaks[1]),
            pps=(local.most_pps, remote.most_pps),
            profiles=(local.engine.profile, remote.engine.profile),
            strategy=local.engine.view(REMOTE, self.world.now).strategy,
            reason="direct" if at < inf else failed,
        )


def _other(name: PeerId) -> PeerId:
    return REMOTE if name == LOCAL else LOCAL


def duel(local: Kind | str, remote: Kind | str, *, seed: int | str, terms: Terms | None = None) -> Outcome:
    """Fight one."""
    return Duel(local, remote, seed=seed, terms=terms or Terms()).run()
