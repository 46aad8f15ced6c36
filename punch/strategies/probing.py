"""The easy side of a search: probes the likeliest port, again and again.

heard Sampled -> posterior -> a handful of probes, a breath, as the budget allows -> said MoreHoles, or the end
"""

from __future__ import annotations

from math import inf

from msgspec import structs

from punch.predict import Pool
from punch.predict.posterior import FIRST_HOLES, MOST_HOLES
from punch.signals import HolesOpen, MoreHoles, Sampled, Signal
from punch.strategies.desk import Desk, Opened
from punch.strategies.plan import LATE_HOLES, PAUSE, Plan, believed
from punch.values import Endpoint, SocketId, udp

SILENT = 12.0
"""Seconds without a word of the hard side."""
HANDFUL, BREATH = 8, 0.006
"""Ports at once, and the seconds after them: 10 ports in 5 ms are a scan to some firewalls (nat-science 5.6)."""
LAST_ANSWER = 0.4
"""Seconds after the last probe in which an answer may still come."""
STRIDE = 128
"""Holes that are asked for at once on top of the first."""
MOST_SPREAD = 2.0
"""So many times the ports of a search at most."""
FAINT = 0.02
"""Chance of the likeliest port below which a search that looks uniform is the birthday's."""
REFUSED = 40
"""Refusals without one probe sent after which a search is given up."""


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
        self._look_at = HANDFUL
        """Ports tried when the next look is taken at whether to go on."""
        self._going = False
        self._ended = False
        self._why = ("exhausted", "")

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
        if not isinstance(signal, Sampled | HolesOpen) or not 0 <= signal.round - self._plan.first_round < 10:
            return
        if isinstance(signal, Sampled) and (self._heard is None or signal.round > self._heard.round):
            self._heard = signal
            self._open = max(self._open, len(signal.holes))
            if self._going:
                self._desk.wait("silent", inf)
                self._build(now)
        elif isinstance(signal, HolesOpen) and signal.count > self._open:
            if self._pool is not None:
                self._pool.open_more(signal.count - self._open)
            first, self._open = not self._open, signal.count
            if first:
                self._desk.wait("silent", inf)
                self._probe(now)

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
        if all(sample.host != host for sample in samples):
            samples = tuple(structs.replace(sample, host=host) for sample in samples)
        reach = 1.0 / max(1, len(desk.local.hosts)) if desk.local.pooling == "arbitrary" else 1.0
        view = self._plan.view(desk.remote)
        pool = Pool(samples, holes, [host], profile=view, entropy=desk.entropy, reach=reach)
        pool.open_more(self._open - len(holes))
        for tried in self._tried:
            pool.missed(*tried)
        self._pool, self._held = pool, None
        weights = pool.weights()
        desk.plan(self._bound(pool, weights))
        desk.note(f"{self.name}: {len(samples)} samples of theirs, {believed(weights)}", now=now)
        self._probe(now)

    def _bound(self, pool: Pool, weights: dict[str, float]) -> int:
        """Ports at most; where holes are spread over several addresses, each address has to be searched."""
        plan = self._plan
        if weights["uniform"] > 0.5 and plan.uniform_ports:
            return round(plan.uniform_ports * min(MOST_SPREAD, 1.0 / max(pool.shares.values())))
        return plan.block_ports if weights["block"] + weights["cluster"] > 0.3 else plan.ports

    def _probe(self, now: float) -> None:
        """Send a handful, then breathe."""
        desk, pool = self._desk, self._pool
        if pool is None or self._ended:
            return
        if self._refused >= REFUSED:
            self._finish("refused", "nothing may be sent there, or there is no budget for it", now)
            return
        room = desk.room(now=now)
        for _ in range(HANDFUL):
            if self._held is None and not self._draw(pool, now):
                return
            if room < 1.0 or not self._send(now):
                soon = max(desk.room_at(3, now=now), now + PAUSE)
                desk.wait("probe", max(min(soon, desk.room_at(HANDFUL, now=now)), now + 0.01 * (1 + self._refused)))
                return
            room -= 1.0
        desk.wait("probe", now + BREATH)

    def _draw(self, pool: Pool, now: float) -> bool:
        """The next port; False: there is none, or the search is over."""
        if len(self._tried) >= self._look_at and self._is_over(pool, now):
            return False
        found = pool.next()
        if found is None and not self._open:
            self._desk.wait("silent", now + SILENT)
        elif found is None:
            self._finish("exhausted", "every port that could be it was tried", now)
        elif found[2] < FAINT and not self._plan.uniform_ports and pool.weights()["uniform"] > 0.5:
            self._finish("exhausted", f"{len(self._tried)} ports tried, nothing but chance is left", now)
        else:
            self._held = found[0], found[1]
        return self._held is not None

    def _send(self, now: float) -> bool:
        assert self._held is not None
        if self._desk.probe(self._desk.main, udp(*self._held), now=now):
            self._tried.append(self._held)
            self._held, self._refused = None, 0
            return True
        self._refused += 1
        return False

    def _is_over(self, pool: Pool, now: float) -> bool:
        """Whether to stop, after each handful; also whether more holes are wanted."""
        count = len(self._tried)
        self._look_at = count + HANDFUL
        weights = pool.weights()
        if pool.exhausted:
            self._finish("exhausted", f"{count} ports tried: no bad luck any more; blocked, or no model fits", now)
        elif count >= self._bound(pool, weights):
            self._finish("exhausted", f"{count} ports tried, {believed(weights)}", now)
        elif (wanted := self._wanted(pool, weights)) > max(self._open, self._asked):
            self._asked = wanted
            self._desk.say(MoreHoles(self._desk.attempt, wanted))
        return self._ended

    def _wanted(self, pool: Pool, weights: dict[str, float]) -> int:
        """Holes in all. A birthday that both sides' first 256 packets did not end does best with as many on both."""
        if weights["uniform"] > 0.5 and len(self._tried) >= MOST_HOLES:
            return min(LATE_HOLES, (len(self._tried) // STRIDE + 1) * STRIDE)
        return pool.holes_wanted()

    def _finish(self, reason: str, text: str, now: float) -> None:
        self._ended = True
        self._why = (reason, text)
        self._desk.wait("probe", inf)
        self._desk.wait("end", now + (LAST_ANSWER if self._tried else 0.0))
