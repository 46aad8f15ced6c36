"""The two sides of a search for a hard side's holes; `sandwich`, `block` and `birthday` are plans of it.

    hard side                                              easy side
    fresh sockets in one burst:  S HHHH S HHHH S           (birthday: probes at once, by the profile alone)
      S asks a STUN service, H probes the easy side
    Sampled(samples, holes)                         --->   posterior, then always the likeliest port,
    as many more holes as the posterior wants              a few at a time as the budget allows
    HolesOpen(count)                                --->
                                                    <---   MoreHoles(count) if its misses say so
    every hole again before it expires                     the end: too many misses for bad luck

Both orders count: a probe through an open hole, and a hole's packet through the filter that an earlier probe of that
port opened on the easy side. So m holes and k probes are m x k chances from the first second on, whichever came
first, and both sides spend alike.
"""

from __future__ import annotations

from math import inf

from msgspec import Struct

from punch.predict import Pool
from punch.predict.posterior import FIRST_HOLES, MOST_HOLES
from punch.signals import HolesOpen, MoreHoles, Sample, Sampled, Signal
from punch.strategies.desk import Desk, Opened
from punch.strategies.low_ttl import opening_ttl
from punch.values import Endpoint, NatProfile, SocketId, udp

REFRESH = 8.0
"""Seconds between two packets of a hole (nat-science 2), where its lifetime allows."""
REFRESH_SHARE = 0.4
"""Of a known lifetime."""
FIRST_ANSWER = 0.5
"""Seconds the samples' answers are waited for; twice the first one's way once it is known."""
AGAIN = 0.7
"""Seconds after which the account of the samples is said once more: signals may be lost."""
SILENT = 12.0
"""Seconds without a word of the hard side."""
LONGEST = 90.0
"""Seconds after which the hard side lets go by itself."""
HANDFUL, BREATH = 8, 0.006
"""Ports at once, and the seconds after them: 10 ports in 5 ms are a scan to some firewalls (nat-science 5.6)."""
LAST_ANSWER = 0.4
"""Seconds after the last probe in which an answer may still come."""
FAINT = 0.02
"""Chance of the likeliest port below which a search that looks uniform is the birthday's."""
REFUSED = 40
"""Refusals without one probe sent after which a search is given up."""


class Plan(Struct, frozen=True, kw_only=True):
    """What tells one search from another."""

    name: str
    script: str
    """S and H: what the hard side's fresh sockets do, in this order, in one burst."""
    ports: int
    """Most ports the easy side tries while the ranking holds."""
    block_ports: int
    """The same while a block is believed."""
    uniform_ports: int
    """The same while nothing but chance is left; 0: then this search ends."""
    holes: int = 0
    """Holes opened whatever the samples say; 0: as many as the posterior wants."""
    ahead: bool = False
    """The easy side begins by the profile alone."""


def script(profile: NatProfile) -> str:
    """The burst that suits what detection knows (nat-science 4.3: 3 samples do for a counter, 9 for anything)."""
    quiet = profile.foreign is not None and profile.foreign < 20.0
    if profile.allocation == "preserving":
        return "SHHHH"
    if profile.allocation == "sequential":
        return "SHHHHSHHHS" if quiet else "SHHHSHHHSHHHS"
    if profile.allocation == "block":
        return "SSS" + "H" * FIRST_HOLES
    if profile.allocation == "uniform":
        return "SS" + "H" * FIRST_HOLES
    return FULL


FULL = "SHHH" * 8 + "S"
"""Nine samples, 24 holes: for what is not known."""


def easy_endpoint(desk: Desk) -> Endpoint | None:
    """Where the easy side's main socket is met, as the hard side sees it."""
    if desk.remote.reflexive is not None and not desk.remote.reflexive.is_ipv6:
        return desk.remote.reflexive
    for kind in ("stun", "portmap", "given", "public"):
        for candidate in desk.candidates:
            if candidate.kind == kind and not candidate.endpoint.is_ipv6:
                return candidate.endpoint
    return None


