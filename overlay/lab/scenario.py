"""What stands where: a scenario as values, read from TOML, every fault of it named at once; pure."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct, field

from overlay.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")
"""Names of segments are device names (15 bytes, `linux/if.h`); hosts and routers are named alike."""

_PORTS = re.compile(r"(\d{1,5})-(\d{1,5})")

Links = dict[str, tuple[str, ...]]
"""Segment name -> the addresses held there (without prefix length)."""


class Segment(Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of wire: whoever holds an address on it reaches all others there."""

    ipv4: str = ""
    """Prefix, `198.51.100.0/24`; documentation ranges stand for the internet (protocol section 5)."""
    ipv6: str = ""
    """Prefix, `2001:db8:1::/64`."""


class Host(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A host, in a namespace of its own."""

    links: Links
    gateway: str = ""
    """Name of the router that is its default way."""


class Router(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A home router: forwards, translates IPv4 if `nat` says so, and lets nothing new in from outside."""

    links: Links
    outside: str
    """The segment towards the internet."""
    nat: Literal["none", "masquerade", "masquerade fully-random"] = "none"
    """netfilter's words: `masquerade` keeps ports where it can (NAT3), `fully-random` draws one a flow (NAT4)."""
    ports: str = ""
    """Range of outside ports, `40000-49999`; empty: netfilter's own."""
    udp: bool = True
    """False: forwards no UDP at all."""
    gateway: str = ""
    """The next router outwards (double NAT)."""


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scene."""

    title: str
    """A sentence for people."""
    segments: dict[str, Segment]
    hosts: dict[str, Host]
    routers: dict[str, Router] = field(default_factory=dict)

    def boxes(self) -> dict[str, Host | Router]:
        """Hosts and routers by name, hosts first."""
        return {**self.hosts, **self.routers}

    def address(self, box: str, segment: str = "", *, version: int = 4) -> str:
        """The first address of `box` with this IP version, on `segment` or on any.

        Raises:
            KeyError: there is none.
        """
        for name, addresses in self.boxes()[box].links.items():
            for address in addresses:
                if segment in ("", name) and ipaddress.ip_address(address).version == version:
                    return address
        raise KeyError(f"{box} has no IPv{version} address" + (f" on {segment}" if segment else ""))

    def prefix(self, segment: str, version: int) -> str:
        """The prefix of `segment` for this IP version, or an empty string."""
        return self.segments[segment].ipv4 if version == 4 else self.segments[segment].ipv6


def parse_scenario(text: str, *, origin: str) -> Scenario:
    """Read a scenario from TOML; `origin` names it in errors.

    Raises:
        UsageError: it is no TOML, has a wrong key or type, or does not fit together.
    """
    try:
        scenario = msgspec.convert(tomllib.loads(text), Scenario)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{origin}: {error}", "correct the scenario file") from None
    faults = list(_faults(scenario))
    if faults:
        raise UsageError("\n".join(f"{origin}: {fault}" for fault in faults), "correct the scenario file")
    return scenario


def _faults(scenario: Scenario) -> Iterator[str]:
    for kind, names in (("segments", scenario.segments), ("hosts", scenario.hosts), ("routers", scenario.routers)):
        for name in names:
            if not _NAME.fullmatch(name):
                yield f"{kind}.{name}: a name is 1-15 of a-z, 0-9 and -, a letter first"
    for name in scenario.routers:
        if name in scenario.hosts:
            yield f"routers.{name}: a host has this name too"
    for name, segment in scenario.segments.items():
        yield from _prefix_faults(name, segment)
    holders: dict[str, str] = {}
    for name, box in scenario.boxes().items():
        yield from _link_faults(scenario, name, box, holders)
        yield from _gateway_faults(scenario, name, box)
        if isinstance(box, Router):
            yield from _router_faults(name, box)


def _prefix_faults(name: str, segment: Segment) -> Iterator[str]:
    if not (segment.ipv4 or segment.ipv6):
        yield f"segments.{name}: give ipv4 or ipv6"
    for key, version in (("ipv4", 4), ("ipv6", 6)):
        text = getattr(segment, key)
        try:
            if text and ipaddress.ip_network(text).version != version:
                yield f"segments.{name}.{key}: {text} is not IPv{version}"
        except ValueError as error:
            yield f"segments.{name}.{key}: {error}"


def _link_faults(scenario: Scenario, name: str, box: Host | Router, holders: dict[str, str]) -> Iterator[str]:
    for segment, addresses in box.links.items():
        where = f"{name}.links.{segment}"
        if segment not in scenario.segments:
            yield f"{where}: no such segment; there are {', '.join(scenario.segments)}"
            continue
        for address in addresses:
            if address in holders:
                yield f"{where}: {holders[address]} holds {address} already"
            holders[address] = name
            if not _inside(scenario, segment, address):
                yield f"{where}: {address!r} is no address inside the segment's prefix"


def _inside(scenario: Scenario, segment: str, text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
        prefix = scenario.prefix(segment, address.version)
        return bool(prefix) and address in ipaddress.ip_network(prefix)
    except ValueError:
        return False


def _gateway_faults(scenario: Scenario, name: str, box: Host | Router) -> Iterator[str]:
    if not box.gateway:
        return
    router = scenario.routers.get(box.gateway)
    if router is None:
        yield f"{name}.gateway: no router {box.gateway!r}; there are {', '.join(scenario.routers) or 'none'}"
    elif not any(segment in router.links and segment != router.outside for segment in box.links):
        yield f"{name}.gateway: {box.gateway} has no inside segment in common with it"


def _router_faults(name: str, router: Router) -> Iterator[str]:
    if router.outside not in router.links:
        yield f"routers.{name}.outside: {router.outside!r} is none of its links"
    if router.ports:
        match = _PORTS.fullmatch(router.ports)
        if not match or not 1 <= int(match[1]) <= int(match[2]) <= 65535:
            yield f"routers.{name}.ports: {router.ports!r} is no range of ports like 40000-49999"
        elif router.nat == "none":
            yield f"routers.{name}.ports: says nothing without nat"
