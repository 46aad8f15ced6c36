"""The same node over a memory plane and a memory TUN: a host of a world in virtual time.

world --receive--> memory plane --data--> memory TUN
                        |---other frames--> node --commands--> plane, outgoing
"""

from __future__ import annotations

import contextlib
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from overlay.dataplane import port
from overlay.dataplane.abi import VNET
from overlay.dataplane.memory import MemoryPlane
from overlay.errors import OverlayError
from overlay.node import facts as told
from overlay.node.commands import Configure, Resolve, SendBeacon, StoreAddress, StorePeers, StoreTickets
from overlay.node.core import Node
from overlay.node.events import Event
from overlay.node.setup import Setup
from overlay.node.snapshot import Snapshot
from overlay.shell.names import numeric
from overlay.shell.pace import Pace
from overlay.tun.memory import MemoryTun
from punch.commands import CloseSocket, OpenSockets, SendDatagram
from punch.facts import Role
from punch.sim.host import Datagram
from punch.values import Endpoint, SocketId, parse_endpoint, udp

V4, V6 = SocketId(1), SocketId(2)
ABOVE4, ABOVE6 = SocketId(3), SocketId(4)
"""PORT + 1."""
FIRST_FRESH = 5
FRESH_PORTS = (32768, 60999)
"""Where a kernel takes fresh ports from (ip(7), ip_local_port_range)."""
FILES = 1024
"""Sockets the engine may have open at once, unless a test says less."""
EMPTY: dict[str, Any] = {
    "ipv4": None,
    "sequence": 0,
    "records": (),
    "endpoints": (),
    "holders": (),
    "tickets": (),
}
"""What a fresh disk remembers."""


def remembered(memory: dict[str, Any]) -> dict[str, Any]:
    """The fields of Setup that come from a disk; endpoints that are none are left out, as `storage` does."""
    return {
        "remembered_ipv4": memory["ipv4"],
        "sequence": memory["sequence"],
        "records": tuple(memory["records"]),
        "endpoints": tuple(_read(memory["endpoints"])),
        "holders": tuple(memory["holders"]),
        "tickets": tuple(memory["tickets"]),
    }


def _read(endpoints: Iterable[str]) -> Iterator[Endpoint]:
    for text in endpoints:
        with contextlib.suppress(ValueError):
            yield parse_endpoint(text)


