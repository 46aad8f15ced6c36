"""Where a probe may go: the engine is no weapon (protocol section 9).

                                        vouched for           not vouched for
    ports of one host                   any number            8
    endpoints of one peer               any number            12
    packets to one endpoint, one try    any number            4
    unanswered packets to one host      any number            60 in 10 minutes, over all peers
    ports below 1,024                   those the peer named  those the peer named

A host is an IPv4 address or an IPv6 /64. Another member vouches for it by `Heard`. Never loopback, multicast,
unspecified; private addresses only where they can be the peer (on-link, or behind the same public address).
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from punch.values import Endpoint, PeerId

FREE_PORTS = 8
"""Ports of one host that need nobody's word."""
FREE_ENDPOINTS = 12
"""Endpoints of one peer that need nobody's word."""
FREE_PACKETS = 4
"""Packets an endpoint gets in one try."""
HOST_PACKETS = 60
HOST_WINDOW = 600.0
"""Seconds the unanswered packets to one host are counted for."""
VOUCHED_HOSTS = 8
"""Hosts a peer is vouched for at once; the oldest word goes."""
MOST_HOSTS = 4096
"""Hosts remembered; those that were probed longest ago go first."""
LOWEST_PORT = 1024
REMEMBERED = 1024
"""Hosts whose kind need not be read off their text again."""

Refusal = Literal["address", "private", "port", "unvouched"]

_PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Protocol section 5; documentation ranges count as public."""
_RESERVED = ipaddress.ip_network("240.0.0.0/4")


@lru_cache(maxsize=REMEMBERED)
def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


@lru_cache(maxsize=REMEMBERED)
def is_private(host: str) -> bool:
    """Whether a numeric host is of a private range (protocol section 5)."""
    address = _address(host)
    return address is not None and any(address in network for network in _PRIVATE if network.version == address.version)


def is_sendable(endpoint: Endpoint) -> bool:
    """Whether anything may ever be sent there."""
    return endpoint.transport == "udp" and 1 <= endpoint.port <= 0xFFFF and _is_somebody(endpoint.host)


@lru_cache(maxsize=REMEMBERED)
def _is_somebody(host: str) -> bool:
    address = _address(host)
    if address is None:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False
    if address.version == 4 and address in _RESERVED:
        return False
    return not (address.is_loopback or address.is_multicast or address.is_unspecified)


@lru_cache(maxsize=REMEMBERED)
def host_of(host: str) -> str:
    """What counts as one host: an IPv4 address, or the /64 of an IPv6 one."""
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return host


def on_link(host: str, addresses: Iterable[str]) -> bool:
    """Whether `host` shares the usual prefix (/24, /64) with one of our own addresses."""
    address = _address(host)
    for own_text in addresses:
        own = _address(own_text)
        if address is None or own is None or own.version != address.version:
            continue
        shift = 8 if own.version == 4 else 64
        if int(own) >> shift == int(address) >> shift and own != address:
            return True
    return False


class _Host:
    """What one host got of late."""

    __slots__ = ("packets", "ports")

    def __init__(self) -> None:
        self.packets: deque[float] = deque()
        self.ports: dict[int, float] = {}

    def forget(self, before: float) -> None:
        while self.packets and self.packets[0] < before:
            self.packets.popleft()
        if self.ports and min(self.ports.values()) < before:
            self.ports = {port: at for port, at in self.ports.items() if at >= before}


class Try:
    """What one try sent without anybody's word, and what its peer named."""

    __slots__ = ("endpoints", "named", "peer")

    def __init__(self, peer: PeerId, named: Iterable[Endpoint]) -> None:
        self.peer = peer
        self.named = frozenset(named)
        self.endpoints: dict[Endpoint, int] = {}


class Manners:
    """The counts, over all peers."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}
        self._vouched: dict[PeerId, dict[str, PeerId]] = {}

    def vouch(self, peer: PeerId, host: str, by: PeerId) -> None:
        """`by` states that it hears `peer` from `host`; its own word counts for nothing."""
        if by == peer or _address(host) is None:
            return
        hosts = self._vouched.setdefault(peer, {})
        hosts.pop(host_of(host), None)
        hosts[host_of(host)] = by
        while len(hosts) > VOUCHED_HOSTS:
            del hosts[next(iter(hosts))]

    def forget(self, peer: PeerId) -> None:
        """Nobody's word for `peer` holds any more."""
        self._vouched.pop(peer, None)

    def is_vouched(self, peer: PeerId, host: str) -> bool:
        """Whether another member hears `peer` from there."""
        return host_of(host) in self._vouched.get(peer, ())

    def vouched(self, peer: PeerId) -> tuple[str, ...]:
        """The hosts (IPv6: prefixes) `peer` is vouched for at, newest first."""
        return tuple(reversed(self._vouched.get(peer, {})))

    def refusal(self, to: Endpoint, of: Try, *, near: bool, now: float) -> Refusal | None:
        """Why `to` gets no packet of this try now; None: it may. `near`: on-link or behind our own public address."""
        if not is_sendable(to):
            return "address"
        if to.port < LOWEST_PORT and to not in of.named:
            return "port"
        if is_private(to.host):
            if not near:
                return "private"
        elif self.is_vouched(of.peer, to.host):
            return None
        return None if self._within_free(to, of, now) else "unvouched"

    def note(self, to: Endpoint, of: Try, *, now: float) -> None:
        """A packet of this try goes to `to`."""
        of.endpoints[to] = of.endpoints.get(to, 0) + 1
        name = host_of(to.host)
        host = self._hosts.pop(name, None) or _Host()
        self._hosts[name] = host
        host.packets.append(now)
        if len(host.packets) > HOST_PACKETS:
            host.packets.popleft()
        if len(host.ports) <= FREE_PORTS or to.port in host.ports:
            host.ports[to.port] = now
        while len(self._hosts) > MOST_HOSTS:
            del self._hosts[next(iter(self._hosts))]

    def answered(self, source: Endpoint) -> None:
        """Somebody there speaks with us: what was sent to that host was not aimed at a stranger."""
        self._hosts.pop(host_of(source.host), None)

    def _within_free(self, to: Endpoint, of: Try, now: float) -> bool:
        if of.endpoints.get(to, 0) >= FREE_PACKETS:
            return False
        if to not in of.endpoints and len(of.endpoints) >= FREE_ENDPOINTS:
            return False
        host = self._hosts.get(host_of(to.host))
        if host is None:
            return True
        host.forget(now - HOST_WINDOW)
        known = to.port in host.ports or len(host.ports) < FREE_PORTS
        return known and len(host.packets) < HOST_PACKETS
