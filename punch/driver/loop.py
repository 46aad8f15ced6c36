"""An engine between the world's inputs and outputs.

datagrams, timers, network, signals heard --> engine.receive / handle_timeout / tell
engine.commands() --> sockets, `say`            engine.events() --> `listen`
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self

from punch.commands import CloseSocket, Command, OpenSockets, SendDatagram, SendSignal
from punch.driver.network import look
from punch.driver.sockets import Sockets
from punch.events import Event
from punch.facts import Fact, ServersKnown
from punch.signals import Signal
from punch.values import Endpoint, PeerId, SocketId

TICK = 1.0
"""Seconds between two looks at the network, and at timers that a suspend delayed."""


def clock() -> float:
    """CLOCK_BOOTTIME in seconds: goes on during suspend, never back."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Pace:
    """The engine's clock: CLOCK_BOOTTIME, or slower where its signals go by hand, so that its patience reaches."""

    def __init__(self) -> None:
        self.factor = 1.0
        """Real seconds to one of the engine's."""
        self._real = self._shown = clock()

    def now(self) -> float:
        """The engine's time."""
        return self._shown + (clock() - self._real) / self.factor

    def slow(self, factor: float) -> None:
        """From now on one second of the engine takes `factor` real ones."""
        self._shown, self._real = self.now(), clock()
        self.factor = factor

    def until(self, at: float) -> float:
        """Real seconds until the engine's time is `at`, 0 if it is past."""
        return max(0.0, (at - self.now()) * self.factor)


class Edge(Protocol):
    """What the driver drives: `punch.engine.Engine`."""

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> None:
        """A datagram came in by `via`."""

    def tell(self, fact: Fact, *, now: float) -> None:
        """Something this host knows."""

    def next_timeout(self) -> float | None:
        """The moment `handle_timeout` wants to be called at, or None."""

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due at `now`."""

    def commands(self) -> Iterator[Command]:
        """Drain what is to be done."""

    def events(self) -> Iterator[Event]:
        """Drain what happened."""


Intercept = Callable[[bytes, Endpoint, SocketId], bool]


class Driver:
    """Runs one engine on real sockets as long as the `with` block, inside a running asyncio loop.

    with Driver(engine, say=send_to_peer, listen=print) as driver:
        driver.tell(ServersKnown((), configured=servers))
        ...
    """

    def __init__(
        self,
        engine: Edge,
        *,
        say: Callable[[PeerId, Signal], None],
        listen: Callable[[Event], None],
        port: int = 0,
        intercept: Intercept | None = None,
        pace: Pace | None = None,
    ) -> None:
        """`say` carries a signal to a peer, `listen` hears events; what `intercept` takes the engine never sees."""
        self.pace = pace or Pace()
        self.port = port
        """PORT, once it is open."""
        self._engine = engine
        self._say = say
        self._listen = listen
        self._intercept = intercept
        self._towards: tuple[Endpoint, ...] = ()
        self._network = look()

    @property
    def addresses(self) -> tuple[str, ...]:
        """This host's own addresses."""
        return self._network.addresses

    def __enter__(self) -> Self:
        """Open the sockets and begin.

        Raises:
            OSError: the port is in use, or there is no UDP here.
        """
        self._loop = asyncio.get_running_loop()
        self._running = True
        self._pumping = False
        self._timer: asyncio.TimerHandle | None = None
        self._sockets = Sockets(receive=self.receive, tell=self.tell)
        self.tell(self._network)
        try:
            self.port = self._sockets.open_own(self.port)
        except BaseException:
            self._running = False
            raise
        self._ticking = self._loop.call_later(TICK, self._tick)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = False
        self._ticking.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._sockets.close_all()

    # --- inputs

    def receive(self, payload: bytes, source: Endpoint, via: SocketId) -> None:
        """A datagram came in."""
        if self._intercept is not None and self._intercept(payload, source, via):
            return
        try:
            self._engine.receive(payload, source, via=via, now=self.pace.now())
        finally:
            self._pump_soon()

    def tell(self, fact: Fact) -> None:
        """Hand the engine a fact: SignalReceived, PeerWanted, ..."""
        try:
            if isinstance(fact, ServersKnown):
                self._towards = (*fact.servers, *fact.configured)
                self._look()
            self._engine.tell(fact, now=self.pace.now())
        finally:
            self._pump_soon()

    # --- outputs

    def send(self, command: SendDatagram) -> None:
        """Send something of the caller's own by a socket of the engine's or the host's."""
        self._sockets.send(command)

    def take(self, via: SocketId) -> socket.socket | None:
        """Claim a hole's socket: from now on it is the caller's to read and close."""
        return self._sockets.take(via)

    def _pump_soon(self) -> None:
        if not self._pumping and self._running:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        if not self._running:
            return
        try:
            for command in list(self._engine.commands()):
                self._obey(command)
            for event in list(self._engine.events()):
                self._listen(event)
        finally:
            self._schedule(self._engine.next_timeout())

    def _obey(self, command: Command) -> None:
        if isinstance(command, SendDatagram):
            self._sockets.send(command)
        elif isinstance(command, OpenSockets):
            self._sockets.open(command)
        elif isinstance(command, CloseSocket):
            self._sockets.close(command.socket)
        elif isinstance(command, SendSignal):
            self._say(command.peer, command.signal)

    def _schedule(self, at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at is not None and self._running:
            self._timer = self._loop.call_later(self.pace.until(at), self._due)

    def _due(self) -> None:
        self._timer = None
        try:
            self._engine.handle_timeout(now=self.pace.now())
        finally:
            self._pump_soon()

    def _tick(self) -> None:
        """Armed anew before all else: a fault ends what met it, and no later tick."""
        self._ticking = self._loop.call_later(TICK, self._tick)
        self._look()
        now = self.pace.now()
        if (at := self._engine.next_timeout()) is not None and at <= now:
            self._engine.handle_timeout(now=now)
        self._pump_soon()

    def _look(self) -> None:
        """Tell the engine where this host is, if that changed: its addresses are those the servers are asked from."""
        seen = look(self._towards)
        if seen != self._network:
            self._network = seen
            self.tell(seen)
