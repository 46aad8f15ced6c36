"""The same node over a memory plane and a memory TUN: a host of a world in virtual time.

world --receive--> memory plane --data--> memory TUN
                        |---other frames--> node --commands--> plane, outgoing
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, cast

from overlay.dataplane import port
from overlay.dataplane.abi import VNET
from overlay.dataplane.memory import MemoryPlane
from overlay.errors import OverlayError
from overlay.node import facts as told
from overlay.node.commands import Configure, Resolve, StoreAddress, StorePeers
from overlay.node.core import Node
from overlay.node.events import Event
from overlay.node.setup import Setup
from overlay.node.snapshot import Snapshot
from overlay.shell.names import numeric
from overlay.tun.memory import MemoryTun
from punch.commands import SendDatagram
from punch.sim.host import Datagram
from punch.values import Endpoint, SocketId, udp

TICK = 1.0
"""Seconds between two pulls of the plane's counters, as in `shell.loop`."""
V4, V6 = SocketId(1), SocketId(2)


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
        now: float,
    ) -> None:
        """`addresses` as in AddressesChanged; `resolver` answers for names, numeric ones need none."""
        self.tun = MemoryTun()
        self.seen: list[Event] = []
        """All events, oldest first."""
        self.memory: dict[str, Any] = {"ipv4": None, "sequence": 0, "records": (), "endpoints": ()}
        """What a real node would have on disk."""
        self._now = now
        self._out: deque[Datagram] = deque()
        self._resolver = resolver if resolver is not None else {}
        self._next_tick = now + TICK
        self._locals = {V4: udp("0.0.0.0", setup.port), V6: udp("::", setup.port)}
        self._do: dict[type, Callable[[Any], None]] = {
            SendDatagram: lambda c: self._send(c.via, c.to, c.payload),
            Resolve: self._resolve,
            Configure: lambda c: self.tun.configure(c.ipv4, c.ipv6),
            StorePeers: lambda c: self.memory.update(records=c.records, endpoints=c.endpoints),
            StoreAddress: lambda c: self.memory.update(ipv4=c.ipv4 or None, sequence=c.sequence),
        }
        self.plane = MemoryPlane(
            self.tun, send=self._send, receive=self._frame, tell=self._fact, clock=lambda: self._now
        )
        self.node = Node(setup, keygen=keygen, entropy=entropy, now=now)
        for socket, local in self._locals.items():
            self.node.tell(told.SocketOpened(socket, local), now=now)
        self.tell(told.AddressesChanged(addresses), now=now)

    # --- the host's verbs ---

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """A datagram came; one to another port than ours is nobody's."""
        self._now = now
        via = V6 if to.is_ipv6 else V4
        if to.port == self._locals[via].port:
            self.plane.datagram(payload, source, via)
            self._settle()

    def next_timeout(self) -> float | None:
        """The node's next moment, or the next second."""
        at = self.node.next_timeout()
        return self._next_tick if at is None else min(at, self._next_tick)

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        self._now = now
        at = self.node.next_timeout()
        if at is not None and at <= now:
            self.node.handle_timeout(now=now)
        if now >= self._next_tick:
            self._next_tick = now + TICK
            self.node.tell(told.CountersPulled(self.plane.counters()), now=now)
        self._settle()

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

    def _send(self, via: SocketId, to: Endpoint, payload: bytes) -> None:
        self._out.append(Datagram(self._locals[V6 if to.is_ipv6 else V4], to, payload))

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
