"""The side of `anchor_walk` that holds still.

heard Sampled -> targets ahead of their counter -> S HHH S HHH S HHH S -> posterior of each group -> said Aim, Aim, Aim
"""

from __future__ import annotations

import math
from math import inf

from punch.predict import Posterior
from punch.predict.hypothesis import Hole
from punch.predict.sequential import DISPERSION, likeliest, port_at
from punch.signals import Aim, Sample, Sampled, Signal
from punch.strategies.desk import Desk, Opened
from punch.strategies.low_ttl import opening_ttl
from punch.values import Endpoint, NatProfile, SocketId, udp

ROUNDS = 5
GROUPS, HOLES = 3, 3
"""Targets a round, and holes towards each."""
CLUSTER_HOLES = 12
"""Where a hole is only known to be near the samples."""
FEWEST = 4
"""Holes towards a target that are worth it."""
BLOCK_GROUPS, BLOCK_ROUNDS = 4, 3
"""The same for an anchor with a block, whose holes are many and guessed at."""
MOST_HOLES = 128
"""Holes a round of such an anchor; all rounds take half of its block at most (nat-science 3.4)."""
LEAD = 0.25
"""Seconds from a walker's reading to its walk, as guessed for the first round; longer in each later one."""
MARGIN = 5
"""Mappings of the walker's own before it walks."""
FREE_PORTS = range(32768, 61000)
"""Where targets for a NAT that keeps ports are drawn from: a host binds any of them (ip_local_port_range)."""
PATIENCE = 0.5
"""Seconds for a sample's answer."""
SILENT = 12.0
"""Seconds without a word."""


def spread(others: float) -> float:
    """Standard deviation of a number of foreign mappings whose mean is `others`."""
    return math.sqrt(others + DISPERSION * others * others + 0.25)


def rounds(anchor: NatProfile) -> int:
    """How often it is tried."""
    return BLOCK_ROUNDS if anchor.allocation == "block" else ROUNDS


