"""The sides of `anchor_walk` that come to a target: by walking a counter, or by binding the port.

Walker   reads -> said Sampled -> heard Aims -> reads -> waits or walks -> reads -> the next target or round
Binder   said Sampled (empty) -> heard Aims -> a socket on each target
"""

from __future__ import annotations

from math import inf

from punch.predict.hypothesis import PORTS
from punch.predict.sequential import likeliest, slots
from punch.signals import Aim, Sample, Sampled, Signal
from punch.strategies.anchoring import BLOCK_GROUPS, FREE_PORTS, GROUPS, MARGIN, PATIENCE, SILENT, rounds, spread
from punch.strategies.desk import Desk, Opened
from punch.strategies.low_ttl import opening_ttl
from punch.values import Endpoint, SocketId, udp

SHORT_WALK = 20
"""Steps that are rather walked than waited for."""
MOST_STEPS = 40
"""Sockets for one target."""
MOST_READS = 14
"""Readings in one round."""
READING_GAP = 0.05
"""Seconds between two readings of a counter that others advance too."""
GRACE = 0.1
"""Seconds after a walk in which it may be answered."""
AIM_WAIT = 1.5
"""Seconds for the anchor's answer, after which the walker repeats itself."""


class Walker:
    """Walks its counter to the anchor's targets."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._round = 0
        self._index = 0
        self._began = 0.0
        self._fresh: list[Opened] = []
        self._asked = False
        self._mine: list[SocketId] = []
        self._asking: dict[SocketId, tuple[int, int, float]] = {}
        self._readings: list[Sample] = []
        self._trip = 0.0
        """Seconds a reading takes."""
        self._to_read = 0
        """Readings still to be made before the round's account."""
        self._reads = 0
        self._aims: dict[int, Aim] = {}
        self._walking = False
        self._asked_again = 0
        self._done = 0

    def begin(self, *, now: float) -> None:
        """Open sockets; the first readings follow."""
        self._desk.note("anchor_walk: they hold still, we walk", now=now)
        self._desk.plan(rounds(self._desk.remote) * GROUPS)
        self._began = now
        self._round = 1
        self._to_read = 2
        self._need(MOST_STEPS // 2)

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """Go on with what waited for them."""
        self._asked = False
        self._mine += [each.socket for each in sockets]
        self._fresh += sockets
        if not self._fresh:
            self._desk.end("sockets", "no more sockets can be opened", now=now)
        elif not self._asking and not self._aims:
            self._read(now)

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """The counter is read."""
        asked = self._asking.pop(via, None)
        if asked is None or seen.is_ipv6:
            return
        index, local, at = asked
        self._trip = now - sent
        self._readings.append(Sample(index, at, local, seen.port, seen.host))
        self._readings = sorted(self._readings, key=lambda sample: sample.index)[-6:]
        if self._walking:
            self._walk(now)
        elif self._to_read:
            self._desk.wait("read", max(now, sent + (0.0 if self._is_quiet else READING_GAP)))
        elif not self._asking:
            self._account(now)

    def heard(self, signal: Signal, *, now: float) -> None:
        """Where to walk, and where to send then."""
        if isinstance(signal, Aim) and signal.round == self._round and signal.target not in self._aims:
            self._aims[signal.target] = signal
            if not self._walking:
                self._walking = True
                self._desk.wait("aims", inf)
                self._desk.wait("read", now + 0.005)

    def due(self, name: str, *, now: float) -> None:
        """Go on with what waited."""
        if name == "read":
            self._read(now)
        elif name == "lost":
            self._asking.clear()
            self._read(now)
        elif name == "walk":
            self._walk(now)
        elif name == "aims":
            self._repeat(now)
        elif name == "round":
            self._next_round(now)

    def finish(self, *, now: float) -> None:
        """Close what is still ours."""
        for via in self._mine:
            self._desk.close(via)

    @property
    def _is_quiet(self) -> bool:
        return self._desk.local.foreign is not None and self._desk.local.foreign < 2.0

    def _need(self, count: int) -> None:
        if not self._asked and len(self._fresh) < count:
            self._asked = True
            self._desk.open(count)

    def _read(self, now: float) -> None:
        """Ask what the counter says now."""
        desk = self._desk
        if self._reads >= MOST_READS:
            self._over(now)
            return
        if not self._fresh or desk.room(now=now) < 1.0 or not desk.sample(self._fresh[0].socket, now=now):
            self._need(MOST_STEPS // 2)
            desk.wait("read", max(desk.room_at(1, now=now), now + 0.01))
            return
        fresh = self._fresh.pop(0)
        self._asking[fresh.socket] = (self._index, fresh.local.port, now - self._began)
        self._index += 1
        self._reads += 1
        self._to_read = max(0, self._to_read - 1)
        desk.wait("lost", now + (PATIENCE if not self._trip else 2.0 * self._trip + 0.05))
        self._need(MOST_STEPS // 2)

    def _account(self, now: float) -> None:
        """Say what was read: the round begins."""
        self._desk.wait("lost", inf)
        self._aims, self._walking = {}, False
        self._desk.say(Sampled(self._desk.attempt, self._round, tuple(self._readings), ()))
        self._desk.wait("aims", now + AIM_WAIT)

    def _repeat(self, now: float) -> None:
        """Nothing came of it: perhaps it was lost."""
        self._asked_again += 1
        if self._asked_again > SILENT / AIM_WAIT:
            self._desk.end("silent", "the other side names no target", now=now)
            return
        self._desk.say(Sampled(self._desk.attempt, self._round, tuple(self._readings), ()))
        self._desk.wait("aims", now + AIM_WAIT)

    def _walk(self, now: float) -> None:
        """Near a target: walk past it. Far: let others advance the counter. Past all: the next round."""
        desk = self._desk
        desk.wait("lost", inf)
        found = likeliest(tuple(self._readings), desk.local)
        step, rate = found or (desk.local.step or 1, desk.local.foreign or 0.0)
        counter = self._readings[-1].external
        ahead = sorted((slots(counter, target, step), target) for target in self._aims)
        ahead = [(away, target) for away, target in ahead if 1.0 <= away < PORTS / 4 and away == int(away)]
        if not ahead:
            self._over(now)
            return
        away = int(ahead[0][0])
        drift = rate * self._trip
        near = min(max(SHORT_WALK, MARGIN + round(drift + 2.0 * spread(drift))), MOST_STEPS - MARGIN)
        pause = 0.8 * (away - near) / rate - self._trip if rate > 2.0 and away > near else 0.0
        if pause > 0.01:
            desk.wait("read", now + min(pause, 0.5))
        elif away > MOST_STEPS:
            self._over(now)
        elif desk.room(now=now) < min(away, MOST_STEPS // 2) or len(self._fresh) < away:
            self._need(away + 1)
            desk.wait("read", max(desk.room_at(away + 1, now=now), now + 0.01))
        else:
            self._pass(away, self._aims.pop(ahead[0][1]), now)

    def _pass(self, away: int, aim: Aim, now: float) -> None:
        """One socket after the other, all to the same port, until the target must be behind us."""
        desk = self._desk
        for _ in range(away):
            ttl = opening_ttl(desk.local) if desk.remote.poisonable else 0
            if not desk.probe(self._fresh[0].socket, udp(desk.remote_host, aim.aim), now=now, ttl=ttl):
                break
            self._fresh.pop(0)
            self._index += 1
        self._done += 1
        desk.note(f"anchor_walk: {away} sockets to port {aim.aim}, to be at {aim.target} on the way", now=now)
        desk.wait("read", now + max(GRACE, 1.5 * self._trip))
        self._need(MOST_STEPS // 2)

    def _over(self, now: float) -> None:
        self._walking = False
        self._desk.wait("read", inf)
        self._desk.wait("lost", inf)
        self._desk.wait("round", now + GRACE)

    def _next_round(self, now: float) -> None:
        """With the readings at hand if they are fresh."""
        if self._round >= rounds(self._desk.remote):
            self._desk.end("exhausted", f"{self._done} walks in {self._round} rounds, none met", now=now)
            return
        self._round += 1
        self._reads, self._to_read, self._aims = 0, 1, {}
        self._read(now)


class Binder:
    """Opens a socket on each target: a NAT that keeps ports makes it the outside port."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._round = 0
        self._rounds = rounds(desk.remote)
        self._bound: dict[int, Aim] = {}
        """What each request for a socket is for."""
        self._heard: set[int] = set()
        self._mine: list[SocketId] = []
        self._said = 0

    def begin(self, *, now: float) -> None:
        """Ask for targets."""
        self._desk.note("anchor_walk: they hold still, our NAT keeps ports", now=now)
        self._desk.plan(self._rounds * GROUPS)
        self._next(now)

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """On the target's port, it sends its one packet; elsewhere it is of no use."""
        aim = self._bound.pop(request, None)
        self._mine += [each.socket for each in sockets]
        for each in sockets:
            if aim is not None and each.local.port == aim.target:
                self._desk.probe(each.socket, udp(self._desk.remote_host, aim.aim), now=now)

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """Nothing is sampled."""

    def heard(self, signal: Signal, *, now: float) -> None:
        """A target, one of the ports an anchor draws them from: which ones are bound here is not theirs to say."""
        if not isinstance(signal, Aim) or signal.round != self._round or signal.target in self._heard:
            return
        if signal.target in FREE_PORTS and len(self._heard) < BLOCK_GROUPS:
            self._heard.add(signal.target)
            self._bound[self._desk.open(1, port=signal.target)] = signal
            self._desk.wait("round", now + PATIENCE)

    def due(self, name: str, *, now: float) -> None:
        """Nothing came of the round."""
        self._said += 1
        if self._heard and self._round >= self._rounds:
            self._desk.end("exhausted", f"{self._round} rounds, none met", now=now)
        elif not self._heard and self._said > SILENT / AIM_WAIT:
            self._desk.end("silent", "the other side names no target", now=now)
        elif self._heard:
            self._next(now)
        else:
            self._ask(now)

    def finish(self, *, now: float) -> None:
        """Close what is still ours."""
        for via in self._mine:
            self._desk.close(via)

    def _next(self, now: float) -> None:
        self._round += 1
        self._said = 0
        self._heard.clear()
        self._ask(now)

    def _ask(self, now: float) -> None:
        self._desk.say(Sampled(self._desk.attempt, self._round, (), ()))
        self._desk.wait("round", now + AIM_WAIT)
