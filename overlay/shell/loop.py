"""The node between its inputs and its outputs: whatever comes in, the pump carries out what the node then asks.

plane, udp, timer, bell, commands --> node.receive / tell / handle_timeout
node.commands() --> plane, udp, device, storage, resolver        node.events() --> person, waiting commands
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

from overlay.dataplane import port
from overlay.errors import OverlayError
from overlay.node import events as happened
from overlay.node import facts as told
from overlay.node.commands import Configure, Resolve, SendBeacon, StoreAddress, StorePeers, StoreTickets
from overlay.node.core import Node
from overlay.node.snapshot import Snapshot
from overlay.shell.names import numeric, resolve
from overlay.shell.pace import Pace
from overlay.shell.storage import Storage
from punch.commands import CloseSocket, OpenSockets, SendDatagram
from punch.values import Endpoint, SocketId

WALL_JUMP = 30.0
"""Seconds wall time may drift from CLOCK_BOOTTIME between two ticks (protocol section 4)."""
FAULT_PAUSE = 0.1
"""Seconds until the next timer at least, once one met a fault of our own."""
MOST_FAULTS = 32
"""Places of such faults that are logged, each once with its traceback."""

_LOG = logging.getLogger("overlay")


def clock() -> float:
    """CLOCK_BOOTTIME in seconds: goes on during suspend, never back."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Plane(Protocol):
    """What the loop needs of a data plane."""

    def apply(self, command: port.Command) -> None:
        """Take one command."""

    def counters(self) -> port.Counters:
        """All counters."""

    def pulses(self, since: float) -> tuple[port.Pulse, ...]:
        """Peers that something was sent to after `since`."""


class Udp(Protocol):
    """What the loop needs of the UDP sockets."""

    def send(self, via: SocketId, to: Endpoint, payload: bytes, ttl: int = 0) -> None:
        """Send one datagram; what the kernel refuses is lost like any other, and told."""

    def open(self, command: OpenSockets) -> None:
        """Open sockets, and tell what came of it."""

    def close_socket(self, socket_id: SocketId) -> None:
        """Close one of them."""


class Device(Protocol):
    """What the loop needs of a TUN device."""

    def configure(self, ipv4: str, ipv6: str) -> None:
        """Give it these addresses, replacing earlier ones; raises OverlayError."""


