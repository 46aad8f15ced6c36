"""UDP sockets of a node: PORT and PORT+1, IPv4 and IPv6, so that replies leave from the address that was asked; and
those that the punch engine asks for.

PORT    0.0.0.0 and ::   id 1, 2: the kernel chooses the source
                         id ..: one local address each, where the host has several of a family (PKTINFO)
PORT+1                   the same, for STUN alone (protocol section 9)
fresh                    one id each; data flows on them as on PORT, once a way leads there
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import struct
from collections.abc import Callable

from overlay.dataplane.edges import Ancillary
from overlay.dataplane.linux import LinuxPlane, receive_batches, socket_address
from overlay.errors import NotPermitted, OverlayError
from overlay.node.facts import SendFailed, SocketFailed, SocketOpened
from overlay.shell.carriers.alternate import Alternate, Receive
from punch.commands import OpenSockets
from punch.driver.sockets import (
    IP_RECVERR,
    IP_TTL,
    IPV6_HOPLIMIT,
    IPV6_RECVERR,
    bind_fresh,
    error_name,
    raise_file_limit,
)
from punch.values import Endpoint, SocketId, udp

BUFFER = 8 << 20
"""Bytes of a socket's buffers: 130 envelopes of 62 KB."""
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER = 10, 23
PMTUDISC_PROBE = 3
"""ip(7), ipv6(7): don't fragment, and leave the path's size to us (protocol section 5)."""
IP_PKTINFO, IPV6_RECVPKTINFO = 8, 49
PORTS_TRIED = 500
MOST_ADDRESSES = 32
"""Local addresses of a family that get an id of their own."""

_WILDCARDS = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_FIRST_IDS = {socket.AF_INET: SocketId(1), socket.AF_INET6: SocketId(2)}
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_PASSING = (errno.EAGAIN, errno.EMSGSIZE)
"""Full, or too large for the link: whoever waits for an answer asks again."""

Told = SocketOpened | SocketFailed | SendFailed