class HardSide:
    """Opens holes, says where they may be, keeps them open."""

    def __init__(self, desk: Desk, plan: Plan) -> None:
        self.name = plan.name
        self._desk = desk
        self._plan = plan
        self._began = 0.0
        self._round = 1
        self._script = plan.script
        self._place = 0
        self._fresh: list[Opened] = []
        self._asked = 0
        """Sockets asked for and not come yet."""
        self._mine: list[SocketId] = []
        self._asking: dict[SocketId, tuple[int, int, float]] = {}
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
        if not sockets:
            self._wanted = min(self._wanted, len(self._holes))
            self._script = self._script[: self._place]
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
            self._grow(min(signal.count, MOST_HOLES), now)

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
        while self._place < len(self._script) and self._fresh:
            if desk.room(now=now) < 1.0 or not self._use(self._fresh[0], self._script[self._place], now):
                ahead = min(4, len(self._script) - self._place)
                desk.wait("push", max(desk.room_at(ahead, now=now), now + 0.02))
                return
            self._fresh.pop(0)
            self._place += 1
        if self._place < len(self._script):
            self._ask(min(64, len(self._script) - self._place))
            return
        self._await_samples(now)
        if len(self._holes) > self._said and self._tallied:
            self._say_open()
        self._grow(self._wanted, now)

    def _use(self, fresh: Opened, what: str, now: float) -> bool:
        index, at = self._place, now - self._began
        if what == "S":
            if not self._desk.sample(fresh.socket, now=now):
                return False
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
        if self._tallied or "S" in self._script[self._place :]:
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
        if self._round == 1 and weights.get(expected, 1.0) < 0.5 and self._plan.uniform_ports == 0:
            self._once_more(now)
        else:
            self._grow(max(self._plan.holes, self._suited(weights, pool)), now)

    def _suited(self, weights: dict[str, float], pool: Pool) -> int:
        """Holes in all that what is believed asks for: a ranking has enough, and chance alone is the birthday's."""
        if weights["block"] > 0.3 or self._plan.uniform_ports:
            return pool.holes_wanted()
        return 0

    def _once_more(self, now: float) -> None:
        """The samples contradict detection: a full burst, its samples and holes added to the first's."""
        self._round, self._tallied = 2, False
        self._script += FULL
        self._desk.note(f"{self.name}: not what detection saw; nine more samples", now=now)
        self._ask(len(self._script) - self._place)
        self._desk.wait("push", now)

    def _pool(self) -> Pool:
        desk = self._desk
        hosts = [sample.host for sample in self._samples] or [desk.local.hosts[0] if desk.local.hosts else ""]
        host = max(dict.fromkeys(hosts), key=hosts.count)
        return Pool(self._samples, self._holes, [host], profile=desk.local, entropy=desk.entropy)

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
            if not self._desk.probe(via, self._to, now=now, ttl=self._ttl, again=True):
                self._desk.wait("refresh", max(self._desk.room_at(1, now=now), now + 0.05))
                return
            del self._touched[via]
            self._touched[via] = now