class Loop:
    """Carries out what a node asks."""

    def __init__(
        self,
        *,
        plane: Plane,
        udp: Udp,
        device: Device | None,
        storage: Storage,
        listen: Callable[[happened.Event], None],
        beacon: Callable[[bytes], None] = lambda payload: None,
    ) -> None:
        """`listen` hears every event; `beacon` sends one to the links of this host."""
        self._plane = plane
        self._device = device
        self._storage = storage
        self._listen = listen
        self._node: Node | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._pumping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._wall = time.time() - clock()
        self._pace = Pace(clock())
        self._not_before = 0.0
        """No timer goes off earlier: the last one met a fault."""
        self._faults: dict[str, None] = {}
        self._do: dict[type, Callable[[Any], None]] = {
            SendDatagram: lambda c: udp.send(c.via, c.to, c.payload, c.ttl),
            OpenSockets: udp.open,
            CloseSocket: lambda c: udp.close_socket(c.socket),
            Resolve: self._resolve,
            Configure: self._configure,
            StorePeers: lambda c: storage.keep(
                records=c.records, endpoints=list(c.endpoints), holders=[each.hex() for each in c.holders]
            ),
            StoreTickets: lambda c: storage.keep_tickets(c.peer, c.tickets),
            SendBeacon: lambda c: beacon(c.payload),
            StoreAddress: lambda c: storage.keep(ipv4=c.ipv4 or None, sequence=c.sequence),
        }

    def start(self, node: Node) -> None:
        """From now on the node lives."""
        self._node = node
        self._pump()
        self._storage.flush()
        self._pace = Pace(clock())
        self._loop.call_later(self._pace.next - clock(), self._tick)

    def stop(self) -> None:
        """No timer and no task is left behind."""
        self._node = None
        self._storage.flush()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()

    # --- inputs ---

    def receive(self, payload: bytes, source: Endpoint, via: SocketId) -> None:
        """A frame that is not data."""
        if self._node is not None:
            now = self._awake(self._node)
            with self._guard():
                self._node.receive(payload, source, via=via, now=now)
            self._pump_soon()

    def tell(self, fact: told.Fact | port.Fact) -> None:
        """A fact of this host or its plane."""
        if self._node is not None:
            now = self._awake(self._node)
            with self._guard():
                self._node.tell(fact, now=now)
            self._pump_soon()

    @property
    def node(self) -> Node:
        """The node, as long as it lives.

        Raises:
            OverlayError: it has ended.
        """
        if self._node is None:
            raise OverlayError("The node has ended.", "Start it again with overlay join.")
        return self._node

    def snapshot(self) -> Snapshot:
        """What `status` shows, with fresh counters."""
        now = clock()
        node = self.node
        with self._guard():
            node.tell(told.CountersPulled(self._plane.counters()), now=now)
        self._pump_soon()
        return node.snapshot(now=now)

    # --- outputs ---

    def _pump_soon(self) -> None:
        """Not inside the plane's own loop: what it reads and what changes its tables take turns."""
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        node = self._node
        if node is None:
            return
        self._each(node.commands(), self._obey)
        self._each(node.events(), self._listen)
        self._schedule(node.next_timeout())

    def _obey(self, command: Any) -> None:
        act = self._do.get(type(command))
        if act is None:
            self._plane.apply(cast(port.Command, command))
        else:
            act(command)

    def _each(self, items: Iterable[Any], act: Callable[[Any], None]) -> None:
        for item in items:
            try:
                act(item)
            except Exception as error:
                self._fault(error)

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """A fault of our own ends what met it and nothing else: timers go on, the node is obeyed."""
        try:
            yield
        except Exception as error:
            self._fault(error)

    def _fault(self, error: Exception) -> None:
        """Count it, show it, and log it the first time."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
        if place not in self._faults and len(self._faults) < MOST_FAULTS:
            _LOG.error("a fault of this program: %s", place, exc_info=error)
            self._faults[place] = None
        self._not_before = clock() + FAULT_PAUSE
        if self._node is not None:
            with contextlib.suppress(Exception):
                self._node.tell(told.FaultMet(place), now=clock())

    def _schedule(self, at: float | None) -> None:
        if self._timer is not None:
            if at == self._timer_at:
                return
            self._timer.cancel()
            self._timer = None
        if at is not None:
            self._timer_at = at
            self._timer = self._loop.call_later(max(0.0, max(at, self._not_before) - clock()), self._due)

    def _due(self) -> None:
        self._timer = None
        if self._node is not None:
            now = self._awake(self._node)
            with self._guard():
                self._node.handle_timeout(now=now)
            self._pump()

    def _awake(self, node: Node) -> float:
        """Now; the node hears first that it slept, before old deadlines tell it anything else."""
        now = clock()
        if self._pace.slept(now):
            self._pace.busy(now)
            with self._guard():
                node.tell(told.Woke(), now=now)
        return now

    def _tick(self) -> None:
        """A look at what is sent and heard; each second all counters, and what else a second asks for."""
        node = self._node
        if node is None:
            return
        now = self._awake(node)
        full = self._pace.look(now)
        pulses = self._plane.pulses(self._pace.since(now))
        if pulses:
            self._pace.busy(now)
        self._loop.call_later(self._pace.next - now, self._tick)
        if full:
            self._second(node, now)
        elif pulses:
            with self._guard():
                node.tell(told.Pulsed(pulses), now=now)
            self._pump()

    def _second(self, node: Node, now: float) -> None:
        """Counters, the wall clock, and timers that a suspend delayed."""
        with self._guard():
            node.tell(told.CountersPulled(self._plane.counters()), now=now)
        wall = time.time() - now
        with self._guard():
            if abs(wall - self._wall) > WALL_JUMP:
                node.tell(told.WallClockJumped(), now=now)
        self._wall = wall
        with self._guard():
            if (at := node.next_timeout()) is not None and at <= now:
                node.handle_timeout(now=now)
        self._pump()
        self._storage.tick()

    def _resolve(self, command: Resolve) -> None:
        known = numeric(command.address)
        if known is not None:
            self.tell(told.Resolved(command.address, known))
            return
        task = self._loop.create_task(self._resolve_name(command.address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resolve_name(self, address: str) -> None:
        endpoints, error = await resolve(address)
        self.tell(told.Resolved(address, endpoints, error))

    def _configure(self, command: Configure) -> None:
        if self._device is None:
            return
        try:
            self._device.configure(command.ipv4, command.ipv6)
        except OverlayError as error:
            self.tell(told.ProblemFound(error.code, error.text, error.fix))
        else:
            self.tell(told.ProblemOver("subnet_conflict"))
