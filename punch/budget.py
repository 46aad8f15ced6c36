"""How much leaves this host: one budget for all peers and both roles.

packets   a token bucket (depth 40, 33 a second at the start, doubled for each second under way whose canaries came
          home, halved on a fault) and, over it, `max_pps` in any second
entries   destinations (socket, host, port) touched in the last 30 s: each is an entry in our NAT, and may be one in
          the peer's. One that answered is no longer live, but its entry stays in the NAT even longer, so it counts

The last two packets and entries are kept for answers: a probe that came through must not die of our own search.
Both ceilings hold at every instant; where a lower one comes meanwhile, nothing is kept alive until it is met.
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf

from msgspec import Struct

from punch.limiter import TokenBucket
from punch.values import Endpoint, SocketId

DEPTH = 40.0
"""Packets at once: below what scan detectors look at (nat-science 5.6)."""
START_RATE = 33.0
"""Packets a second that a table of 1,000 entries can bear (nat-science 2)."""
LOWEST_RATE = 4.0
"""Halving ends here."""
ENTRY_LIFE = 30.0
"""Seconds an unanswered mapping lives in Linux (nat-science 1.2)."""
LONGEST_LIFE = 120.0
"""The same where RFC 4787 (REQ-5) is kept, and no longer is believed; also of answered ones in Linux."""
ON_THE_WAY = 1.0
"""Seconds a packet may need to the NAT that then keeps its entry for ENTRY_LIFE."""
SHORTEST = ENTRY_LIFE + ON_THE_WAY
"""Seconds an entry counts at least."""
RAMP_STEP = 1.0
"""Seconds between doublings."""
REST = 10.0
"""Seconds without a packet after which the ramp starts over."""
GRAIN = 1e-6
"""Seconds that make up for rounding, so that a wait for a token finds it."""

RESERVE = 2
"""Packets and entries that only answers may take."""
RECOVERY = 600.0
"""Seconds after which a network that refused packets is trusted with twice as much."""
MOST_NETWORKS = 32
"""Networks remembered."""

ANY_PORT = 0
"""Of a destination: a packet is to come from that host, by a port that only it shows."""
Key = tuple[SocketId, str, int]


class Leave(Struct, frozen=True):
    """What a long search leaves to all else."""

    packets: float = 0.0
    """Share of the depth."""
    entries: float = 0.0
    """Share of the ceiling."""


NOTHING = Leave()


class Budget:
    """Packets and entries."""

    def __init__(self, *, max_pps: int, max_entries: int, now: float) -> None:
        self.max_pps = max_pps
        self.max_entries = max_entries
        self._reserve = _reserve(max_pps, max_entries)
        self.sent = 0
        """Packets of attempts drawn since the start..."""
        self.measured = 0
        """...and packets that only measured our own NAT."""
        self.entry_life: float | None = None
        """Seconds an unanswered mapping was seen to live; None: not measured."""
        self._key = ""
        self._starts: dict[str, tuple[float, float]] = {}
        """Network key -> start rate and since when, where it is not the usual one."""
        self._bucket = TokenBucket(depth=min(DEPTH, max_pps), rate=min(START_RATE, max_pps), now=now)
        self._stepped = now
        self._last = self._suffered = -inf
        self._recent: deque[float] = deque()
        self._silent: dict[Key, float] = {}
        """When touched last, oldest first: those that did not answer."""
        self._replied: dict[Key, float] = {}
        """The same of those that did."""
        self._ends = inf
        """No entry ends before."""

    @property
    def rate(self) -> float:
        """Packets a second allowed now."""
        return self._bucket.rate

    def limit(self, *, max_pps: int, max_entries: int, now: float) -> None:
        """Take other ceilings."""
        self.max_pps, self.max_entries = max_pps, max_entries
        self._reserve = _reserve(max_pps, max_entries)
        self._set_rate(min(self._bucket.rate, max_pps), now)
        self._bucket.depth = min(DEPTH, max_pps)

    def change_network(self, key: str, *, now: float) -> None:
        """Another network: its own start rate. Entries count on: its NAT may be the same one, and they end soon."""
        self._key = key
        self._set_rate(min(self._start(now), self.max_pps), now)

    def suffer(self, key: str, *, now: float) -> None:
        """Table full, or forbidden: this network begins with half for a while; a burst of errors is one."""
        if now - self._suffered < RAMP_STEP:
            return
        self._suffered, self._key = now, key
        start = max(LOWEST_RATE, min(self._start(now), self._bucket.rate) / 2)
        self._starts.pop(key, None)
        self._starts[key] = start, now
        while len(self._starts) > MOST_NETWORKS:
            del self._starts[next(iter(self._starts))]
        self._set_rate(min(start, self.max_pps), now)
        self._stepped = now

    def _start(self, now: float) -> float:
        """Packets a second this network begins with: what it refused is tried again, doubled each RECOVERY."""
        start, since = self._starts.get(self._key, (START_RATE, now))
        start *= 2.0 ** int((now - since) / RECOVERY)
        if start >= START_RATE:
            self._starts.pop(self._key, None)
        return min(start, START_RATE)

    def halve(self, *, now: float) -> None:
        """Something suffers."""
        self._set_rate(min(self.max_pps, max(LOWEST_RATE, self._bucket.rate / 2)), now)
        self._stepped = now

    def ramp(self, *, now: float) -> None:
        """All canaries of late came home: double, once a second."""
        if now - self._stepped >= RAMP_STEP:
            self._stepped = now
            self._set_rate(min(self.max_pps, self._bucket.rate * 2), now)

    def spend(
        self,
        via: SocketId,
        to: Endpoint,
        *,
        now: float,
        answer: bool = False,
        measuring: bool = False,
        beside: tuple[Endpoint, ...] = (),
    ) -> bool:
        """Draw a packet for this destination, or nothing and return False.

        `answer`: it may use what is kept for answers; `measuring`: it belongs to no attempt; `beside`: where the
        answer may come from instead, an entry each if the NAT lets it in.
        """
        key = (via, to.host, to.port)
        kept = 0 if answer else self._reserve
        self._look_back(now)
        table = self._replied if key in self._replied else self._silent
        before, entries = table.get(key), len(self._silent) + len(self._replied)
        again = before is not None and (entries <= self.max_entries or (answer and now - before < ENTRY_LIFE))
        if not again and entries + kept >= self.max_entries:
            return False
        others = [(via, each.host, each.port) for each in beside if each != to] if beside else ()
        if others and entries + (before is None) + kept + sum(map(self._is_new, others)) > self.max_entries:
            return False
        if len(self._recent) + kept >= self.max_pps or not self._bucket.take(now=now, leave=kept):
            return False
        self._recent.append(now)
        if before is not None:
            del table[key]
        table[key] = now
        for other in others:
            home = self._replied if other in self._replied else self._silent
            home.pop(other, None)
            home[other] = now
        if now + SHORTEST < self._ends:
            self._ends = now + SHORTEST
        self._last = now
        if measuring:
            self.measured += 1
        else:
            self.sent += 1
        return True

    def answered(self, via: SocketId, source: Endpoint) -> None:
        """What was touched there answered: it is live no more."""
        key = (via, source.host, source.port)
        if (touched := self._silent.pop(key, None)) is None:
            touched = self._silent.pop((via, source.host, ANY_PORT), None)
        if touched is not None:
            self._replied[key] = touched

    def admits(self, via: SocketId, to: Endpoint, *, now: float) -> bool:
        """Whether an entry that is not paid from here finds room: it is there already, or there is some."""
        self._look_back(now)
        return self._count < self.max_entries or not self._is_new((via, to.host, to.port))

    def _is_new(self, key: Key) -> bool:
        return key not in self._silent and key not in self._replied

    def hold(self, via: SocketId, to: Endpoint, *, now: float) -> None:
        """Something that is not paid from here keeps this entry alive in the NAT: it counts."""
        key = (via, to.host, to.port)
        self._silent.pop(key, None)
        self._replied.pop(key, None)
        self._replied[key] = now
        self._ends = min(self._ends, now + SHORTEST)

    def room(self, *, now: float, leave: Leave = NOTHING) -> float:
        """Packets that may be sent now to new destinations."""
        self._look_back(now)
        packets = min(self._bucket.available(now=now), self.max_pps - len(self._recent))
        packets -= int(leave.packets * self._bucket.depth)
        entries = self.max_entries - int(leave.entries * self.max_entries) - self._count
        return max(0.0, min(packets, entries) - self._reserve)

    def _look_back(self, now: float) -> None:
        """Let go of what is over: a rest, entries, packets of more than a second ago."""
        if now - self._last > REST:
            self._rest(now)
        if now >= self._ends:
            self._expire(now)
        recent = self._recent
        while recent and recent[0] <= now - 1.0:
            recent.popleft()

    def room_at(self, packets: float, *, now: float, leave: Leave = NOTHING) -> float:
        """When there may be room for so many packets to new destinations; `now`: at once."""
        packets = max(1.0, packets) + self._reserve
        tokens = min(packets + int(leave.packets * self._bucket.depth), self._bucket.depth)
        entries = min(packets + int(leave.entries * self.max_entries), self.max_entries)
        return max(self._packets_at(tokens, now), self._entries_at(entries, now))

    def live(self, *, now: float) -> int:
        """Destinations touched in the last 30 s and not answered."""
        return sum(1 for at in self._silent.values() if now - at < ENTRY_LIFE)

    def _set_rate(self, rate: float, now: float) -> None:
        self._bucket.available(now=now)
        self._bucket.rate = float(rate)

    @property
    def _kept(self) -> float:
        """Seconds an entry counts."""
        return max(SHORTEST, min(self.entry_life or 0.0, LONGEST_LIFE) + ON_THE_WAY)

    def _rest(self, now: float) -> None:
        """After a long rest the ramp starts over."""
        if now - self._last <= REST:
            return
        self._stepped = now
        if self._bucket.rate != (start := min(self._start(now), self.max_pps)):
            self._set_rate(start, now)

    def _packets_at(self, packets: float, now: float) -> float:
        self._rest(now)
        missing = packets - self._bucket.available(now=now)
        at = now if missing <= 0 else now + missing / self._bucket.rate + GRAIN
        over = self._sent_within(now) + ceil(packets) - self.max_pps
        return at if over <= 0 else max(at, self._recent[min(over, len(self._recent)) - 1] + 1.0)

    @property
    def _count(self) -> int:
        return len(self._silent) + len(self._replied)

    def _entries_at(self, packets: float, now: float) -> float:
        self._expire(now)
        over = self._count + ceil(packets) - self.max_entries
        if over <= 0:
            return now
        kept = self._kept
        ends = [at + kept for at in self._silent.values()]
        ends += [at + LONGEST_LIFE + ON_THE_WAY for at in self._replied.values()]
        return sorted(ends)[min(over, len(ends)) - 1]

    def _expire(self, now: float) -> None:
        if now < self._ends:
            return
        self._ends = inf
        for table, kept in ((self._silent, self._kept), (self._replied, LONGEST_LIFE + ON_THE_WAY)):
            while table:
                key = next(iter(table))
                if now - table[key] < kept:
                    self._ends = min(self._ends, table[key] + SHORTEST)
                    break
                del table[key]

    def _sent_within(self, now: float) -> int:
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        return len(self._recent)


def _reserve(max_pps: int, max_entries: int) -> int:
    """What is kept for answers: nothing where a ceiling is so low that it would be all."""
    return RESERVE if min(max_pps, max_entries) > 4 * RESERVE else 0
