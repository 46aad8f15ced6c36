"""Real UDP sockets of an engine: the host's own pair, and those it asks for.

    PORT      main        IPv4, IPv6     probes and everything else
    PORT + 1  alternate   IPv4, IPv6     answers STUN
    fresh     engine      as asked       samples and holes; closed, or taken by whoever claims the hole

Nothing is queued here: what the kernel refuses is told as SendFailed, and pacing is the engine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import resource
import socket
import struct
from collections.abc import Callable

from punch.commands import OpenSockets, SendDatagram
from punch.facts import Role, SendFailed, SocketClosed, SocketFailed, SocketOpened
from punch.values import Endpoint, SocketId, udp

IP_RECVERR, IPV6_RECVERR, IP_TTL, IPV6_HOPLIMIT = 11, 25, 2, 52
"""linux/in.h, linux/in6.h: errors of ICMP by the error queue; TTL of one datagram as ancillary data."""
MSG_ERRQUEUE = 0x2000
_ERROR = struct.Struct("=IBBBBII")
"""struct sock_extended_err (linux/errqueue.h): errno, origin, type, code, pad, info, data."""
_ICMP_ORIGINS = (2, 3)
BATCH = 64
"""Datagrams read in one go, so that timers keep their turn."""
FILES_WANTED = 4096
"""Soft limit of open files asked for: 512 holes, and the rest of the process."""
PORTS_TRIED = 64
"""Pairs of ports, or sockets for an even port, tried before giving up."""

_WILDCARDS = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

Told = SocketOpened | SocketFailed | SocketClosed | SendFailed
Receive = Callable[[bytes, Endpoint, SocketId], None]


class Sockets:
    """Opens, reads, writes and closes; lives inside a running asyncio loop."""

    def __init__(self, *, receive: Receive, tell: Callable[[Told], None]) -> None:
        """`receive` gets every datagram with its source and socket, `tell` what the engine has to know."""
        self._receive = receive
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._open: dict[SocketId, socket.socket] = {}
        self._next = 1
        raise_file_limit()

    def open_own(self, port: int = 0) -> int:
        """Open PORT and PORT + 1 for IPv4 and IPv6; returns PORT (0: a free pair is found).

        Raises:
            OSError: the port asked for is in use, or there is no UDP here.
        """
        number, pairs = bind_pair(port)
        for role, bound in pairs:
            self._add(bound, request=0, role=role)
        return number

    def open(self, command: OpenSockets) -> None:
        """Do as `command` says, and tell what came of it."""
        family = socket.AF_INET6 if command.ipv6 else socket.AF_INET
        for opened in range(command.count):
            try:
                fresh = bind_fresh(family, even=command.parity == "even", port=command.port)
            except OSError as error:
                self._tell(SocketFailed(command.request, command.count - opened, error_name(error)))
                return
            self._add(fresh, request=command.request, role="engine")

    def send(self, command: SendDatagram) -> None:
        """Send one datagram, or tell why not."""
        sock = self._open.get(command.via)
        if sock is None:
            self._tell(SendFailed(command.via, command.to, "EBADF"))
            return
        ipv6 = sock.family == socket.AF_INET6
        if ipv6 != command.to.is_ipv6:
            self._tell(SendFailed(command.via, command.to, "EAFNOSUPPORT"))
            return
        hops = (socket.IPPROTO_IPV6, IPV6_HOPLIMIT) if ipv6 else (socket.IPPROTO_IP, IP_TTL)
        ancillary = [(*hops, struct.pack("=i", command.ttl))] if command.ttl else []
        for once_more in (True, False):
            try:
                sock.sendmsg([command.payload], ancillary, 0, (command.to.host, command.to.port))
            except OSError as error:
                # An ICMP error about an earlier datagram is handed to the next call (ip(7), IP_RECVERR): try again.
                if once_more and self._drain_errors(command.via, sock):
                    continue
                self._tell(SendFailed(command.via, command.to, error_name(error)))
            return

    def close(self, via: SocketId) -> None:
        """Close one; unknown ones are gone already."""
        sock = self.take(via)
        if sock is not None:
            sock.close()
            self._tell(SocketClosed(via))

    def take(self, via: SocketId) -> socket.socket | None:
        """Hand a socket over: it is read and closed here no longer."""
        sock = self._open.pop(via, None)
        if sock is not None:
            self._loop.remove_reader(sock.fileno())
        return sock

    def close_all(self) -> None:
        """Close what is left, silently."""
        for via in list(self._open):
            sock = self.take(via)
            if sock is not None:
                sock.close()

    def _add(self, sock: socket.socket, *, request: int, role: Role) -> None:
        via = SocketId(self._next)
        self._next += 1
        self._open[via] = sock
        self._loop.add_reader(sock.fileno(), self._readable, via)
        local = udp(_WILDCARDS[sock.family], sock.getsockname()[1])
        self._tell(SocketOpened(via, local, request, role))

    def _readable(self, via: SocketId) -> None:
        for _ in range(BATCH):
            sock = self._open.get(via)
            if sock is None:
                return
            try:
                payload, address = sock.recvfrom(65535)
            except BlockingIOError:
                self._drain_errors(via, sock)
                return
            except OSError:
                if not self._drain_errors(via, sock):
                    return
                continue
            self._receive(payload, source_of(address), via)

    def _drain_errors(self, via: SocketId, sock: socket.socket) -> int:
        """Tell what lies in the error queue; how many errors that were."""
        for count in range(BATCH):
            try:
                _, ancillary, _, address = sock.recvmsg(0, 512, MSG_ERRQUEUE)
            except OSError:
                return count
            for _, _, data in ancillary:
                word = icmp_word(data)
                if word and address:
                    self._tell(SendFailed(via, source_of(address), word))
        return BATCH


def bind_pair(port: int) -> tuple[int, list[tuple[Role, socket.socket]]]:
    """Sockets on `port` and the one above, each family the host has, as (role, socket); 0: any free pair.

    Raises:
        OSError: none is free, or there is no UDP here.
    """
    for attempt in range(1 if port else PORTS_TRIED):
        opened: list[tuple[Role, socket.socket]] = []
        try:
            number = port or _free_port()
            places: tuple[tuple[Role, int], ...] = (("main", number), ("alternate", number + 1))
            for role, each in places:
                opened += [(role, sock) for sock in _bind_families(each)]
        except OSError:
            for _, sock in opened:
                sock.close()
            if attempt + 1 == (1 if port else PORTS_TRIED):
                raise
            continue
        return number, opened
    raise OSError(errno.EADDRINUSE, "no free pair of ports")


def bind_fresh(family: socket.AddressFamily, *, even: bool, port: int) -> socket.socket:
    """One socket on a port the kernel chooses, an even one if asked, or on `port`.

    Raises:
        OSError: files or ports are used up, or that port is taken.
    """
    odd: list[socket.socket] = []
    with contextlib.ExitStack() as held:
        for _ in range(PORTS_TRIED if even and not port else 1):
            sock = _bind(family, port)
            if port or not even or sock.getsockname()[1] % 2 == 0:
                return sock
            held.callback(sock.close)
            odd.append(sock)
    raise OSError(errno.EADDRNOTAVAIL, "no even port is free")


def raise_file_limit(wanted: int = FILES_WANTED) -> None:
    """Raise the soft limit of open files towards `wanted`, as far as the hard one lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft not in (resource.RLIM_INFINITY,) and soft < limit:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def icmp_word(data: bytes) -> str:
    """`icmp TYPE/CODE` of an extended error, an errno's name for a local one, or an empty string."""
    if len(data) < _ERROR.size:
        return ""
    number, origin, kind, code, *_ = _ERROR.unpack_from(data)
    if origin in _ICMP_ORIGINS:
        return f"icmp {kind}/{code}"
    return errno.errorcode.get(number, "")