class Anchor:
    """Puts holes towards the walker's targets, and says where they are."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._round = 0
        self._targets: list[int] = []
        self._script: list[int] = []
        """-1: a sample; else the group of a hole."""
        self._place = 0
        self._fresh: list[Opened] = []
        self._mine: list[SocketId] = []
        self._asking: dict[SocketId, tuple[int, int, float]] = {}
        self._samples: list[Sample] = []
        self._holes: list[list[Hole]] = []
        self._began = 0.0
        self._patience = PATIENCE
        self._spent = 0
        """Ports of our block that holes took, over all rounds."""
        self._aims: tuple[Aim, ...] = ()
        self._rounds = rounds(desk.local)

    def begin(self, *, now: float) -> None:
        """Wait for the walker's readings."""
        self._desk.note("anchor_walk: we hold still, they walk", now=now)
        self._desk.plan(self._rounds * GROUPS)
        self._desk.wait("silent", now + SILENT)

    def heard(self, signal: Signal, *, now: float) -> None:
        """The walker's readings: a round begins; heard again, its aims are said again."""
        if not isinstance(signal, Sampled) or not (signal.samples or self._desk.remote.allocation == "preserving"):
            return
        if signal.round == self._round:
            for aim in self._aims:
                self._desk.say(aim)
        elif self._round < signal.round <= self._rounds:
            self._desk.wait("silent", now + SILENT)
            self._start(signal, now)

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """The burst can go."""
        self._mine += [each.socket for each in sockets]
        self._fresh += sockets
        if len(self._fresh) < len(self._script) - self._place:
            self._script = self._script[: self._place + len(self._fresh)]
        self._push(now)

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """One more sample."""
        asked = self._asking.pop(via, None)
        if asked is not None and not seen.is_ipv6:
            index, local, at = asked
            self._samples.append(Sample(index, at, local, seen.port, seen.host))
            self._patience = 2.0 * (now - sent) + 0.03
            self._await(now)

    def due(self, name: str, *, now: float) -> None:
        """Go on with what waited."""
        if name == "push":
            self._push(now)
        elif name == "aim":
            self._aim(now)
        else:
            self._desk.end("silent" if not self._round else "exhausted", "the other side walks no more", now=now)

    def finish(self, *, now: float) -> None:
        """Close what is still ours."""
        for via in self._mine:
            self._desk.close(via)

    def _start(self, said: Sampled, now: float) -> None:
        """Choose targets ahead of the walker's counter, and the burst towards them."""
        desk = self._desk
        groups, each = self._sizes()
        if each < FEWEST and desk.local.allocation == "block":
            desk.end("exhausted", f"{self._spent} ports of our block are used, half of it", now=now)
            return
        self._round, self._aims, self._place = said.round, (), 0
        if said.samples:
            self._targets = self._ahead(said, groups)
        else:
            self._targets = desk.entropy.sample(FREE_PORTS, groups)
        desk.note(
            f"anchor_walk: round {said.round}, {groups * each} holes towards {', '.join(map(str, self._targets))}",
            now=now,
        )
        self._script = [-1]
        for group in range(groups):
            self._script += [group] * each + [-1]
        self._samples, self._holes, self._asking = [], [[] for _ in range(groups)], {}
        self._began = now
        desk.open(len(self._script))

    def _ahead(self, said: Sampled, groups: int) -> list[int]:
        """Ports that the walker's counter has not passed yet, as far as its rate can be trusted."""
        profile = self._desk.remote
        step, rate = likeliest(said.samples, profile) or (profile.step or 1, profile.foreign or 0.0)
        others = rate * LEAD * 1.6 ** (said.round - 1)
        first = MARGIN + round(others + 2.0 * spread(others))
        apart = max(MARGIN, round(rate * LEAD + 2.0 * spread(others)))
        counter = max(said.samples, key=lambda sample: sample.index).external
        return [port_at(counter, step, first + group * apart) for group in range(groups)]

    def _sizes(self) -> tuple[int, int]:
        """Groups, and holes in each: few where they can be told, else as many as half of the block bears."""
        profile = self._desk.local
        if profile.allocation == "cluster":
            return GROUPS, CLUSTER_HOLES
        if profile.allocation != "block":
            return GROUPS, HOLES
        size = profile.block[1] if profile.block is not None else 1024
        left = max(0, size // 2 - self._spent)
        each = min(MOST_HOLES, left) // BLOCK_GROUPS
        self._spent += BLOCK_GROUPS * each if each >= FEWEST else 0
        return BLOCK_GROUPS, each

    def _push(self, now: float) -> None:
        desk = self._desk
        while self._place < len(self._script) and self._fresh:
            if desk.room(now=now) < 1.0 or not self._use(self._fresh[0], self._script[self._place], now):
                desk.wait("push", max(desk.room_at(4, now=now), now + 0.02))
                return
            self._fresh.pop(0)
            self._place += 1
        self._await(now)

    def _use(self, fresh: Opened, group: int, now: float) -> bool:
        index, at, desk = self._place, now - self._began, self._desk
        if group < 0:
            sent = desk.sample(fresh.socket, now=now)
            if sent:
                self._asking[fresh.socket] = (index, fresh.local.port, at)
            return sent
        ttl = opening_ttl(desk.local) if desk.remote.poisonable else 0
        if not desk.probe(fresh.socket, udp(desk.remote_host, self._targets[group]), now=now, ttl=ttl):
            return False
        self._holes[group].append((index, fresh.local.port, at))
        return True

    def _await(self, now: float) -> None:
        if self._aims or not self._script or self._place < len(self._script):
            return
        if not self._asking:
            self._aim(now)
        else:
            last = self._began + max(at for _, _, at in self._asking.values())
            self._desk.wait("aim", max(now, last + self._patience))

    def _aim(self, now: float) -> None:
        """Say where each group's holes are, as far as can be told."""
        desk = self._desk
        desk.wait("aim", inf)
        if self._aims or not self._samples:
            return
        last = max(self._samples, key=lambda sample: sample.index)
        aims: list[Aim] = []
        chances = []
        for target, holes in zip(self._targets, self._holes, strict=True):
            samples = [sample for sample in self._samples if sample.host == last.host]
            found = Posterior(samples, holes, profile=desk.local, entropy=desk.entropy).next() if holes else None
            if found is not None:
                chances.append(found[1])
                rate = desk.local.foreign or 0.0
                aims.append(Aim(desk.attempt, self._round, target, found[0], last.host, last.external, rate))
        self._aims = tuple(aims)
        for aim in aims:
            desk.say(aim)
        told = ", ".join(f"{100.0 * chance:.0f} %" for chance in chances)
        desk.note(f"anchor_walk: {len(aims)} aims, our holes are there with {told}", now=now)
