"""Where a probe may go: the engine is no weapon (protocol section 9).

                                        vouched for           not vouched for
    ports of one host                   any number            8
    endpoints of one peer, one try      any number            12
    hosts of one peer                   any number            24 in 10 minutes
    packets to one endpoint, one try    any number            4
    unanswered packets to one host      any number            60 in 10 minutes, over all peers
    ports below 1,024                   those the peer named  those the peer named

A host is an IPv4 address or an IPv6 /64. Another member vouches for it by `Heard`, which holds for 90 s and for the
try that is under way. Never loopback, multicast, unspecified, broadcast, ourselves or what tunnels through us; private
addresses only where they can be the peer (on-link, or vouched for at our own public address).
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

from punch.addresses import LOWEST_PORT, REMEMBERED, Address, is_private, read_address, scope
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
FREE_HOSTS = 24
"""Hosts of one peer, over all tries in HOST_WINDOW, that need nobody's word: two tries with other endpoints each."""
VOUCHED_FOR = 90.0
"""Seconds a member's word holds; a relay repeats it while it carries for the pair."""
VOUCHED_HOSTS = 8
"""Hosts a peer is vouched for at once; the oldest word goes."""
EARLY_PEERS = 64
"""Peers that are not here yet and whose word is kept for them; the oldest goes."""
MOST_HOSTS = 4096
"""Hosts remembered for HOST_WINDOW; while there are so many no other one gets a packet without somebody's word."""
LAST_OF_A_SUBNET = ".255"
"""Ends the broadcast address of a usual subnet that is not ours."""

Refusal = Literal["address", "private", "port", "unvouched"]

_RESERVED = ipaddress.ip_network("240.0.0.0/4")


def is_sendable(endpoint: Endpoint) -> bool:
    """Whether anything may ever be sent there."""
    return endpoint.transport == "udp" and 1 <= endpoint.port <= 0xFFFF and _is_somebody(endpoint.host)


@lru_cache(maxsize=REMEMBERED)
def _is_somebody(host: str) -> bool:
    address = read_address(host)
    return scope(host) != "never" and not (address is not None and address.version == 4 and address in _RESERVED)


@lru_cache(maxsize=REMEMBERED)
def host_of(host: str) -> str:
    """What counts as one host: an IPv4 address, or the /64 of an IPv6 one."""
    address = read_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return host


def on_link(host: str, addresses: Iterable[str]) -> bool:
    """Whether `host` shares the usual prefix (/24, /64) with one of our own addresses."""
    address = read_address(host)
    for own_text in addresses:
        own = read_address(own_text)
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
        self.packets: deque[float] = deque(maxlen=HOST_PACKETS)
        self.ports: dict[int, float] = {}

    def forget(self, before: float) -> None:
        while self.packets and self.packets[0] < before:
            self.packets.popleft()
        if self.ports and min(self.ports.values()) < before:
            self.ports = {port: at for port, at in self.ports.items() if at >= before}


class Try:
    """What one try sent without anybody's word, what its peer named, and where that is vouched for."""

    __slots__ = ("clear", "endpoints", "named", "peer", "vouched")

    def __init__(self, peer: PeerId, named: Iterable[Endpoint], vouched: Iterable[str] = ()) -> None:
        self.peer = peer
        self.named = frozenset(named)
        self.endpoints: dict[Endpoint, int] = {}
        self.vouched = dict.fromkeys(vouched)
        """Hosts that were vouched for since it began."""
        self.clear: dict[str, int] = {}
        """Those of them that any number of packets may go to, and for which surroundings that was found."""