class UdpCarrier:
    """The sockets of one node, put into its plane."""

    def __init__(self, port: int, *, may_move: bool, plane: LinuxPlane) -> None:
        """Bind `port` and the one above; with `may_move` the next free pair does too.

        Raises:
            NotPermitted: this user may not bind that port.
            OverlayError: it is in use (code `port_in_use`), or this host has no UDP.
        """
        raise_file_limit()
        self._plane = plane
        self._tell: Callable[[Told], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next_id = 3
        self._own: dict[str, SocketId] = {}
        """Ids of local addresses ..."""
        self._own_alternate: dict[str, SocketId] = {}
        """... and of the same on PORT + 1."""
        self._locals: dict[SocketId, Endpoint] = {}
        self._by_id: dict[SocketId, socket.socket] = {}
        self._fresh: dict[SocketId, socket.socket] = {}
        """What the engine asked for."""
        self._alternates: dict[SocketId, Alternate] = {}
        self.port, self._sockets, above = _first_free(port, may_move=may_move)
        self.port_moved = self.port != port
        for family, sock in self._sockets.items():
            _prepare(sock, family)
            wild = _FIRST_IDS[family]
            self._by_id[wild] = sock
            self._locals[wild] = udp(_WILDCARDS[family], self.port)
            plane.add_socket(wild, sock)
        for family, sock in above.items():
            wild = self._take_id()
            self._by_id[wild] = sock
            self._locals[wild] = udp(_WILDCARDS[family], self.port + 1)
            self._alternates[wild] = Alternate(sock, wild)

    def sockets(self) -> list[SocketOpened]:
        """Every id of PORT and PORT + 1, and the local endpoint it stands for; wildcards first."""
        return [self._opened(socket_id) for socket_id in self._locals]

    def connect(self, loop: asyncio.AbstractEventLoop, receive: Receive, tell: Callable[[Told], None]) -> None:
        """From now on what comes to PORT + 1 goes to `receive`, and what becomes of sockets to `tell`."""
        self._loop, self._tell = loop, tell
        for each in self._alternate_sockets():
            each.connect(loop, receive)

    def know(self, addresses: tuple[tuple[str, int, str], ...]) -> tuple[list[SocketOpened], list[SocketId]]:
        """This host's addresses now; the ids that came and those that went."""
        wanted: list[str] = []
        for family in self._sockets:
            hosts = [host for host, _, _ in addresses if (":" in host) == (family == socket.AF_INET6)]
            hosts = [host for host in hosts if not host.startswith("fe80")][:MOST_ADDRESSES]
            if len(hosts) > 1:
                wanted += hosts
        closed = [gone for host in list(self._own) if host not in wanted for gone in self._forget(host)]
        opened = [came for host in wanted if host not in self._own for came in self._add(host)]
        return opened, closed

    def send(self, via: SocketId, to: Endpoint, payload: bytes, ttl: int = 0) -> None:
        """Send one datagram; what the kernel refuses is lost like any other, and told."""
        sock = self._by_id.get(via)
        address = socket_address(sock.family, to) if sock is not None else None
        if sock is None or address is None:
            return
        try:
            sock.sendmsg([payload], self._ancillary(via, sock, ttl), 0, address)
        except OSError as error:
            if error.errno not in _PASSING and self._tell is not None:
                self._tell(SendFailed(via, to, error_name(error)))

    def send_by(self, to: Endpoint, payload: bytes, control: tuple[Ancillary, ...]) -> None:
        """Send one datagram from PORT, where these control messages say; what the kernel refuses is lost."""
        sock = self._sockets.get(socket.AF_INET6 if to.is_ipv6 else socket.AF_INET)
        address = socket_address(sock.family, to) if sock is not None else None
        if sock is not None and address is not None:
            with contextlib.suppress(OSError):
                sock.sendmsg([payload], control, 0, address)

    def _ancillary(self, via: SocketId, sock: socket.socket, ttl: int) -> tuple[Ancillary, ...]:
        """Where a datagram leaves from, and how far it goes (ip(7), ipv6(7))."""
        above = self._alternates.get(via)
        source = self._plane.leave_from(via) if above is None else above.leave_from(via)
        if not ttl:
            return source
        ipv6 = sock.family == socket.AF_INET6
        hops = (socket.IPPROTO_IPV6, IPV6_HOPLIMIT) if ipv6 else (socket.IPPROTO_IP, IP_TTL)
        return (*source, (*hops, struct.pack("=i", ttl)))

    def open(self, command: OpenSockets) -> None:
        """Open what the engine asks for, and tell what came of it."""
        family = socket.AF_INET6 if command.ipv6 else socket.AF_INET
        for opened in range(command.count):
            try:
                sock = bind_fresh(family, even=command.parity == "even", port=command.port)
            except OSError as error:
                if self._tell is not None:
                    self._tell(SocketFailed(command.request, command.count - opened, error_name(error)))
                return
            self._add_fresh(sock, command.request)

    def close_socket(self, socket_id: SocketId) -> None:
        """Close one of those that `open` opened; others stay."""
        sock = self._fresh.pop(socket_id, None)
        if sock is not None:
            del self._by_id[socket_id]
            self._plane.remove_socket(socket_id)
            sock.close()

    def close(self) -> None:
        """Close all of them."""
        for socket_id in list(self._by_id):
            self._plane.remove_socket(socket_id)
        for each in self._alternate_sockets():
            if self._loop is not None:
                each.disconnect(self._loop)
            each.socket.close()
        for sock in (*self._sockets.values(), *self._fresh.values()):
            sock.close()

    # --- inside ---

    def _take_id(self) -> SocketId:
        socket_id = SocketId(self._next_id)
        self._next_id += 1
        return socket_id

    def _opened(self, socket_id: SocketId) -> SocketOpened:
        local = self._locals[socket_id]
        return SocketOpened(socket_id, local, role="main" if local.port == self.port else "alternate")

    def _alternate_sockets(self) -> list[Alternate]:
        return [each for wild, each in self._alternates.items() if self._locals[wild].host in _WILDCARDS.values()]

    def _add_fresh(self, sock: socket.socket, request: int) -> None:
        ipv6 = sock.family == socket.AF_INET6
        # What ICMP says is no fault of the datagram that is sent next: on a way it would look like one.
        level, option = (socket.IPPROTO_IPV6, IPV6_RECVERR) if ipv6 else (socket.IPPROTO_IP, IP_RECVERR)
        sock.setsockopt(level, option, 0)
        _prepare(sock, sock.family)
        socket_id = self._take_id()
        self._fresh[socket_id] = self._by_id[socket_id] = sock
        self._plane.add_socket(socket_id, sock)
        local = udp(_WILDCARDS[socket.AF_INET6 if ipv6 else socket.AF_INET], sock.getsockname()[1])
        if self._tell is not None:
            self._tell(SocketOpened(socket_id, local, request, "engine"))

    def _add(self, host: str) -> tuple[SocketOpened, ...]:
        """Ids for one local address: on PORT, and on PORT + 1."""
        packed = ipaddress.ip_address(host).packed
        sock = self._sockets[socket.AF_INET if len(packed) == 4 else socket.AF_INET6]
        if len(packed) == 4:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        socket_id, above = self._take_id(), self._take_id()
        self._own[host], self._own_alternate[host] = socket_id, above
        self._by_id[socket_id] = sock
        self._locals[socket_id] = udp(host, self.port)
        self._plane.add_socket(socket_id, sock, source=packed)
        alternate = next(each for each in self._alternate_sockets() if each.socket.family == sock.family)
        alternate.add(host, above)
        self._alternates[above] = alternate
        self._by_id[above] = alternate.socket
        self._locals[above] = udp(host, self.port + 1)
        return self._opened(socket_id), self._opened(above)

    def _forget(self, host: str) -> tuple[SocketId, SocketId]:
        socket_id, above = self._own.pop(host), self._own_alternate.pop(host)
        self._plane.remove_socket(socket_id)
        self._alternates.pop(above).forget(above)
        for gone in (socket_id, above):
            del self._by_id[gone], self._locals[gone]
        return socket_id, above


Bound = dict[socket.AddressFamily, socket.socket]


def _first_free(port: int, *, may_move: bool) -> tuple[int, Bound, Bound]:
    """The first port whose next one is free too, bound: sockets by family, and those on PORT+1."""
    for number in range(port, min(port + (2 * PORTS_TRIED if may_move else 1), 65535), 2):
        try:
            sockets = _bind(number)
        except OSError as error:
            _explain_unless_taken(number, error)
            continue
        try:
            held = _bind(number + 1)
        except OSError as error:
            for sock in sockets.values():
                sock.close()
            _explain_unless_taken(number + 1, error)
            continue
        if not sockets:
            raise OverlayError("This host has neither IPv4 nor IPv6.", "Switch one of them on.", code="no_udp")
        return number, sockets, held
    raise OverlayError(
        f"UDP port {port} or {port + 1} is in use here.",
        "Name another (--port; the one above it must be free too), or end what uses it: ss -ulpn shows it.",
        code="port_in_use",
    )


def _explain_unless_taken(port: int, error: OSError) -> None:
    if error.errno == errno.EADDRINUSE:
        return
    if error.errno in (errno.EACCES, errno.EPERM):
        raise NotPermitted(
            f"This user may not bind UDP port {port}.", "Take a port above 1023, or run it with sudo."
        ) from error
    raise OverlayError(f"UDP port {port} cannot be bound: {error.strerror}.", "Name another: --port.") from error


def _bind(port: int) -> Bound:
    """A socket of each family this host has, bound to `port` on all addresses; all or none."""
    sockets: Bound = {}
    try:
        for family, wildcard in _WILDCARDS.items():
            try:
                sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            except OSError as error:
                if error.errno in _NO_FAMILY:
                    continue
                raise
            sockets[family] = sock
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind((wildcard, port))
            except OSError as error:
                if family != socket.AF_INET6 or error.errno not in _NO_FAMILY:
                    raise
                sockets.pop(family).close()
    except OSError:
        for each in sockets.values():
            each.close()
        raise
    return sockets


def _prepare(sock: socket.socket, family: socket.AddressFamily) -> None:
    """Large buffers, no fragments, batches in."""
    for forced, plain in ((SO_SNDBUFFORCE, socket.SO_SNDBUF), (SO_RCVBUFFORCE, socket.SO_RCVBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER)
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER)
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
    receive_batches(sock)
