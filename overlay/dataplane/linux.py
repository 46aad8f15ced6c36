"""The plane over system calls: readv and write on a TUN, sendmsg and recvmsg_into on UDP sockets, turns on a loop.

loop --readable--> turn: downlink and uplink in turn, some batches each, until both are empty or the turn is long
                     |
                     +--> frames that are not data, and facts: to the hall, after the turn
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Protocol

from overlay.dataplane import port
from overlay.dataplane.abi import IP_PKTINFO, IPV6_PKTINFO, SOL_IP, SOL_IPV6, SOL_UDP, UDP_GRO
from overlay.dataplane.edges import Address, Ancillary, Inlet, NoTun, Outlet, Tun
from overlay.dataplane.movers import Movers
from overlay.dataplane.turns import TurnsLoop
from punch.values import Endpoint, SocketId

ROUNDS = 4
"""Times a turn of a socket goes round: control waits for one turn at most, some milliseconds."""
UP, DOWN = 16, 16
"""Envelopes sent and batches received in one round."""
LULL = 0.0001
"""Seconds without a turn after which packets come one at a time: one is moved, and the loop asked whether there are
more. To look for a second one in vain takes a third of the time that a lone packet spends here."""
CONTROL_ROOM = 128
"""Bytes for the control messages of a batch: UDP_GRO and PKTINFO."""


class TunDevice(Tun, Protocol):
    """A TUN that a loop can watch."""

    def fileno(self) -> int:
        """Its file descriptor."""


class LinuxPlane:
    """Moves packets between a TUN and sockets; decides nothing."""

    def __init__(
        self,
        tun: TunDevice | None,
        *,
        receive: Callable[[bytes, Endpoint, SocketId], None],
        tell: Callable[[port.Fact], None],
        clock: Callable[[], float],
    ) -> None:
        """`receive` gets every frame that is not data, `tell` the facts; `tun` None: a node without a device."""
        self._tun = tun
        self._clock = clock
        self._movers = Movers(tun or NoTun(), receive=receive, tell=tell, blocked=self._wait_writable)
        self._sockets: dict[SocketId, socket.socket] = {}
        self._inlets: dict[socket.socket, Inlet] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tun_turn = self._socket_turn = 0.0
        """When the last turns of either side ended."""
        self._answers = True
        """Our own kernel answers in its TUN what a socket brings, so it is worth looking there."""

    # --- the hall ---

    def apply(self, command: port.Command) -> None:
        """Take one command of the hall; packets held for a peer that is ready now go out at once."""
        self._movers.apply(command, now=self._clock())

    def counters(self) -> port.Counters:
        """All counters now."""
        return self._movers.counters(now=self._clock())

    def pulses(self, since: float) -> tuple[port.Pulse, ...]:
        """Peers that something was sent to after `since`."""
        return self._movers.pulses(since)

    # --- sockets ---

    def add_socket(self, socket_id: SocketId, sock: socket.socket, *, source: bytes | None = None) -> None:
        """Send and receive by this UDP socket, which does not block.

        With `source` (4 or 16 bytes) the id stands for one local address of a socket that was added before, with
        PKTINFO on: what comes to it is `via` this id, what goes by it leaves from it.
        """
        self._sockets[socket_id] = sock
        self._movers.add_outlet(
            Outlet(socket_id, sock.sendmsg, partial(socket_address, sock.family), source_control(source))
        )
        inlet = self._inlets.get(sock)
        if inlet is None:
            inlet = self._inlets[sock] = Inlet(socket_id, sock.recvmsg_into, lru_cache(4096)(endpoint_of), CONTROL_ROOM)
            self._watch(sock, inlet)
        elif source is not None:
            inlet.by_address[source] = socket_id

    def remove_socket(self, socket_id: SocketId) -> None:
        """Forget an id; with the last one of a socket the socket too (it is not closed)."""
        sock = self._sockets.pop(socket_id, None)
        if sock is None:
            return
        self._movers.remove_outlet(socket_id)
        inlet = self._inlets[sock]
        for address in [address for address, each in inlet.by_address.items() if each == socket_id]:
            del inlet.by_address[address]
        if sock not in self._sockets.values():
            del self._inlets[sock]
            self._ignore(sock)
        if self._movers.sending.forget(socket_id):
            self._writable(None)

    def leave_from(self, socket_id: SocketId) -> tuple[Ancillary, ...]:
        """Control messages that make a datagram leave from the local address of `socket_id`."""
        outlet = self._movers.outlet(socket_id)
        return outlet.source if outlet is not None else ()

    # --- the loop ---

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let `loop` say when there is something to move; a `TurnsLoop` does it quickest."""
        self._loop = loop
        self._watch_tun()
        for sock, inlet in self._inlets.items():
            self._watch(sock, inlet)

    def detach(self) -> None:
        """Leave the loop; nothing is read or sent any more."""
        for sock in self._inlets:
            self._ignore(sock)
        if self._tun is not None:
            self._stop(self._tun.fileno())
        self._loop = None

    def readable_tun(self) -> bool:
        """Move what the TUN has; whether the hall was given something."""
        uplink, now = self._movers.uplink, self._clock()
        if now - self._tun_turn > LULL:
            uplink.one(now=now)
        else:
            uplink.pump(UP, now=now)
        if now - self._socket_turn < LULL:
            self._answers = True
        handed = self._movers.hand_over()
        self._tun_turn = self._clock()
        if uplink.gone and self._tun is not None:
            self._stop(self._tun.fileno())
        return handed

    def readable_socket(self, inlet: Inlet) -> bool:
        """Move what a socket has, and what our own kernel answers to it; whether the hall was given something."""
        uplink, downlink, now = self._movers.uplink, self._movers.downlink, self._clock()
        if now - self._socket_turn > LULL:
            downlink.pump(inlet, 1, now=now)
            self._answers = self._answers and uplink.one(now=now)
        else:
            for _ in range(ROUNDS):
                more = downlink.pump(inlet, DOWN, now=now)
                uplink.pump(UP, now=now)
                if not more:
                    break
        handed = self._movers.hand_over()
        self._socket_turn = self._clock()
        return handed

    # --- what is watched ---

    def _watch(self, sock: socket.socket, inlet: Inlet) -> None:
        self._start(sock.fileno(), partial(self.readable_socket, inlet))

    def _watch_tun(self) -> None:
        if self._tun is not None and not self._movers.uplink.gone:
            self._start(self._tun.fileno(), self.readable_tun)

    def _ignore(self, sock: socket.socket) -> None:
        if self._loop is not None and sock.fileno() >= 0:
            self._stop(sock.fileno())
            self._loop.remove_writer(sock.fileno())

    def _start(self, fileno: int, act: Callable[[], bool]) -> None:
        if isinstance(self._loop, TurnsLoop):
            self._loop.add_turns(fileno, act)
        elif self._loop is not None:
            self._loop.add_reader(fileno, act)

    def _stop(self, fileno: int) -> None:
        if isinstance(self._loop, TurnsLoop):
            self._loop.remove_turns(fileno)
        elif self._loop is not None:
            self._loop.remove_reader(fileno)

    def _wait_writable(self, outlet: Outlet) -> None:
        """A socket is full: the TUN is left alone until it can be written."""
        sock = self._sockets.get(outlet.id)
        if self._loop is not None and sock is not None:
            if self._tun is not None:
                self._stop(self._tun.fileno())
            self._loop.add_writer(sock.fileno(), self._writable, sock)

    def _writable(self, sock: socket.socket | None) -> None:
        if self._loop is not None and sock is not None:
            self._loop.remove_writer(sock.fileno())
        if self._movers.sending.resume():
            self._watch_tun()