class VirtualNode:
    """A whole node as a `punch.sim` host."""

    def __init__(
        self,
        setup: Setup,
        addresses: tuple[tuple[str, int, str], ...],
        *,
        keygen: Callable[[int], bytes],
        entropy: Any,
        resolver: dict[str, tuple[Endpoint, ...]] | None = None,
        files: int = FILES,
        gateway: str = "",
        now: float,
    ) -> None:
        """`addresses` and `gateway` as in AddressesChanged; `resolver` answers for names, numeric ones need none;
        `files`: sockets the engine may have open at once."""
        self.tun = MemoryTun()
        self.seen: list[Event] = []
        """All events, oldest first."""
        self.memory: dict[str, Any] = dict(EMPTY)
        """What a real node would write to its disk."""
        self.disk = dict(self.memory)
        """What is on it: written each second, as in `shell.loop`."""
        self.memory["tickets"] = setup.tickets
        self._now = now
        self._out: deque[Datagram] = deque()
        self._resolver = resolver if resolver is not None else {}
        self._pace = Pace(now)
        self._locals = {
            V4: udp("0.0.0.0", setup.port),
            V6: udp("::", setup.port),
            ABOVE4: udp("0.0.0.0", setup.port + 1),
            ABOVE6: udp("::", setup.port + 1),
        }
        self._by_port = {(local.is_ipv6, local.port): via for via, local in self._locals.items()}
        self._ports = random.Random(setup.boot)
        self._next_id = FIRST_FRESH
        self._files = files
        self._do = self._doings()
        self.plane = MemoryPlane(
            self.tun, send=self._send, receive=self._frame, tell=self._fact, clock=lambda: self._now
        )
        self.node = Node(setup, keygen=keygen, entropy=entropy, now=now)
        for socket, local in self._locals.items():
            role: Role = "alternate" if socket in (ABOVE4, ABOVE6) else "main"
            self.node.tell(told.SocketOpened(socket, local, role=role), now=now)
        self.tell(told.AddressesChanged(addresses, gateway), now=now)

    def _doings(self) -> dict[type, Callable[[Any], None]]:
        """Who does what."""
        return {
            SendDatagram: lambda c: self._send(c.via, c.to, c.payload, c.ttl),
            OpenSockets: self._open,
            CloseSocket: lambda c: self._close(c.socket),
            Resolve: self._resolve,
            Configure: lambda c: self.tun.configure(c.ipv4, c.ipv6),
            StorePeers: lambda c: self.memory.update(records=c.records, endpoints=c.endpoints, holders=c.holders),
            StoreTickets: self._remember_tickets,
            SendBeacon: lambda c: None,  # links of a world have no groups
            StoreAddress: lambda c: self.memory.update(ipv4=c.ipv4 or None, sequence=c.sequence),
        }

    # --- the host's verbs ---

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """A datagram came; one to another port than ours is nobody's."""
        self._awake(now)
        via = self._by_port.get((to.is_ipv6, to.port))
        if via is None:
            return
        if via in (ABOVE4, ABOVE6):
            self._frame(payload, source, via)
        else:
            self.plane.datagram(payload, source, via)
        self._settle()

    def next_timeout(self) -> float | None:
        """The node's next moment, or the next look at its plane."""
        at = self.node.next_timeout()
        return self._pace.next if at is None else min(at, self._pace.next)

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        self._awake(now)
        at = self.node.next_timeout()
        if at is not None and at <= now:
            self.node.handle_timeout(now=now)
        if now >= self._pace.next:
            self._look(now)
        self._settle()

    def _awake(self, now: float) -> None:
        """The node hears first that its host slept."""
        self._now = now
        if self._pace.slept(now):
            self._pace.busy(now)
            self.node.tell(told.Woke(), now=now)

    def _look(self, now: float) -> None:
        """At the plane, at the pace of `shell.loop`."""
        full = self._pace.look(now)
        pulses = self.plane.pulses(self._pace.since(now))
        if pulses:
            self._pace.busy(now)
        if full:
            self.node.tell(told.CountersPulled(self.plane.counters()), now=now)
        elif pulses:
            self.node.tell(told.Pulsed(pulses), now=now)

    def outgoing(self) -> Iterator[Datagram]:
        """Drain what goes to the network."""
        while self._out:
            yield self._out.popleft()

    # --- what a test does to it ---

    def tell(self, fact: told.Fact, *, now: float) -> None:
        """Hand the node a fact, and settle."""
        self._now = now
        self.node.tell(fact, now=now)
        self._settle()

    def send(self, packet: bytes, *, now: float) -> None:
        """An application on this host sends an IP packet into the TUN."""
        self._now = now
        self.tun.put(packet)
        self.plane.poll_tun()
        self._settle()

    def received(self) -> list[bytes]:
        """IP packets that came out of the TUN since last asked."""
        records = [self.tun.taken.popleft() for _ in range(len(self.tun.taken))]
        return [record[VNET:] for record in records]

    def snapshot(self, *, now: float) -> Snapshot:
        """What `status` shows."""
        self._now = now
        self.node.tell(told.CountersPulled(self.plane.counters()), now=now)
        self._settle()
        return self.node.snapshot(now=now)

    # --- between node and plane ---

    def _frame(self, payload: bytes, source: Endpoint, via: SocketId) -> None:
        self.node.receive(payload, source, via=via, now=self._now)

    def _fact(self, fact: port.Fact) -> None:
        self.node.tell(fact, now=self._now)

    def _send(self, via: SocketId, to: Endpoint, payload: bytes, ttl: int = 0) -> None:
        local = self._locals.get(via)
        if local is not None and local.is_ipv6 == to.is_ipv6:
            self._out.append(Datagram(local, to, payload, ttl))

    @property
    def fresh(self) -> list[Endpoint]:
        """The sockets that the engine has open, or that ways took over."""
        return [local for via, local in self._locals.items() if via >= FIRST_FRESH]

    def _open(self, command: OpenSockets) -> None:
        for opened in range(command.count):
            port = self._free_port(command)
            if port is None or len(self.fresh) >= self._files:
                error = "EMFILE" if port is not None else "EADDRINUSE"
                self.node.tell(told.SocketFailed(command.request, command.count - opened, error), now=self._now)
                return
            via, local = SocketId(self._next_id), udp("::" if command.ipv6 else "0.0.0.0", port)
            self._next_id += 1
            self._locals[via] = local
            self._by_port[command.ipv6, port] = via
            self.node.tell(told.SocketOpened(via, local, command.request, "engine"), now=self._now)

    def _free_port(self, command: OpenSockets) -> int | None:
        """As a kernel chooses: a random one that is free; None: there is none, or it is taken."""
        if command.port:
            return None if (command.ipv6, command.port) in self._by_port else command.port
        low, high = FRESH_PORTS
        for _ in range(1000):
            port = self._ports.randint(low, high)
            if (command.ipv6, port) not in self._by_port and not (command.parity == "even" and port % 2):
                return port
        return None

    def _remember_tickets(self, command: StoreTickets) -> None:
        others = tuple(each for each in self.memory["tickets"] if each.peer != command.peer)
        self.memory["tickets"] = (*others, *command.tickets)

    def _close(self, via: SocketId) -> None:
        local = self._locals.pop(via, None)
        if local is not None:
            del self._by_port[local.is_ipv6, local.port]

    def _settle(self) -> None:
        for command in self.node.commands():
            act = self._do.get(type(command))
            if act is not None:
                act(command)
            else:
                self.plane.apply(cast(port.Command, command))
        self.seen += self.node.events()

    def _resolve(self, command: Resolve) -> None:
        known = self._resolver.get(command.address)
        if known is None:
            try:
                known = numeric(command.address) or ()
            except OverlayError:
                known = ()
        error = "" if known else "its name does not resolve"
        self.node.tell(told.Resolved(command.address, known, error), now=self._now)
