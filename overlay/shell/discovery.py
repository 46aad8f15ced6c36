"""Beacons on the link: out from the node's own sockets, in from the groups (protocol section 10).

PORT  --32 bytes, one hop, once a link and family--> 239.255.27.182, ff02::1:27b6, port 27181
27181 --what comes to the groups, on links we are on--> node            (several nodes of a host share that port)

The links are those of this host's addresses: no overlay device is among them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable

from overlay.dataplane.abi import IP_PKTINFO, IPV6_PKTINFO, SOL_IP, SOL_IPV6
from overlay.dataplane.edges import Ancillary
from overlay.dataplane.linux import endpoint_of
from overlay.node.facts import BeaconHeard
from overlay.shell.addresses import Addresses
from punch.driver.sockets import IP_TTL, IPV6_HOPLIMIT
from punch.values import Endpoint, udp

GROUP4, GROUP6 = "239.255.27.182", "ff02::1:27b6"
PORT = 27181
IPV6_RECVPKTINFO = 49
IP_MULTICAST_ALL, IPV6_MULTICAST_ALL = 49, 29
"""Only what came to a link that this very socket joined on (ip(7); linux/in6.h)."""
LONGEST = 64
"""Bytes of a datagram that are read: a longer one is none of ours."""
BATCH = 64
"""Datagrams read in one go, so that everything else keeps its turn."""
MOST_LINKS = 32
"""Links on which we speak and listen; the kernel allows 20 groups an IPv4 socket where nobody changed it."""

Link = tuple[int, bytes]
"""Interface index, and the address of ours to send from, packed."""
Send = Callable[[Endpoint, bytes, tuple[Ancillary, ...]], None]
"""`send(to, payload, control)`: one datagram from PORT."""


class Discovery:
    """What this node says and hears on its links."""

    def __init__(self, send: Send, tell: Callable[[BeaconHeard], None]) -> None:
        self._send = send
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._links: list[Link] = []
        self._sockets: dict[int, socket.socket] = {}
        """Those that listen, by family."""
        self._joined: dict[tuple[int, int], None] = {}
        """(family, interface index)."""

    def switch(self, enabled: bool, addresses: Addresses) -> None:
        """Listen from now on, or no more; the host has these addresses."""
        if not enabled:
            self.close()
            return
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            for family in (socket.AF_INET, socket.AF_INET6):
                self._listen(self._loop, family)
        self.know(addresses)

    def know(self, addresses: Addresses) -> None:
        """This host's addresses now: join on links that came, leave those that went."""
        if self._loop is None:
            return
        self._links = links_of(addresses)
        wanted = {(_family(source), index) for index, source in self._links}
        for gone in [each for each in self._joined if each not in wanted]:
            del self._joined[gone]
            self._member(gone, joins=False)
        for index, source in self._links:
            came = (_family(source), index)
            if came not in self._joined and self._member(came, joins=True):
                self._joined[came] = None

    def send(self, payload: bytes) -> None:
        """One beacon on every link."""
        for index, source in self._links:
            if len(source) == 4:
                to, hop = udp(GROUP4, PORT), (socket.IPPROTO_IP, IP_TTL, struct.pack("=i", 1))
                leave = (SOL_IP, IP_PKTINFO, struct.pack("=i4s4s", index, source, bytes(4)))
            else:
                to, hop = udp(f"{GROUP6}%{index}", PORT), (socket.IPPROTO_IPV6, IPV6_HOPLIMIT, struct.pack("=i", 1))
                leave = (SOL_IPV6, IPV6_PKTINFO, struct.pack("=16si", source, index))
            self._send(to, payload, (leave, hop))

    def close(self) -> None:
        """Hear no more."""
        for sock in self._sockets.values():
            if self._loop is not None:
                self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()
        self._joined.clear()
        self._links = []
        self._loop = None

    # --- inside ---

    def _listen(self, loop: asyncio.AbstractEventLoop, family: socket.AddressFamily) -> None:
        """A socket on the groups' port; a host that has not this family, or no room, goes on without."""
        sock: socket.socket | None = None
        try:
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
                sock.bind((GROUP4, PORT))
            else:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                sock.bind(("::", PORT))
        except OSError:
            if sock is not None:
                sock.close()
            return
        self._sockets[family] = sock
        loop.add_reader(sock.fileno(), self._readable, sock)

    def _member(self, where: tuple[int, int], *, joins: bool) -> bool:
        """Join the group on an interface, or leave it; an interface that is gone has left already."""
        family, index = where
        sock = self._sockets.get(family)
        if sock is None:
            return False
        try:
            if family == socket.AF_INET:
                request = struct.pack("=4s4si", socket.inet_aton(GROUP4), bytes(4), index)
                option = socket.IP_ADD_MEMBERSHIP if joins else socket.IP_DROP_MEMBERSHIP
                sock.setsockopt(socket.IPPROTO_IP, option, request)
            else:
                request = struct.pack("=16si", socket.inet_pton(family, GROUP6), index)
                option = socket.IPV6_JOIN_GROUP if joins else socket.IPV6_LEAVE_GROUP
                sock.setsockopt(socket.IPPROTO_IPV6, option, request)
        except OSError:
            return False
        return True

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                payload, control, _, address = sock.recvmsg(LONGEST, 128)
            except OSError:
                return
            if sock.family == socket.AF_INET or _came_to_group(control):
                self._tell(BeaconHeard(payload, endpoint_of(address)))


def links_of(addresses: Addresses) -> list[Link]:
    """One address of each family for each interface: where there is one that is good beyond the link, that."""
    found: dict[tuple[str, int], bytes] = {}
    for text, _, name in addresses:
        address = ipaddress.ip_address(text)
        key = (name, address.version)
        if not address.is_loopback and (key not in found or ipaddress.ip_address(found[key]).is_link_local):
            found[key] = address.packed
    links: list[Link] = []
    for (name, _), packed in sorted(found.items(), key=lambda item: item[0][1]):
        with contextlib.suppress(OSError):
            links.append((socket.if_nametoindex(name), packed))
    return links[:MOST_LINKS]


def _came_to_group(control: list[tuple[int, int, bytes]]) -> bool:
    """Whether an IPv6 datagram did, and not to an address of ours: no socket binds to a group of many links."""
    group = socket.inet_pton(socket.AF_INET6, GROUP6)
    return any((level, kind) == (SOL_IPV6, IPV6_PKTINFO) and data[:16] == group for level, kind, data in control)


def _family(source: bytes) -> int:
    return socket.AF_INET if len(source) == 4 else socket.AF_INET6