def source_control(source: bytes | None) -> tuple[Ancillary, ...]:
    """Control messages that choose the source address (ip(7), ipv6(7))."""
    if source is None:
        return ()
    if len(source) == 4:
        return ((SOL_IP, IP_PKTINFO, bytes(4) + source + bytes(4)),)
    return ((SOL_IPV6, IPV6_PKTINFO, source + bytes(4)),)


def socket_address(family: int, endpoint: Endpoint) -> Address | None:
    """The socket address of an endpoint; None: another family, or a zone this host does not have."""
    if endpoint.is_ipv6 != (family == socket.AF_INET6):
        return None
    if not endpoint.is_ipv6:
        return (endpoint.host, endpoint.port)
    host, _, zone = endpoint.host.partition("%")
    try:
        scope = 0 if not zone else int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
    except OSError:
        return None
    return (host, endpoint.port, 0, scope)


def endpoint_of(address: tuple[str, int] | tuple[str, int, int, int]) -> Endpoint:
    """The endpoint of a socket address."""
    host = address[0].partition("%")[0]
    if len(address) == 4 and address[3]:
        try:
            host = f"{host}%{socket.if_indextoname(address[3])}"
        except OSError:
            host = f"{host}%{address[3]}"
    return Endpoint("udp", host, address[1])


def receive_batches(sock: socket.socket) -> bool:
    """Let the kernel join datagrams of one flow on the way in (UDP_GRO); False: it cannot."""
    try:
        sock.setsockopt(SOL_UDP, UDP_GRO, 1)
    except OSError:
        return False
    return True
