"""The hard side of a search: opens holes, says where they may be, keeps them open.

sockets -> S HHHH S HHHH S -> samples' answers -> said Sampled -> more holes, said HolesOpen
                                                                  each again before it expires
"""

from __future__ import annotations

from math import inf

from punch.predict import Pool
from punch.predict.posterior import FIRST_HOLES
from punch.signals import HolesOpen, MoreHoles, Sample, Sampled, Signal
from punch.strategies.desk import Desk, Opened
from punch.strategies.low_ttl import opening_ttl
from punch.strategies.plan import FULL, LATE_HOLES, PAUSE, Plan, believed
from punch.values import Endpoint, SocketId, udp

REFRESH = 8.0
"""Seconds between two packets of a hole (nat-science 2), where its lifetime allows."""
REFRESH_SHARE = 0.4
"""Of a known lifetime."""
FIRST_ANSWER = 0.5
"""Seconds the samples' answers are waited for; twice the first one's way once it is known."""
AGAIN = 0.7
"""Seconds after which the account of the samples is said once more: signals may be lost."""
LONGEST = 90.0
"""Seconds after which the hard side lets go by itself."""
SPREAD = 0.75
"""Share of the address searched below which more holes make up for those elsewhere."""
NO_SERVICE = 5
"""Refused samples in a row after which holes take their place."""


def easy_endpoint(desk: Desk) -> Endpoint | None:
    """Where the easy side's main socket is met, as the hard side sees it."""
    seen = desk.remote.reflexive
    if seen is not None and not seen.is_ipv6:
        return udp(desk.remote_host, seen.port) if desk.remote.type == "NAT4" and desk.remote_host else seen
    for kind in ("stun", "portmap", "given", "public"):
        for candidate in desk.candidates:
            if candidate.kind == kind and not candidate.endpoint.is_ipv6:
                return candidate.endpoint
    ports = [each.endpoint.port for each in desk.candidates if not each.endpoint.is_ipv6]
    return udp(desk.remote_host, ports[0]) if ports and desk.remote_host else None


