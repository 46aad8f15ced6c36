"""The clock, the hosts, and what a test does to them; time jumps to the next thing that happens.

with World(seed=1) as world:                 a failing test ends with the diagram of what happened
    world.add("ann", ann, "198.51.100.1")
    world.add("bob", bob, "203.0.113.9", link=Link(delay=0.04, loss=0.1))
    world.run_until(lambda: bob.met, within=5.0)
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from math import inf
from types import TracebackType
from typing import Any, Self

from punch.sim.host import Datagram, Host
from punch.sim.journal import ARRIVED, Journal
from punch.sim.link import LONGEST_HEADERS, Link, Wire, packet_size
from punch.sim.network import Door, Network, Port, Router
from punch.sim.station import Station, sent_from

INTERNET = "internet"
WAN_LINK = Link(delay=0.01)
"""A good access line: 40 ms there and back between two of them."""
LAN_LINK = Link(delay=0.0002)
"""A cable at home."""
MAX_TURNS = 10_000
"""Turns without time passing after which somebody goes round in circles."""
OUTSIDER = "outsider"
"""Who sent what was injected, in the journal."""

Stop = Port[Station] | Door[Station]
"""Where a datagram stands next: before a host, or before a router."""
Tap = Callable[[Datagram], Datagram | list[Datagram] | None]


class Stuck(Exception):
    """A host asks to be woken again and again without letting time pass."""


class TooLate(AssertionError):
    """What a test waited for did not happen in time."""


class World:
    """Hosts and segments, from one seed. Hosts are named; times are seconds since the world began."""

    def __init__(
        self, *, seed: int | str, link: Link = WAN_LINK, hops: int = 0, journal: Journal | None = None
    ) -> None:
        """An internet alone; `hops`: routers across it that lower a TTL."""
        self.now = 0.0
        self.seed = seed
        self.journal = journal or Journal()
        self._entropy = self.dice("wires")
        self._networks: dict[str, Network[Station]] = {INTERNET: Network(INTERNET, link, hops)}
        self._stations: dict[str, Station] = {}
        self._between: dict[tuple[str, str], Wire] = {}
        self._blocked: set[tuple[str, str]] = set()
        self._taps: list[Tap] = []
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._alarms: list[tuple[float, int, Station]] = []
        self._touched: dict[Station, bool] = {}
        self._turns = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            error.add_note(f"world {self.seed}, at {self.now:.4f} s:\n{self.journal.mermaid()}")

    def dice(self, name: str) -> random.Random:
        """A generator of its own for a host: the same for the same seed and name."""
        return random.Random(f"{self.seed}/{name}")

    # --- topology

    def lan(
        self,
        name: str,
        *,
        router: Router | None = None,
        uplink: Link | None = None,
        upstream: str = INTERNET,
        link: Link = LAN_LINK,
        hops: int = 0,
    ) -> None:
        """Lay a segment; with a router it reaches `upstream` over an uplink that is `uplink` each way.

        `hops`: routers on the way across it that are not drawn.
        """
        network = self._networks[name] = Network(name, link, hops)
        if router is not None:
            above = self._networks[upstream]
            network.connect(above, router, uplink or above.link)

    def add(self, name: str, host: Host, *addresses: str, network: str = INTERNET, link: Link | None = None) -> None:
        """Put a host in the world, plugged into `network` at `addresses`.

        Raises:
            ValueError: the name or an address is taken.
        """
        if name in self._stations:
            raise ValueError(f"{name} is in the world")
        self._stations[name] = Station(name, host)
        for address in addresses:
            self.attach(name, address, network=network, link=link)

    def attach(self, name: str, address: str, *, network: str = INTERNET, link: Link | None = None) -> None:
        """Plug a host into a segment at one more address; `link`: what its wires are like, each way."""
        segment = self._networks[network]
        self._stations[name].plug(segment, address, link or segment.link)

    def detach(self, name: str, address: str) -> None:
        """Take an address from a host; what is on its way there is lost."""
        self._stations[name].unplug(address)

    def addresses(self, name: str) -> list[str]:
        """Where a host is plugged in, in the order it was."""
        return list(self._stations[name].ports)

    def between(self, a: str, b: str, link: Link | None) -> None:
        """What datagrams from `a` to `b` on one segment cross, in place of both hosts' wires; None: those again."""
        self._between.pop((a, b), None)
        if link is not None:
            self._between[a, b] = Wire(link)

    def relink(self, name: str, link: Link) -> None:
        """Change every wire of a host from now on: its loss, say."""
        for port in self._stations[name].ports.values():
            port.up.link = link
            port.down.link = link

    # --- faults

    def block(self, a: str, b: str) -> None:
        """Drop what `a` sends to `b`; the other direction stays."""
        self._blocked.add((a, b))

    def unblock(self, a: str, b: str) -> None:
        """Let `a` reach `b` again."""
        self._blocked.discard((a, b))

    def cut(self, a: str, b: str) -> None:
        """Drop everything between two hosts."""
        self.block(a, b)
        self.block(b, a)

    def heal(self, a: str, b: str) -> None:
        """Let two hosts reach each other again."""
        self.unblock(a, b)
        self.unblock(b, a)

    def unplug(self, name: str) -> None:
        """Pull a host's cables: it keeps its addresses and hears nothing."""
        self._stations[name].online = False

    def replug(self, name: str) -> None:
        """Put them back."""
        self._stations[name].online = True

    def remove(self, name: str) -> Host:
        """Crash a host: it says nothing any more; what it sent is still on its way."""
        station = self._stations.pop(name)
        for address in list(station.ports):
            station.unplug(address)
        station.alarm = None
        self._touched.pop(station, None)
        return station.host

    def sleep(self, name: str, *, keeps: int = 0) -> None:
        """Stop a host as SIGSTOP or a closed lid does; `keeps` datagrams wait for it, the rest are lost."""
        station = self._stations[name]
        station.asleep, station.keeps, station.alarm = True, keeps, None
        self._touched.pop(station, None)

    def wake(self, name: str) -> None:
        """Let it go on, at a time much later than it thinks."""
        self._stations[name].wake(now=self.now)

    def tap(self, tap: Tap) -> None:
        """Show every datagram to `tap` as it leaves its host: it may change, drop, repeat or keep it."""
        self._taps.append(tap)

    def untap(self, tap: Tap) -> None:
        """Stop showing datagrams to `tap`."""
        self._taps.remove(tap)

    def inject(self, datagram: Datagram, *, network: str = INTERNET) -> None:
        """Send a datagram that no host sent: its source may be anybody's."""
        segment = self._networks[network]
        self._send(OUTSIDER, segment.towards(datagram.to.host), datagram, None)

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Call `action` at that time; it may tell any host anything."""

        def act() -> None:
            action()
            self._look_around()

        self._push(when, act)

    # --- time

    def run(self, *, until: float, told: Iterable[str] | None = None) -> None:
        """Let time pass up to `until`; `told`: the hosts that were told something meanwhile, None: any may have been.

        Raises:
            Stuck: a host keeps the clock from going on.
        """
        if told is None:
            self._look_around()
        else:
            for name in told:
                if (station := self._stations.get(name)) is not None:
                    self._touched.setdefault(station, False)
        while self._turn(until):
            pass
        self.now = max(self.now, until)

    def run_for(self, seconds: float) -> None:
        """Let so much time pass."""
        self.run(until=self.now + seconds)

    def run_until(self, happened: Callable[[], bool], *, within: float) -> float:
        """Let time pass until something happened; how long it took.

        Raises:
            TooLate: it did not happen within so many seconds.
            Stuck: a host keeps the clock from going on.
        """
        began = self.now
        self._look_around()
        while not happened():
            if not self._turn(began + within):
                self.now = began + within
                raise TooLate(f"not within {within} s")
        return self.now - began

    def _turn(self, until: float) -> bool:
        """Tend whom something happened to, then go to the next moment; False: nothing is due up to `until`."""
        touched, self._touched = self._touched, {}
        for station, rang in touched.items():
            self._tend(station, rang)
        due, alarm = self._due, self._next_alarm()
        moment = due[0][0] if due and due[0][0] < alarm else alarm
        if moment > until:
            return False
        self._go_to(moment)
        while due and due[0][0] <= moment:
            _, _, action, subject = heapq.heappop(due)
            action(*subject)
        while alarm <= moment and self._next_alarm() <= moment:
            station = heapq.heappop(self._alarms)[2]
            station.alarm = None
            self._touched[station] = True
        return True

    def _go_to(self, moment: float) -> None:
        if moment > self.now:
            self.now, self._turns = moment, 0
            return
        self._turns += 1
        if self._turns > MAX_TURNS:
            busy = [station.name for _, _, station in self._alarms if station.alarm is not None]
            raise Stuck(f"time stands still at {self.now} s; woken next: {', '.join(busy[:3])}")

    def _next_alarm(self) -> float:
        """The earliest deadline that still stands."""
        while self._alarms:
            at, _, station = self._alarms[0]
            if station.alarm == at:
                return at
            heapq.heappop(self._alarms)
        return inf

    def _tend(self, station: Station, rang: bool) -> None:
        """Let a host do what is due, take what it sends, and note when it wants to be woken."""
        if station.asleep:
            return
        host = station.host
        if rang:
            host.handle_timeout(now=self.now)
        for datagram in host.outgoing():
            self._launch(station, datagram)
        timeout = host.next_timeout()
        if timeout != station.alarm:
            station.alarm = timeout
            if timeout is not None:
                heapq.heappush(self._alarms, (timeout, next(self._order), station))

    def _look_around(self) -> None:
        """Somebody outside may have told any host anything."""
        for station in self._stations.values():
            self._touched.setdefault(station, False)

    def _push(self, at: float, action: Callable[..., None], *subject: Any) -> None:
        heapq.heappush(self._due, (at, next(self._order), action, subject))

    # --- datagrams

    def _launch(self, station: Station, datagram: Datagram) -> None:
        port = station.port_for(datagram.source.host, datagram.to.host)
        if port is None or not station.online:
            self._lose(station.name, None, datagram, "no_route" if port is None else "unplugged")
            return
        sent, network = sent_from(port, datagram), port.network
        for each in self._tapped(station.name, sent) if self._taps else (sent,):
            if each.ttl and network.hops:
                each = each.travelled(network.hops)
                if each.ttl <= 0:
                    self._lose(station.name, None, each, "ttl")
                    continue
            self._send(station.name, network.towards(each.to.host), each, port.up)

    def _tapped(self, origin: str, datagram: Datagram) -> list[Datagram]:
        datagrams = [datagram]
        for tap in self._taps:
            results = [(each, tap(each)) for each in datagrams]
            datagrams = []
            for before, after in results:
                if after is None:
                    self._lose(origin, None, before, "tapped")
                else:
                    datagrams += after if isinstance(after, list) else [after]
        return datagrams

    def _send(self, origin: str, stop: Stop | None, datagram: Datagram, up: Wire | None) -> None:
        """Put a datagram on the wire `up`, on its way to a port or through a router's door."""
        if stop is None:
            self._lose(origin, None, datagram, "no_route")
            return
        down = stop.down
        if (self._blocked or self._between) and isinstance(stop, Port):
            pair = (origin, stop.owner.name)
            if pair in self._blocked:
                self._lose(origin, stop, datagram, "blocked")
                return
            if (own := self._between.get(pair)) is not None:
                up, down = own, None
        size, arrival = len(datagram.payload) + LONGEST_HEADERS, self.now
        if (up is None or size <= up.steady) and (down is None or size <= down.steady):
            if up is not None:
                arrival += up.delay
            if down is not None:
                arrival += down.delay
            reached = self._pass if isinstance(stop, Door) else self._arrive
            heapq.heappush(self._due, (arrival, next(self._order), reached, (origin, stop, datagram)))
            return
        for at in self._carry(origin, stop, datagram, up, self.now):
            if down is None:
                self._push(at, self._arrive, origin, stop, datagram)
            elif down.patient:
                self._descend(origin, stop, datagram, down, at)
            else:
                self._push(at, self._descend, origin, stop, datagram, down, at)

    def _descend(self, origin: str, stop: Stop, datagram: Datagram, down: Wire, at: float) -> None:
        """Put it on the wire down at `at`; wires that mind the order are given theirs when that moment is now."""
        for arrival in self._carry(origin, stop, datagram, down, at):
            self._push(arrival, self._arrive, origin, stop, datagram)

    def _carry(self, origin: str, stop: Stop, datagram: Datagram, wire: Wire | None, at: float) -> tuple[float, ...]:
        if wire is None:
            return (at,)
        size = packet_size(datagram.payload, ipv6=datagram.to.is_ipv6)
        arrivals = wire.carry(size, self._entropy, now=at)
        if isinstance(arrivals, str):
            self._lose(origin, stop, datagram, arrivals)
            return ()
        return arrivals

    def _arrive(self, origin: str, stop: Stop, datagram: Datagram) -> None:
        if isinstance(stop, Door):
            self._pass(origin, stop, datagram)
            return
        port = stop.network.port(stop.address)
        if port is None or not port.owner.online:
            self._lose(origin, stop, datagram, "gone" if port is None else "unplugged")
        elif not port.owner.has_room():
            self._lose(origin, port, datagram, "asleep")
        else:
            station = port.owner
            self.journal.note(self.now, origin, station.name, datagram, ARRIVED)
            station.take(datagram, now=self.now)
            self._touched.setdefault(station, False)

    def _pass(self, origin: str, door: Door[Station], datagram: Datagram) -> None:
        dying = datagram.ttl == 1 and not door.inward
        passed = None if dying else door.pass_on(datagram, now=self.now)
        if passed is None:
            self._lose(origin, door, datagram, "ttl" if dying else "router")
            return
        beyond, to = door.beyond, passed.to.host
        if passed.ttl:
            passed = passed.travelled(1 + beyond.hops)
            if passed.ttl <= 0:
                self._lose(origin, door, datagram, "ttl")
                return
        self._send(origin, beyond.inside(to) if door.inward else beyond.towards(to), passed, door.up)

    def _lose(self, origin: str, stop: Stop | None, datagram: Datagram, why: str) -> None:
        to = stop.owner.name if isinstance(stop, Port) else datagram.to
        self.journal.note(self.now, origin, to, datagram, why)