class EasySide:
    """Probes the likeliest port, again and again."""

    def __init__(self, desk: Desk, plan: Plan) -> None:
        self.name = plan.name
        self._desk = desk
        self._plan = plan
        self._pool: Pool | None = None
        self._heard: Sampled | None = None
        self._open = 0
        """Holes the hard side spoke of."""
        self._asked = 0
        self._tried: list[tuple[str, int]] = []
        self._held: tuple[str, int] | None = None
        """Drawn and not sent yet."""
        self._refused = 0
        self._going = False
        self._ended = False

    def begin(self, *, now: float) -> None:
        """Search, or wait for the samples."""
        self._going = True
        self._desk.note(f"{self.name}: they are symmetric; we search for their port", now=now)
        if self._plan.ahead and self._heard is None:
            self._open = max(self._open, FIRST_HOLES)
            self._build(now)
        elif self._heard is not None:
            self._build(now)
        else:
            self._desk.wait("silent", now + SILENT)

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """No sockets are asked for."""

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """Nothing is sampled."""

    def heard(self, signal: Signal, *, now: float) -> None:
        """Samples to search by, or more holes to be found."""
        if isinstance(signal, Sampled) and (self._heard is None or signal.round > self._heard.round):
            self._heard = signal
            self._open = max(self._open, len(signal.holes))
            if self._going:
                self._desk.wait("silent", inf)
                self._build(now)
        elif isinstance(signal, HolesOpen) and signal.count > self._open:
            if self._pool is not None:
                self._pool.open_more(signal.count - self._open)
            self._open = signal.count

    def due(self, name: str, *, now: float) -> None:
        """The next ports, or the end."""
        if name == "probe":
            self._probe(now)
        elif name == "silent":
            self._desk.end("silent", "the other side says nothing of its holes", now=now)
        elif name == "end":
            self._desk.end(*self._why, now=now)

    def finish(self, *, now: float) -> None:
        """Nothing is open here."""

    def _build(self, now: float) -> None:
        """Weigh what is known, with all ports tried so far as misses."""
        desk, heard = self._desk, self._heard
        samples, holes = ((), ()) if heard is None else (heard.samples, heard.holes)
        host = desk.remote_host or (samples[0].host if samples else "")
        pool = Pool(samples, holes, [host], profile=desk.remote, entropy=desk.entropy)
        pool.open_more(self._open - len(holes))
        for tried in self._tried:
            pool.missed(*tried)
        self._pool, self._held = pool, None
        weights = pool.weights()
        desk.plan(self._bound(weights))
        desk.note(f"{self.name}: {len(samples)} samples of theirs, {believed(weights)}", now=now)
        self._probe(now)

    def _bound(self, weights: dict[str, float]) -> int:
        plan = self._plan
        if weights["uniform"] > 0.5 and plan.uniform_ports:
            return plan.uniform_ports
        return plan.block_ports if weights["block"] + weights["cluster"] > 0.3 else plan.ports

    def _probe(self, now: float) -> None:
        """Send a handful, then breathe."""
        desk, pool = self._desk, self._pool
        if pool is None or self._ended:
            return
        for _ in range(HANDFUL):
            if self._is_over(pool, now):
                return
            if self._held is None:
                found = pool.next()
                if found is None:
                    self._finish("exhausted", "every port that could be it was tried", now)
                    return
                self._held = found[0], found[1]
                if found[2] < FAINT and not self._plan.uniform_ports and pool.weights()["uniform"] > 0.5:
                    self._finish("exhausted", f"{len(self._tried)} ports tried, nothing but chance is left", now)
                    return
            if desk.room(now=now) < 1.0 or not self._send(now):
                desk.wait("probe", max(desk.room_at(3, now=now), now + 0.01 * (1 + self._refused)))
                return
        desk.wait("probe", now + BREATH)

    def _send(self, now: float) -> bool:
        assert self._held is not None
        if not self._desk.probe(self._desk.main, udp(*self._held), now=now):
            self._refused += 1
            return False
        self._tried.append(self._held)
        self._held, self._refused = None, 0
        return True

    def _is_over(self, pool: Pool, now: float) -> bool:
        """Whether to stop; now and then also whether more holes are wanted."""
        count = len(self._tried)
        if self._refused >= REFUSED:
            self._finish("refused", "nothing may be sent there, or there is no budget for it", now)
        elif pool.exhausted:
            self._finish("exhausted", f"{count} ports tried: no bad luck any more; blocked, or no model fits", now)
        elif count % HANDFUL == 0 and self._held is None:
            weights = pool.weights()
            if count >= self._bound(weights):
                self._finish("exhausted", f"{count} ports tried, {believed(weights)}", now)
            elif (wanted := pool.holes_wanted()) > max(self._open, self._asked) and count:
                self._asked = wanted
                self._desk.say(MoreHoles(self._desk.attempt, wanted))
        return self._ended

    def _finish(self, reason: str, text: str, now: float) -> None:
        self._ended = True
        self._why = (reason, text)
        self._desk.wait("probe", inf)
        self._desk.wait("end", now + (LAST_ANSWER if self._tried else 0.0))


def believed(weights: dict[str, float]) -> str:
    """What a person reads: `looks sequential (97 %)`."""
    family = max(weights, key=weights.__getitem__)
    return f"looks {family} ({100.0 * weights[family]:.0f} %)"


class Search:
    """A plan, on one side."""

    def __init__(self, desk: Desk, plan: Plan, hard: bool) -> None:
        self.name = plan.name
        self._side: HardSide | EasySide = HardSide(desk, plan) if hard else EasySide(desk, plan)

    def begin(self, *, now: float) -> None:
        """See `Strategy`."""
        self._side.begin(now=now)

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """See `Strategy`."""
        self._side.opened(request, sockets, now=now)

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """See `Strategy`."""
        self._side.sampled(via, seen, sent, now=now)

    def heard(self, signal: Signal, *, now: float) -> None:
        """See `Strategy`."""
        self._side.heard(signal, now=now)

    def due(self, name: str, *, now: float) -> None:
        """See `Strategy`."""
        self._side.due(name, now=now)

    def finish(self, *, now: float) -> None:
        """See `Strategy`."""
        self._side.finish(now=now)