class HardSide:
    """Opens holes, says where they may be, keeps them open."""

    def __init__(self, desk: Desk, plan: Plan) -> None:
        self.name = plan.name
        self._desk = desk
        self._plan = plan
        self._began = 0.0
        self._round = plan.first_round
        self._script = plan.script
        self._burst = len(plan.script)
        """Place in the script where the account of this round is complete."""
        self._place = 0
        self._fresh: list[Opened] = []
        self._asked = 0
        """Sockets asked for and not come yet."""
        self._mine: list[SocketId] = []
        self._asking: dict[SocketId, tuple[int, int, float]] = {}
        self._unanswered = 0
        """Times in a row that nobody could be asked for a sample, though there was budget."""
        self._samples: list[Sample] = []
        self._holes: list[tuple[int, int, float]] = []
        self._touched: dict[SocketId, float] = {}
        """When each hole had its last packet, the longest ago first."""
        self._wanted = plan.holes
        self._said = 0
        self._tallied = False
        self._patience = FIRST_ANSWER

    def begin(self, *, now: float) -> None:
        """Ask for the sockets of the burst."""
        self._began = now
        self._to = easy_endpoint(self._desk)
        if self._to is None:
            self._desk.end("no_endpoint", "the other side named no endpoint that our holes could be opened to", now=now)
            return
        remote = self._desk.remote
        self._ttl = opening_ttl(self._desk.local) if remote.poisonable else 0
        self._desk.note(f"{self.name}: opening {self._script.count('H')} holes towards {self._to}", now=now)
        self._desk.wait("let_go", now + LONGEST)
        self._ask(len(self._script))

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """Use them; with fewer than asked for, go on with those."""
        self._mine += [each.socket for each in sockets]
        self._fresh += sockets
        self._asked = 0
        if not self._mine:
            self._desk.end("sockets", "not one more socket could be opened", now=now)
            return
        if not sockets:
            self._wanted = min(self._wanted, len(self._holes))
            self._script = self._script[: self._place + len(self._fresh)]
            self._burst = min(self._burst, len(self._script))
        self._push(now)

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """One more sample; with the last one the account is complete."""
        asked = self._asking.pop(via, None)
        if asked is None or seen.is_ipv6:
            return
        index, local, at = asked
        self._samples.append(Sample(index, at, local, seen.port, seen.host))
        self._patience = 2.0 * (now - sent) + 0.03
        self._await_samples(now)

    def heard(self, signal: Signal, *, now: float) -> None:
        """The easy side wants more holes."""
        if isinstance(signal, MoreHoles):
            self._grow(min(signal.count, LATE_HOLES), now)

    def due(self, name: str, *, now: float) -> None:
        """Go on with what waited."""
        if name == "push":
            self._push(now)
        elif name == "tally":
            self._tally(now)
        elif name == "again":
            self._account()
        elif name == "refresh":
            self._refresh(now)
        elif name == "let_go":
            self._desk.end("exhausted", f"{len(self._holes)} holes were open, none was found", now=now)

    def finish(self, *, now: float) -> None:
        """Close what is still ours."""
        for via in self._mine:
            self._desk.close(via)

    def _ask(self, count: int) -> None:
        if not self._asked and count > 0:
            self._asked = count
            self._desk.open(count, even=self._desk.local.parity is True)

    def _push(self, now: float) -> None:
        """Send what the script wants, as far as sockets and budget allow."""
        desk = self._desk
        room = desk.room(now=now) if self._fresh else 0.0
        while self._place < len(self._script) and self._fresh:
            if room < 1.0 or not self._use(self._fresh[0], self._script[self._place], now):
                ahead = min(4, len(self._script) - self._place)
                desk.wait("push", max(desk.room_at(ahead, now=now), now + PAUSE))
                return
            self._fresh.pop(0)
            self._place += 1
            room -= 1.0
        if self._place < len(self._script):
            self._ask(min(64, len(self._script) - self._place))
            return
        self._await_samples(now)
        if len(self._holes) > self._said and self._tallied:
            self._say_open()
        self._grow(self._wanted, now)

    def _use(self, fresh: Opened, what: str, now: float) -> bool:
        index, at = self._place, now - self._began
        if what == "S" and self._unanswered < NO_SERVICE:
            if not self._desk.sample(fresh.socket, now=now):
                self._unanswered += 1
                return False
            self._unanswered = 0
            self._asking[fresh.socket] = (index, fresh.local.port, at)
            return True
        assert self._to is not None
        if not self._desk.probe(fresh.socket, self._to, now=now, ttl=self._ttl):
            return False
        self._holes.append((index, fresh.local.port, at))
        self._touched[fresh.socket] = now
        if len(self._touched) == 1:
            self._desk.wait("refresh", now + self._interval)
        if self._tallied and len(self._holes) >= self._said + FIRST_HOLES:
            self._say_open()
        return True

    def _await_samples(self, now: float) -> None:
        """The account is complete when the last answer is in; a lost one is waited for twice another's way."""
        if self._tallied or self._place < self._burst:
            return
        if not self._asking:
            self._tally(now)
        else:
            last = self._began + max(at for _, _, at in self._asking.values())
            self._desk.wait("tally", max(now, last + self._patience))

    def _tally(self, now: float) -> None:
        """All answers are in, or waited for long enough: say so, and open what the posterior wants."""
        if self._tallied:
            return
        self._tallied = True
        self._desk.wait("tally", inf)
        self._account()
        self._desk.wait("again", now + AGAIN)
        pool = self._pool()
        weights = pool.weights()
        self._desk.note(f"{self.name}: {len(self._samples)} samples, {believed(weights)}", now=now)
        expected = self._desk.local.allocation
        if self._round == self._plan.first_round and weights.get(expected, 1.0) < 0.5 and self._plan.uniform_ports == 0:
            self._once_more(now)
        else:
            self._grow(max(self._plan.holes, self._suited(weights, pool)), now)

    def _suited(self, weights: dict[str, float], pool: Pool) -> int:
        """Holes in all that what is believed asks for: a ranking has enough, and chance alone is the birthday's."""
        if self._plan.uniform_ports and max(pool.shares.values()) < SPREAD:
            return LATE_HOLES
        if weights["block"] > 0.3 or self._plan.uniform_ports:
            return pool.holes_wanted()
        return 0

    def _once_more(self, now: float) -> None:
        """The samples contradict detection: a full burst, its samples and holes added to the first's."""
        self._round, self._tallied = self._round + 1, False
        self._script += FULL
        self._burst = len(self._script)
        self._desk.note(f"{self.name}: not what detection saw; nine more samples", now=now)
        self._ask(len(self._script) - self._place)
        self._desk.wait("push", now)

    def _pool(self) -> Pool:
        desk = self._desk
        hosts = [sample.host for sample in self._samples] or [desk.local.hosts[0] if desk.local.hosts else ""]
        host = max(dict.fromkeys(hosts), key=hosts.count)
        return Pool(self._samples, self._holes, [host], profile=self._plan.view(desk.local), entropy=desk.entropy)

    def _account(self) -> None:
        desk = self._desk
        self._said = len(self._holes)
        samples = tuple(sorted(self._samples, key=lambda sample: sample.index))
        desk.say(Sampled(desk.attempt, self._round, samples[:64], tuple(self._holes)))

    def _say_open(self) -> None:
        self._said = len(self._holes)
        self._desk.say(HolesOpen(self._desk.attempt, self._round, self._said, self._interval))

    def _grow(self, wanted: int, now: float) -> None:
        """Let there be so many holes in all."""
        self._wanted = max(self._wanted, wanted)
        planned = len(self._holes) + self._script.count("H", self._place)
        if self._wanted > planned and self._place >= len(self._script):
            self._script += "H" * min(FIRST_HOLES, self._wanted - planned)
            self._ask(len(self._script) - self._place - len(self._fresh))
            if self._fresh:
                self._push(now)

    @property
    def _interval(self) -> float:
        lifetime = self._desk.local.lifetime
        return REFRESH if lifetime is None else max(2.0, min(REFRESH, REFRESH_SHARE * lifetime))

    def _refresh(self, now: float) -> None:
        """Keep the holes whose time has come, the longest untouched first."""
        while self._touched:
            via, at = next(iter(self._touched.items()))
            if at + self._interval > now:
                self._desk.wait("refresh", at + self._interval)
                return
            assert self._to is not None
            if not self._desk.probe(via, self._to, now=now, ttl=self._ttl):
                self._desk.wait("refresh", max(self._desk.room_at(1, now=now), now + 0.05))
                return
            del self._touched[via]
            self._touched[via] = now
