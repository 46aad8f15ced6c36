"""A NAT as a router of a world: mappings, sessions that expire, a table, and what comes in unasked.

    inside                                       outside
    source --outward--> mapping (outside endpoint) --> to         key: source | source, host | source, host, port
                           |
                        sessions: to -> expires, replied          one entry of the table each
    inner  <--inward--- port -> mapping, filter          <-- source

A session is what Linux calls an entry: a scan of 700 ports from one socket is 700 of them, whatever the mapping. A
mapping lives as long as any of its sessions.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Hashable

from msgspec import Struct

from punch.limiter import TokenBucket
from punch.sim.host import Datagram
from punch.sim.model import NatModel
from punch.sim.ports import Allocator, allocator
from punch.sim.screen import Screen
from punch.values import Endpoint

TRIES = 64
"""Proposals of an allocator before a NAT gives up: all ports are taken."""

Key = Callable[[Endpoint, Endpoint], Hashable]
KEYS: dict[str, Key] = {
    "eim": lambda source, to: source,
    "adm": lambda source, to: (source, to.host),
    "apdm": lambda source, to: (source, to),
}
"""What a mapping belongs to (RFC 4787 section 4.1)."""


class Mapping(Struct, eq=False):
    """An inside endpoint as it is seen from outside."""

    key: Hashable
    inner: Endpoint
    outside: Endpoint
    sessions: dict[Endpoint, Session] = {}


class Session(Struct, eq=False):
    """One entry: a mapping and the outside endpoint it talks to."""

    mapping: Mapping | None
    """None: left by an unasked packet."""
    outside: Endpoint
    to: Endpoint
    expires: float
    replied: bool = False


class Nat:
    """A NAT with these public addresses; a Router of a world.

    Counters, for whoever watches: `counts` by fixed words (out, in, new, and why packets were dropped), `peak` entries,
    `by_inside` and `by_destination` (hosts) with the entries alive now, `peak_by_inside`.
    """

    def __init__(self, model: NatModel, *addresses: str, entropy: random.Random) -> None:
        """A NAT that does as `model` says.

        Raises:
            ValueError: no address, or the model does not fit together.
        """
        if not addresses or model.faults():
            raise ValueError(", ".join(model.faults()) or "a NAT has a public address")
        self.addresses = addresses
        self._entropy = entropy
        self.counts: Counter[str] = Counter()
        self.peak = 0
        self.peak_by_inside: dict[str, int] = {}
        self.become(model)

    def become(self, model: NatModel) -> None:
        """Restart as another NAT (a test hook): every mapping is forgotten."""
        self.model = model
        self._key = KEYS[model.mapping]
        self._mappings: dict[Hashable, Mapping] = {}
        self._outside: dict[Endpoint, Mapping] = {}
        self._poison: dict[tuple[Endpoint, Endpoint], Session] = {}
        self._due: list[tuple[float, int, Session]] = []
        self._made = 0
        self.alive = 0
        """Entries alive at the last packet; `entries` looks again."""
        self.by_inside: dict[str, int] = {}
        foreign = model.foreign / len(self.addresses)
        self._allocators: list[Allocator] = [allocator(model, foreign, self._entropy) for _ in self.addresses]
        self._homes: dict[str, int] = {}
        self._fresh: TokenBucket | None = None
        self._screens = (Screen(model), Screen(model))
        self._limited = model.table > 0 or model.host_table > 0 or model.new_rate > 0
        self._wary = model.scan_ports > 0 or not model.udp

    def routes(self, address: str) -> bool:
        """Nothing inside is reachable as it is."""
        return False

    @property
    def by_destination(self) -> dict[str, int]:
        """Entries alive at the last packet, by the outside host."""
        return dict(Counter(session.to.host for _, _, session in self._due))

    def entries(self, *, now: float) -> int:
        """Entries alive at `now`."""
        self._expire(now)
        return self.alive

    def outward(self, datagram: Datagram, *, now: float) -> Datagram | None:
        """Translate the source, making a mapping if there is none."""
        if self._due and self._due[0][0] <= now:
            self._expire(now)
        source, to = datagram.source, datagram.to
        if self._wary and self._stops(source, to, 0, now):
            return None
        if not self.model.hairpin and to.host in self.addresses:
            self.counts["hairpin"] += 1
            return None
        key = self._key(source, to)
        mapping = self._mappings.get(key)
        if self._poison and mapping is not None and (mapping.outside, to) in self._poison:
            key = (source, to, "apart")
            mapping = self._mappings.get(key)
        session = mapping.sessions.get(to) if mapping is not None else None
        if mapping is None or session is None:
            mapping = self._open_new(mapping, key, datagram, now)
            if mapping is None:
                return None
        else:
            session.expires = now + (self.model.replied if session.replied else self.model.unreplied)
        self.counts["out"] += 1
        return Datagram(mapping.outside, to, datagram.payload, datagram.ttl)

    def inward(self, datagram: Datagram, *, now: float) -> Datagram | None:
        """Translate the destination back, if the filter lets it in."""
        if self._due and self._due[0][0] <= now:
            self._expire(now)
        source, to = datagram.source, datagram.to
        if self._wary and self._stops(source, to, 1, now):
            return None
        mapping = self._outside.get(to)
        session = mapping.sessions.get(source) if mapping is not None else None
        if mapping is None or (session is None and not self._lets_in(mapping, source)):
            self._unasked(datagram, now)
            return None
        if session is None:
            if self._limited and not self._admitted(mapping.inner.host, now):
                return None
            self._open(mapping, source, now)
        else:
            session.replied = True
            if self.model.inbound_refresh:
                session.expires = now + self.model.replied
        self.counts["in"] += 1
        return Datagram(source, mapping.inner, datagram.payload, datagram.ttl)

    # --- what is kept out

    def _stops(self, source: Endpoint, to: Endpoint, way: int, now: float) -> bool:
        """Whether all UDP, or this scanner's, is stopped; `way` 0: outward, 1: inward."""
        if not self.model.udp:
            self.counts["udp"] += 1
        elif self.model.scan_ports and self._screens[way].blocks(source.host, to.host, to.port, now=now):
            self.counts["screened"] += 1
        else:
            return False
        return True

    def _lets_in(self, mapping: Mapping, source: Endpoint) -> bool:
        if self.model.filtering == "adf":
            return any(to.host == source.host for to in mapping.sessions)
        return self.model.filtering == "eif"

    def _unasked(self, datagram: Datagram, now: float) -> None:
        """Nobody inside asked for it."""
        self.counts["rejected" if self.model.input == "reject" else "unasked"] += 1
        if self.model.input != "accept" or self._full():
            return
        pair = (datagram.to, datagram.source)
        session = self._poison.get(pair)
        if session is not None:
            session.expires = now + self.model.unreplied
        else:
            self._poison[pair] = session = Session(None, datagram.to, datagram.source, now + self.model.unreplied)
            self._count(session, now)

    # --- mappings and entries

    def _open_new(self, mapping: Mapping | None, key: Hashable, datagram: Datagram, now: float) -> Mapping | None:
        """A new entry, of a new mapping if there is none; None: not to be had."""
        if self._limited and not self._admitted(datagram.source.host, now):
            return None
        if mapping is None:
            outside = self._free(datagram.source, datagram.to, now)
            if outside is None:
                self.counts["no_port"] += 1
                return None
            mapping = Mapping(key, datagram.source, outside)
            self._mappings[key] = self._outside[outside] = mapping
        self._open(mapping, datagram.to, now)
        return mapping

    def _free(self, source: Endpoint, to: Endpoint, now: float) -> Endpoint | None:
        """A free outside endpoint, as the allocator proposes; an entry that an unasked packet left is in its way."""
        home = self._home(source.host)
        host, propose = self.addresses[home], self._allocators[home].propose
        low, high, parity = self.model.low, self.model.high, self.model.parity
        for _ in range(TRIES):
            port = propose(source.port, now=now)
            if parity and (port ^ source.port) & 1:
                port ^= 1
                if not low <= port <= high:
                    continue
            outside = Endpoint("udp", host, port)
            if outside not in self._outside and not (self._poison and (outside, to) in self._poison):
                return outside
        return None

    def _home(self, inside: str) -> int:
        """Which public address a mapping of this inside host gets."""
        if len(self.addresses) == 1:
            return 0
        if self.model.pooling == "arbitrary":
            return self._entropy.randrange(len(self.addresses))
        if inside not in self._homes:
            self._homes[inside] = self._entropy.randrange(len(self.addresses))
        return self._homes[inside]

    def _open(self, mapping: Mapping, to: Endpoint, now: float) -> None:
        session = mapping.sessions[to] = Session(mapping, mapping.outside, to, now + self.model.unreplied)
        self.counts["new"] += 1
        self._count(session, now)

    def _full(self) -> bool:
        return 0 < self.model.table <= self.alive

    def _admitted(self, inside: str, now: float) -> bool:
        """Whether a new entry is to be had where the model sets a limit."""
        model = self.model
        if self._full():
            self.counts["table_full"] += 1
            return False
        if model.host_table and self.by_inside.get(inside, 0) >= model.host_table:
            self.counts["quota"] += 1
            return False
        if model.new_rate:
            self._fresh = self._fresh or TokenBucket(depth=max(1.0, model.new_rate), rate=model.new_rate, now=now)
            if not self._fresh.take(now=now):
                self.counts["too_fast"] += 1
                return False
        return True

    def _count(self, session: Session, now: float) -> None:
        self._made += 1
        heapq.heappush(self._due, (session.expires, self._made, session))
        self.alive += 1
        if self.alive > self.peak:
            self.peak = self.alive
        if session.mapping is not None:
            inside = session.mapping.inner.host
            held = self.by_inside[inside] = self.by_inside.get(inside, 0) + 1
            if held > self.peak_by_inside.get(inside, 0):
                self.peak_by_inside[inside] = held

    def _expire(self, now: float) -> None:
        """Forget what is over; what was refreshed meanwhile goes back into the list."""
        due = self._due
        while due and due[0][0] <= now:
            _, serial, session = due[0]
            if session.expires > now:
                heapq.heapreplace(due, (session.expires, serial, session))
                continue
            heapq.heappop(due)
            self._forget(session)

    def _forget(self, session: Session) -> None:
        self.alive -= 1
        mapping = session.mapping
        if mapping is None:
            del self._poison[session.outside, session.to]
            return
        inside = mapping.inner.host
        self.by_inside[inside] -= 1
        if not self.by_inside[inside]:
            del self.by_inside[inside]
        del mapping.sessions[session.to]
        if not mapping.sessions:
            del self._mappings[mapping.key], self._outside[mapping.outside]
