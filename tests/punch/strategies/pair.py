"""Two strategies at two desks, in lockstep: a NAT each, a STUN service, signals, budgets, virtual time.

    strategy -- desk -- NAT ---- delay, loss ---- NAT -- desk -- strategy
                   \\___________ signals _____________/

`Pair.run` goes on until a probe came through and was answered; `searches` has the pairs and prints figures.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from statistics import median
from typing import Any

from msgspec import Struct

from punch.limiter import TokenBucket
from punch.signals import Signal
from punch.sim.model import NatModel
from punch.sim.ports import Allocator, allocator
from punch.strategies.desk import Strategy
from punch.values import Candidate, Endpoint, NatProfile, SocketId, udp

STUN = udp("192.0.2.1", 3478)
MOST_PPS = 100.0


class Socket(Struct):
    """What `opened` brings."""

    socket: SocketId
    local: Endpoint


class Nat:
    """eim: one mapping a socket; else one for each destination. Lets in who was sent to, for `life` seconds."""

    def __init__(self, host: str, ports: Allocator, *, eim: bool = False, life: float = 30.0) -> None:
        self.host = host
        self._ports = ports
        self._eim = eim
        self._life = life
        self._mapped: dict[Any, int] = {}
        self._owner: dict[int, Any] = {}
        self._sessions: dict[tuple[int, Endpoint], tuple[SocketId, float]] = {}
        self.entries = 0

    def out(self, via: SocketId, local: int, to: Endpoint, *, now: float) -> Endpoint:
        """The outside endpoint a packet leaves with."""
        key = via if self._eim else (via, to)
        port = self._mapped.get(key)
        if port is None or (not self._eim and self._sessions[port, to][1] < now):
            port = self._ports.propose(local, now=now)
            while port in self._owner:
                port = self._ports.propose(local, now=now)
            self._mapped[key] = port
            self._owner[port] = key
        self._sessions[port, to] = (via, now + self._life)
        self.entries = max(self.entries, len(self._sessions))
        return udp(self.host, port)

    def into(self, port: int, source: Endpoint, *, now: float) -> SocketId | None:
        """Whose packet it is, if it may come in."""
        session = self._sessions.get((port, source))
        return session[0] if session is not None and session[1] >= now else None


class Side:
    """A desk, and the host around it."""

    def __init__(self, world: Pair, number: int, nat: Nat, local: NatProfile, remote: NatProfile) -> None:
        self.attempt = 1
        self.entropy = random.Random(f"{world.seed}.{number}")
        self.main = SocketId(1)
        self.main6: SocketId | None = None
        self.local, self.remote = local, remote
        self.remote_host = ""
        self.candidates: tuple[Candidate, ...] = ()
        self.local_candidates: tuple[Candidate, ...] = ()
        self.nat = nat
        self.strategy: Strategy | None = None
        self.packets = 0
        self.probes = 0
        self.ended: tuple[str, str] | None = None
        self.notes: list[str] = []
        self.locals: dict[SocketId, int] = {SocketId(1): 27182}
        self.waits: dict[str, int] = {}
        self.planned = 0
        self.destinations: list[tuple[float, Endpoint]] = []
        self._world = world
        self._number = number
        self._requests = 0
        self._order = 0
        self._bucket = TokenBucket(depth=40.0, rate=33.0, now=0.0)

    def _spend(self, now: float) -> bool:
        self._ramp(now)
        if not self._bucket.take(now=now):
            return False
        self.packets += 1
        return True

    def _ramp(self, now: float) -> None:
        self._bucket.available(now=now)
        self._bucket.rate = min(MOST_PPS, 33.0 * 2 ** int(now))

    def probe(self, via: SocketId, to: Endpoint, *, now: float, ttl: int = 0) -> bool:
        if not self._spend(now):
            return False
        self.probes += 1
        self.destinations.append((now, to))
        source = self.nat.out(via, self.locals[via], to, now=now)
        self._world.carry(self, source, to, now)
        return True

    def sample(self, via: SocketId, *, now: float) -> bool:
        if not self._spend(now):
            return False
        seen = self.nat.out(via, self.locals[via], STUN, now=now)
        if not self._world.lost() and not self._world.lost():
            self._world.at(now + self._world.stun, lambda at: self._sampled(via, seen, now, at))
        return True

    def _sampled(self, via: SocketId, seen: Endpoint, sent: float, now: float) -> None:
        if self.strategy is not None:
            self.strategy.sampled(via, seen, sent, now=now)

    def room(self, *, now: float) -> float:
        self._ramp(now)
        return self._bucket.available(now=now)

    def room_at(self, packets: float, *, now: float) -> float:
        missing = min(packets, 40.0) - self.room(now=now)
        return now if missing <= 0 else now + missing / self._bucket.rate + 1e-6

    def open(self, count: int, *, even: bool = False, port: int = 0) -> int:
        self._requests += 1
        request = self._requests
        made = []
        for _ in range(count):
            local = port or self.entropy.randrange(32768, 61000, 2 if even else 1)
            name = SocketId(len(self.locals) + 1)
            self.locals[name] = local
            made.append(Socket(name, udp("0.0.0.0", local)))
        self._world.later(0.0005, lambda at: self._opened(request, tuple(made), at))
        return request

    def _opened(self, request: int, made: tuple[Socket, ...], now: float) -> None:
        if self.strategy is not None:
            self.strategy.opened(request, made, now=now)

    def close(self, via: SocketId) -> None:
        assert via in self.locals

    def say(self, signal: Signal) -> None:
        self._world.later(self._world.signal, lambda at: self._world.hear(1 - self._number, signal, at))

    def wait(self, name: str, at: float) -> None:
        self._order += 1
        mine = self.waits[name] = self._order
        if at != float("inf"):
            self._world.at(at, lambda now: self._due(name, mine, now))

    def _due(self, name: str, order: int, now: float) -> None:
        if self.strategy is not None and self.waits.get(name) == order:
            self.strategy.due(name, now=now)

    def note(self, text: str, *, now: float) -> None:
        self.notes.append(f"{now:7.3f} {text}")

    def plan(self, ports: int) -> None:
        self.planned = ports

    def end(self, reason: str, text: str, *, now: float) -> None:
        self.ended = (reason, text)
        self.notes.append(f"{now:7.3f} {reason}: {text}")
        self._world.later(self._world.signal, self._world.go_on)


class Met(Struct, frozen=True):
    """How it went."""

    ok: bool
    seconds: float
    packets: int
    """Of both sides, answers counted."""
    probes: tuple[int, int]
    entries: tuple[int, int]


Make = Callable[[Side, int], Strategy]


class Pair:
    """The world of two desks."""

    def __init__(
        self, seed: object, *, delay: float = 0.0, stun: float = 0.0, signal: float = 0.0, loss: float = 0.0
    ) -> None:
        """`delay` one way between the NATs, `stun` there and back, `signal` one way; seconds."""
        self.seed = seed
        self.stun, self.signal = stun + 0.0005, signal + 0.0005
        self.now = 0.0
        self.met: float | None = None
        self.sides: list[Side] = []
        self.stages: list[Make] = []
        """Strategies that follow when one ended."""
        self._delay, self._loss = delay + 0.0002, loss
        self._dice = random.Random(f"{seed}.world")
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0

    @property
    def over(self) -> bool:
        """One side at least has given up."""
        return any(side.ended is not None for side in self.sides)

    def lost(self) -> bool:
        """Whether this packet does not arrive."""
        return self._loss > 0.0 and self._dice.random() < self._loss

    def at(self, when: float, action: Callable[[float], None]) -> None:
        """Call it then."""
        self._count += 1
        heapq.heappush(self._due, (max(when, self.now), self._count, action))

    def later(self, seconds: float, action: Callable[[float], None]) -> None:
        """Call it after so long."""
        self.at(self.now + seconds, action)

    def carry(self, side: Side, source: Endpoint, to: Endpoint, now: float) -> None:
        """A probe on its way to the other NAT."""
        other = self.sides[1 - self.sides.index(side)]
        if to.host == other.nat.host and not self.lost():
            self.at(now + self._delay, lambda at: self._arrive(other, source, to, at))

    def _arrive(self, other: Side, source: Endpoint, to: Endpoint, now: float) -> None:
        via = other.nat.into(to.port, source, now=now)
        if via is None or self.met is not None:
            return
        other.packets += 1
        if not self.lost():
            self.met = now + self._delay

    def go_on(self, now: float) -> None:
        """One side is through with its strategy: both take the next, if there is one."""
        if not any(side.ended for side in self.sides) or not self.stages:
            return
        make = self.stages.pop(0)
        for number, side in enumerate(self.sides):
            assert side.strategy is not None
            side.strategy.finish(now=now)
            side.waits, side.ended = {}, None
            side.strategy = make(side, number)
            side.strategy.begin(now=now)

    def hear(self, number: int, signal: Signal, now: float) -> None:
        """A signal arrives."""
        strategy = self.sides[number].strategy
        if strategy is not None:
            strategy.heard(signal, now=now)

    def run(self, *, seconds: float) -> Met:
        """Until they met, both ended, or time is up."""
        while self._due and self.met is None and not (self.over and not self.stages):
            if self._due[0][0] > seconds:
                break
            self.now, _, action = heapq.heappop(self._due)
            action(self.now)
        a, b = self.sides
        return Met(
            self.met is not None,
            seconds if self.met is None else self.met,
            a.packets + b.packets,
            (a.probes, b.probes),
            (a.nat.entries, b.nat.entries),
        )


def pair(
    seed: object,
    models: tuple[NatModel | None, NatModel | None],
    profiles: tuple[NatProfile, NatProfile],
    make: Make,
    *,
    foreign: tuple[float, float] = (0.0, 0.0),
    late: float = 0.0,
    **links: float,
) -> Pair:
    """Two sides, each behind a NAT of its model (None: NAT3), ready to run; `late`: side 1 begins so much later."""
    world = Pair(seed, **links)
    for number, (host, model, profile) in enumerate(
        zip(("198.51.100.1", "203.0.113.2"), models, profiles, strict=True)
    ):
        dice = random.Random(f"{seed}.nat{number}")
        ports = allocator(model or NatModel(), foreign[number], dice)
        world.sides.append(Side(world, number, Nat(host, ports, eim=model is None), profile, profiles[1 - number]))
    a, b = world.sides
    a.remote_host, b.remote_host = b.nat.host, a.nat.host
    for side, other in ((a, b), (b, a)):
        if models[world.sides.index(other)] is None:
            side.candidates = (Candidate(other.nat.out(other.main, 27182, STUN, now=0.0), "stun"),)
    for number, side in enumerate(world.sides):
        side.strategy = make(side, number)
        start = side.strategy.begin
        world.at(late * number, lambda now, start=start: start(now=now))  # type: ignore[misc]
    return world


def figures(runs: list[Met]) -> str:
    """Success, median and p95 of seconds and packets."""
    good = sorted(runs, key=lambda met: met.seconds)
    share = sum(met.ok for met in runs) / len(runs)
    packets = sorted(met.packets for met in runs)
    late = int(0.95 * len(runs))
    return (
        f"{100 * share:5.1f} %   {median(met.seconds for met in runs):5.2f} s  p95 {good[late].seconds:5.2f} s   "
        f"{median(packets):4.0f} packets  p95 {packets[late]:4d}   entries {max(max(met.entries) for met in runs)}"
    )