class Manners:
    """The counts, over all peers."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}
        """The one that got a packet longest ago first."""
        self._tried: dict[PeerId, dict[str, float]] = {}
        """When each host of a peer that nobody vouched for had its last packet, the longest ago first."""
        self._vouched: dict[PeerId, dict[str, float]] = {}
        """Until when each host of a peer that is here is vouched for ..."""
        self._early: dict[PeerId, dict[str, float]] = {}
        """... and of those that are not here yet."""
        self._never: frozenset[Address | None] = frozenset()
        self._overlay: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
        self._ours: dict[str, bool] = {}
        """What `is_ours` said of the last hosts, here."""
        self._surroundings = 0
        """How often they changed."""

    def surround(self, *, own: Iterable[str], broadcast: Iterable[str], overlay: Iterable[str]) -> None:
        """Our own addresses, the broadcast addresses of our subnets, the prefixes that tunnel through us: not there."""
        self._never = frozenset(read_address(each) for each in (*own, *broadcast))
        self._overlay = tuple(ipaddress.ip_network(each) for each in overlay)
        self._ours.clear()
        self._surroundings += 1

    def is_ours(self, host: str) -> bool:
        """Whether a host is none that could be the peer, as seen from here."""
        known = self._ours.get(host)
        if known is None:
            known = self._ours[host] = self._is_none(host)
            _shorten(self._ours, REMEMBERED)
        return known

    def _is_none(self, host: str) -> bool:
        address = read_address(host)
        if address is None or address in self._never:
            return True
        return any(address in network for network in self._overlay if network.version == address.version)

    def meet(self, peer: PeerId) -> None:
        """`peer` is here: what was said of it before counts."""
        self._vouched.setdefault(peer, self._early.pop(peer, {}))

    def vouch(self, peer: PeerId, host: str, by: PeerId, *, now: float) -> None:
        """`by` states that it hears `peer` from `host`; its own word counts for nothing."""
        if by == peer or read_address(host) is None:
            return
        hosts = self._vouched.get(peer)
        if hosts is None:
            hosts = self._early.setdefault(peer, {})
        hosts.pop(host_of(host), None)
        hosts[host_of(host)] = now + VOUCHED_FOR
        _shorten(hosts, VOUCHED_HOSTS)
        _shorten(self._early, EARLY_PEERS)

    def forget(self, peer: PeerId) -> None:
        """It is not here any more, and not remembered."""
        self._vouched.pop(peer, None)
        self._tried.pop(peer, None)

    def vouched(self, peer: PeerId, *, now: float) -> tuple[str, ...]:
        """The hosts (IPv6: prefixes) `peer` is vouched for at, newest first."""
        return tuple(host for host, until in reversed(self._vouched.get(peer, {}).items()) if now < until)

    def is_vouched(self, of: Try, host: str, *, now: float) -> bool:
        """Whether another member hears the peer from there, or did since this try began."""
        name = host_of(host)
        if now < self._vouched.get(of.peer, {}).get(name, now):
            of.vouched[name] = None
        return name in of.vouched

    def refusal(self, to: Endpoint, of: Try, *, near: bool, now: float) -> Refusal | None:
        """Why `to` gets no packet of this try now; None: it may. `near`: on-link or behind our own public address."""
        if self.is_clear(to, of):
            return None
        if not is_sendable(to) or self.is_ours(to.host):
            return "address"
        if to.port < LOWEST_PORT and to not in of.named:
            return "port"
        if is_private(to.host):
            if not near or to.host.endswith(LAST_OF_A_SUBNET):
                return "private"
        elif self.is_vouched(of, to.host, now=now):
            of.clear[to.host] = self._surroundings
            return None
        return None if self._within_free(to, of, now) else "unvouched"

    def is_clear(self, to: Endpoint, of: Try) -> bool:
        """Whether nothing forbids `to`, as was found before for another port of that host."""
        known = of.clear.get(to.host) == self._surroundings
        return known and to.transport == "udp" and LOWEST_PORT <= to.port <= 0xFFFF

    def note(self, to: Endpoint, of: Try, *, now: float) -> None:
        """A packet of this try goes to `to`."""
        of.endpoints[to] = of.endpoints.get(to, 0) + 1
        name = host_of(to.host)
        if to.host not in of.clear and (is_private(to.host) or not self.is_vouched(of, to.host, now=now)):
            tried = self._tried.setdefault(of.peer, {})
            tried.pop(name, None)
            tried[name] = now
        if name not in self._hosts and not self._has_space(now):
            return
        host = self._hosts.pop(name, None) or _Host()
        self._hosts[name] = host
        host.packets.append(now)
        if len(host.ports) <= FREE_PORTS or to.port in host.ports:
            host.ports[to.port] = now

    def answered(self, source: Endpoint) -> None:
        """Somebody there is proven to speak with us: what was sent to that host was not aimed at a stranger."""
        self._hosts.pop(host_of(source.host), None)

    def _within_free(self, to: Endpoint, of: Try, now: float) -> bool:
        if of.endpoints.get(to, 0) >= FREE_PACKETS:
            return False
        if to not in of.endpoints and len(of.endpoints) >= FREE_ENDPOINTS:
            return False
        name = host_of(to.host)
        if not self._is_of_few(of.peer, name, now):
            return False
        host = self._hosts.get(name)
        if host is None:
            return self._has_space(now)
        host.forget(now - HOST_WINDOW)
        known = to.port in host.ports or len(host.ports) < FREE_PORTS
        return known and len(host.packets) < HOST_PACKETS

    def _is_of_few(self, peer: PeerId, name: str, now: float) -> bool:
        """Whether a host is one of the few that a peer may name in HOST_WINDOW."""
        tried = self._tried.get(peer, {})
        while tried and next(iter(tried.values())) < now - HOST_WINDOW:
            del tried[next(iter(tried))]
        return name in tried or len(tried) < FREE_HOSTS

    def _has_space(self, now: float) -> bool:
        """Whether one more host can be counted; those whose time is over go."""
        while self._hosts and next(iter(self._hosts.values())).packets[-1] < now - HOST_WINDOW:
            del self._hosts[next(iter(self._hosts))]
        return len(self._hosts) < MOST_HOSTS


def _shorten(table: dict[Any, Any], most: int) -> None:
    """The oldest go."""
    while len(table) > most:
        del table[next(iter(table))]
