"""UDP sockets of a node: PORT and PORT+1, IPv4 and IPv6, so that replies leave from the address that was asked.

PORT    0.0.0.0 and ::   id 1, 2: the kernel chooses the source
                         id 3 ..: one local address each, where the host has several of a family (PKTINFO)
PORT+1                   held for STUN (protocol section 9); frames there are dropped
"""

from __future__ import annotations

import errno
import ipaddress
import socket

from overlay.dataplane.linux import LinuxPlane, receive_batches, socket_address
from overlay.errors import NotPermitted, OverlayError
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


class UdpCarrier:
    """The sockets of one node, put into its plane."""

    def __init__(self, port: int, *, may_move: bool, plane: LinuxPlane) -> None:
        """Bind `port` and the one above; with `may_move` the next free pair does too.

        Raises:
            NotPermitted: this user may not bind that port.
            OverlayError: it is in use (code `port_in_use`), or this host has no UDP.
        """
        self._plane = plane
        self._next_id = 3
        self._own: dict[str, SocketId] = {}
        """Ids of local addresses."""
        self._locals: dict[SocketId, Endpoint] = {}
        self._by_id: dict[SocketId, socket.socket] = {}
        self.port, self._sockets, self._held = _first_free(port, may_move=may_move)
        self.port_moved = self.port != port
        for family, sock in self._sockets.items():
            _prepare(sock, family)
            wild = _FIRST_IDS[family]
            self._by_id[wild] = sock
            self._locals[wild] = udp(_WILDCARDS[family], self.port)
            plane.add_socket(wild, sock)

    def sockets(self) -> list[tuple[SocketId, Endpoint]]:
        """Every id and the local endpoint it stands for."""
        return list(self._locals.items())

    def know(
        self, addresses: tuple[tuple[str, int, str], ...]
    ) -> tuple[list[tuple[SocketId, Endpoint]], list[SocketId]]:
        """This host's addresses now; the ids that came and those that went."""
        wanted: list[str] = []
        for family in self._sockets:
            hosts = [host for host, _, _ in addresses if (":" in host) == (family == socket.AF_INET6)]
            hosts = [host for host in hosts if not host.startswith("fe80")][:MOST_ADDRESSES]
            if len(hosts) > 1:
                wanted += hosts
        closed = [self._forget(host) for host in list(self._own) if host not in wanted]
        opened = [self._add(host) for host in wanted if host not in self._own]
        return opened, closed

    def send(self, via: SocketId, to: Endpoint, payload: bytes) -> None:
        """Send one datagram; what the kernel refuses is lost like any other."""
        sock = self._by_id.get(via)
        address = socket_address(sock.family, to) if sock is not None else None
        if sock is None or address is None:
            return
        try:
            sock.sendmsg([payload], self._plane.leave_from(via), 0, address)
        except OSError:
            # Full, too large for the link, or no route: whoever waits for an answer asks again.
            return

    def close(self) -> None:
        """Close all of them."""
        for socket_id in list(self._locals):
            self._plane.remove_socket(socket_id)
        for sock in (*self._sockets.values(), *self._held):
            sock.close()

    def _add(self, host: str) -> tuple[SocketId, Endpoint]:
        packed = ipaddress.ip_address(host).packed
        sock = self._sockets[socket.AF_INET if len(packed) == 4 else socket.AF_INET6]
        if len(packed) == 4:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        socket_id = SocketId(self._next_id)
        self._next_id += 1
        self._own[host] = socket_id
        self._by_id[socket_id] = sock
        self._locals[socket_id] = udp(host, self.port)
        self._plane.add_socket(socket_id, sock, source=packed)
        return socket_id, self._locals[socket_id]

    def _forget(self, host: str) -> SocketId:
        socket_id = self._own.pop(host)
        self._plane.remove_socket(socket_id)
        del self._by_id[socket_id], self._locals[socket_id]
        return socket_id


def _first_free(
    port: int, *, may_move: bool
) -> tuple[int, dict[socket.AddressFamily, socket.socket], list[socket.socket]]:
    """The first port whose next one is free too, bound: sockets by family, and those that hold PORT+1."""
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
        return number, sockets, list(held.values())
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


def _bind(port: int) -> dict[socket.AddressFamily, socket.socket]:
    """A socket of each family this host has, bound to `port` on all addresses; all or none."""
    sockets: dict[socket.AddressFamily, socket.socket] = {}
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
