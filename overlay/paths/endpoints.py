"""Pure: which endpoints are ours, and which of a peer's may be dialled (protocol section 5)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from msgspec import Struct

from punch.addresses import LOWEST_PORT, scope
from punch.values import Endpoint, udp

_LINK_LOCAL = ipaddress.ip_network("fe80::/10")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Surroundings(Struct, frozen=True):
    """What this host knows of the network around it."""

    addresses: tuple[tuple[str, int, str], ...] = ()
    """(address, prefix length, interface name)."""
    reflexive: tuple[str, ...] = ()
    """Public hosts that others heard us from."""
    overlay: tuple[Network, ...] = ()
    """Overlay prefixes: never used as underlay."""

    def on_link(self, host: str) -> bool:
        """True when `host` lies in a prefix of one of our interfaces, and is not our own address."""
        address = ipaddress.ip_address(host.partition("%")[0])
        own = [ipaddress.ip_interface(f"{text}/{length}") for text, length, _ in self.addresses]
        return any(address.version == mine.version and address in mine.network and address != mine.ip for mine in own)

    def is_overlay(self, host: str) -> bool:
        """True when `host` is an inner address."""
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address.version == net.version and address in net for net in self.overlay)

    def own_hosts(self) -> tuple[str, ...]:
        """Our own addresses."""
        return tuple(text for text, _, _ in self.addresses)

    def broadcasts(self) -> tuple[str, ...]:
        """The broadcast addresses of our IPv4 subnets; those of two addresses or one have none (RFC 3021)."""
        nets = [ipaddress.ip_interface(f"{text}/{length}").network for text, length, _ in self.addresses]
        return tuple(str(net.broadcast_address) for net in nets if net.version == 4 and net.prefixlen < 31)


def may_dial(endpoint: Endpoint, *, around: Surroundings, shares_public: bool) -> bool:
    """Whether an endpoint out of a record may get packets of ours.

    `shares_public`: its node is seen from the same public host as we are, so its private addresses may be near.
    """
    kind = scope(endpoint.host)
    if kind == "never" or endpoint.port == 0 or endpoint.transport != "udp" or around.is_overlay(endpoint.host):
        return False
    if endpoint.host in around.own_hosts() or endpoint.host in around.broadcasts() or "%" in endpoint.host:
        return False
    return kind == "public" or around.on_link(endpoint.host) or shares_public


def may_claim(
    endpoint: Endpoint, named: Iterable[tuple[Endpoint, str]], *, around: Surroundings, shares_public: bool
) -> bool:
    """Whether a way may lead to where a probe came from: as for one that is dialled, and never to a port of the
    system's that the record `named` not."""
    system = endpoint.port < LOWEST_PORT and all(endpoint != each for each, _ in named)
    return not system and may_dial(endpoint, around=around, shares_public=shares_public)


def own_endpoints(
    around: Surroundings, *, ports: dict[bool, int], given: Iterable[Endpoint], seen: Iterable[Endpoint]
) -> list[tuple[Endpoint, str]]:
    """Our endpoints as (endpoint, kind), best first, each once; `ports` by is-IPv6.

    `given` come from --advertise, `seen` are where others heard us from (a NAT's mapping, kind `stun`).
    """
    found: dict[Endpoint, str] = {}
    for endpoint in given:
        found.setdefault(endpoint, "given")
    local: list[tuple[Endpoint, str]] = []
    for text, _, _ in around.addresses:
        reach, port = scope(text), ports.get(":" in text)
        if reach == "never" or port is None or around.is_overlay(text):
            continue
        if ":" in text and ipaddress.ip_address(text) in _LINK_LOCAL:
            continue
        local.append((udp(text, port), "public" if reach == "public" else "local"))
    for endpoint, kind in sorted(local, key=lambda pair: pair[1] != "public"):
        found.setdefault(endpoint, kind)
    for endpoint in seen:
        found.setdefault(endpoint, "stun")
    return list(found.items())