def error_name(error: OSError) -> str:
    """The errno's name, `EMFILE`."""
    return errno.errorcode.get(error.errno or 0, "EIO")


def source_of(address: tuple[object, ...]) -> Endpoint:
    """A socket address as an endpoint; link-local ones keep their interface."""
    host, port = str(address[0]), int(str(address[1]))
    if len(address) > 3 and address[3] and "%" not in host:
        with contextlib.suppress(OSError):
            host = f"{host}%{socket.if_indextoname(int(str(address[3])))}"
    return udp(host if "%" in host else str(ipaddress.ip_address(host)), port)


def _free_port() -> int:
    """An even port that was free for IPv4 just now."""
    with bind_fresh(socket.AF_INET, even=True, port=0) as probe:
        return int(probe.getsockname()[1])


def _bind_families(port: int) -> list[socket.socket]:
    """A socket on `port` for each family this host has.

    Raises:
        OSError: it is taken in one of them, or there is none.
    """
    bound: list[socket.socket] = []
    for family in _WILDCARDS:
        try:
            bound.append(_bind(family, port))
        except OSError as error:
            if error.errno in _NO_FAMILY and (family == socket.AF_INET6 or error.errno == errno.EAFNOSUPPORT):
                continue
            for sock in bound:
                sock.close()
            raise
    if not bound:
        raise OSError(errno.EAFNOSUPPORT, "neither IPv4 nor IPv6")
    return bound


def _bind(family: socket.AddressFamily, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.bind((_WILDCARDS[family], port))
    except OSError:
        sock.close()
        raise
    return sock
