"""PORT + 1: STUN requests in, answers out (protocol section 9); nothing else is read from it.

datagrams --recvmsg--> first byte 0..3? --> node                 others: dropped, counted by the node
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable

from overlay.dataplane.abi import IP_PKTINFO, IPV6_PKTINFO, SOL_IP, SOL_IPV6
from overlay.dataplane.edges import Ancillary
from overlay.dataplane.linux import endpoint_of, source_control
from punch.values import Endpoint, SocketId

IPV6_RECVPKTINFO = 49
"""ipv6(7)."""
BATCH = 64
"""Datagrams read in one go, so that everything else keeps its turn."""
LONGEST = 2048
"""Bytes of a datagram that are read; a STUN request has some dozens."""

Receive = Callable[[bytes, Endpoint, SocketId], None]


class Alternate:
    """One socket on PORT + 1, under an id for the wildcard and one for each local address that has its own."""

    def __init__(self, sock: socket.socket, wild: SocketId) -> None:
        self.socket = sock
        self._wild = wild
        self._by_address: dict[bytes, SocketId] = {}
        self._sources: dict[SocketId, tuple[Ancillary, ...]] = {wild: ()}
        self._receive: Receive | None = None
        level, option = (socket.IPPROTO_IP, IP_PKTINFO)
        if sock.family == socket.AF_INET6:
            level, option = (socket.IPPROTO_IPV6, IPV6_RECVPKTINFO)
        sock.setsockopt(level, option, 1)

    def connect(self, loop: asyncio.AbstractEventLoop, receive: Receive) -> None:
        """From now on datagrams go to `receive`."""
        self._receive = receive
        loop.add_reader(self.socket.fileno(), self._readable)

    def disconnect(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read no more."""
        loop.remove_reader(self.socket.fileno())

    def add(self, host: str, socket_id: SocketId) -> None:
        """A local address has an id of its own."""
        packed = ipaddress.ip_address(host).packed
        self._by_address[packed] = socket_id
        self._sources[socket_id] = source_control(packed)

    def forget(self, socket_id: SocketId) -> None:
        """That address is gone."""
        self._sources.pop(socket_id, None)
        self._by_address = {packed: each for packed, each in self._by_address.items() if each != socket_id}

    def leave_from(self, socket_id: SocketId) -> tuple[Ancillary, ...]:
        """Control messages that make a datagram leave from the address of `socket_id`."""
        return self._sources.get(socket_id, ())

    def _readable(self) -> None:
        for _ in range(BATCH):
            try:
                payload, ancillary, _, address = self.socket.recvmsg(LONGEST, 128)
            except OSError:
                return
            if self._receive is not None:
                self._receive(payload, endpoint_of(address), self._via(ancillary))

    def _via(self, ancillary: list[tuple[int, int, bytes]]) -> SocketId:
        for level, kind, data in ancillary:
            if (level, kind) == (SOL_IP, IP_PKTINFO):
                return self._by_address.get(data[8:12], self._wild)
            if (level, kind) == (SOL_IPV6, IPV6_PKTINFO):
                return self._by_address.get(data[:16], self._wild)
        return self._wild
