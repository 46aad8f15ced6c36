"""A wide-area network as a model: which packet arrives when, and which never does; pure.

packet -> from which place to which -> the last Way that fits -> cut? queue full? lost? -> heap of what is on its way

Places are prefixes. Each pair of places has a queue of its own in each direction, whatever Way they have in common.
"""

from __future__ import annotations

import heapq
import ipaddress
import random
from collections import Counter, deque

from msgspec import Struct, structs

from punch.sim.link import Link, Wire

MOST_BYTES = 256 << 20
"""On their way at once, at most; what comes on top is dropped as `full`."""
MOST_PAIRS = 4096
"""Pairs of addresses remembered."""

Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network


class Way(Struct, frozen=True, kw_only=True):
    """One direction between places."""

    link: Link
    source: str = ""
    """Prefix, `198.51.100.16/28`; empty: everywhere."""
    to: str = ""
    packets: int = 0
    """A limited rate: packets that wait for it at most, whatever their size; 0: `link.queue` bytes do."""
    cut: bool = False
    """Nothing passes."""


class Plan(Struct, frozen=True, kw_only=True):
    """What the network is like now."""

    places: tuple[str, ...]
    """Prefixes; whatever lies in none of them is one place more."""
    ways: tuple[Way, ...]
    """The last that fits is taken; where none does, a packet passes at once."""
    seed: str = "1"


class Tail:
    """A rate behind a tail-drop queue that counts packets."""

    def __init__(self, rate: float, packets: int) -> None:
        self._rate = rate
        self._packets = packets
        self._leaving: deque[float] = deque()

    def leaves(self, size: int, *, now: float) -> float | None:
        """When the last bit of `size` bytes has left; None: as many wait as may."""
        leaving = self._leaving
        while leaving and leaving[0] <= now:
            leaving.popleft()
        if len(leaving) > self._packets:
            return None
        at = (leaving[-1] if leaving else now) + size * 8 / self._rate
        leaving.append(at)
        return at


class Course:
    """One direction between two places at work; a new way changes what comes, not what is on it."""

    def __init__(self, way: Way) -> None:
        self.counts: Counter[str] = Counter()
        """Packets by word: passed, cut, queue, loss, mtu; and passed_bytes."""
        self._become(way)

    def follow(self, way: Way) -> None:
        """Be like `way` from now on."""
        if way != self._way:
            self._become(way)

    def _become(self, way: Way) -> None:
        self._way = way
        counted = way.link.rate is not None and way.packets > 0
        self._tail = Tail(way.link.rate or 0.0, way.packets) if counted else None
        self._wire = Wire(structs.replace(way.link, rate=None) if counted else way.link)

    def carry(self, size: int, dice: random.Random, *, now: float) -> tuple[float, ...]:
        """When an IP packet of `size` bytes arrives: never, once or twice."""
        if self._way.cut:
            self.counts["cut"] += 1
            return ()
        if self._tail is not None:
            left = self._tail.leaves(size, now=now)
            if left is None:
                self.counts["queue"] += 1
                return ()
            now = left
        arrivals = self._wire.carry(size, dice, now=now)
        if isinstance(arrivals, str):
            self.counts[arrivals] += 1
            return ()
        self.counts["passed"] += 1
        self.counts["passed_bytes"] += size
        return arrivals


class Wide:
    """The network: packets are put in, and are due later."""

    def __init__(self, plan: Plan) -> None:
        self._dice = random.Random(plan.seed)
        self._courses: dict[tuple[str, str], Course] = {}
        self._pairs: dict[bytes, Course] = {}
        self._under_way: list[tuple[float, int, bytes]] = []
        self._bytes = self._number = self.full = 0
        self.become(plan)

    def become(self, plan: Plan) -> None:
        """Be like `plan` from now on; what is on its way arrives as it would have."""
        self._places: list[Prefix] = [ipaddress.ip_network(each) for each in plan.places]
        self._ways = plan.ways
        self._pairs.clear()
        for (source, to), course in self._courses.items():
            course.follow(self._way(source, to))

    def put(self, packet: bytes, *, now: float) -> None:
        """A packet comes in; times never go back."""
        pair = packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]
        course = self._pairs.get(pair) or self._found(pair)
        for at in course.carry(len(packet), self._dice, now=now):
            if self._bytes + len(packet) > MOST_BYTES:
                self.full += 1
                return
            self._number += 1
            self._bytes += len(packet)
            heapq.heappush(self._under_way, (at, self._number, packet))

    def due(self, *, now: float) -> list[bytes]:
        """The packets that have arrived, in order."""
        under_way, arrived = self._under_way, list[bytes]()
        while under_way and under_way[0][0] <= now:
            packet = heapq.heappop(under_way)[2]
            self._bytes -= len(packet)
            arrived.append(packet)
        return arrived

    def next_due(self) -> float | None:
        """When the next packet arrives; None: nothing is on its way."""
        return self._under_way[0][0] if self._under_way else None

    def counts(self) -> dict[str, dict[str, int]]:
        """`place>place` -> word -> packets (see Course); `full` under an empty name."""
        found = {f"{source}>{to}": dict(course.counts) for (source, to), course in self._courses.items()}
        return {**found, "": {"full": self.full}}

    def _found(self, pair: bytes) -> Course:
        if len(self._pairs) >= MOST_PAIRS:
            self._pairs.clear()
        half = len(pair) // 2
        ends = (self._place(pair[:half]), self._place(pair[half:]))
        if ends not in self._courses:
            self._courses[ends] = Course(self._way(*ends))
        course = self._pairs[pair] = self._courses[ends]
        return course

    def _place(self, packed: bytes) -> str:
        address = ipaddress.ip_address(packed)
        return next((str(place) for place in self._places if address in place), "")

    def _way(self, source: str, to: str) -> Way:
        fits = (way for way in reversed(self._ways) if way.source in ("", source) and way.to in ("", to))
        return next(fits, Way(link=Link(delay=0.0, mtu=65535)))
