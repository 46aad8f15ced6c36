"""What stands where: a scenario as values, read from TOML, every fault of it named at once; pure."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from overlay.errors import UsageError
from punch.sim.model import HIGH_PORT, LOW_PORT, NatModel
from punch.sim.zoo import KINDS

_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")
"""Names of segments are device names (15 bytes, `linux/if.h`); hosts and routers are named alike."""

_PORTS = re.compile(r"(\d{1,5})-(\d{1,5})")

SEQUENTIAL_PORTS = "20000-24095"
"""Enough that a counter does not come round within the life of an entry, and few enough for a map."""

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
    """A home router: forwards, translates IPv4 if `nat` or `userspace` says so, and lets nothing new in from outside.

    `nat` is done by netfilter; `userspace` is a model of punch.sim that a program beside the lab runs on a TUN.
    """

    links: Links
    """Of the outside addresses, netfilter uses the first, a userspace NAT all."""
    outside: str
    """The segment towards the internet."""
    nat: Literal["none", "masquerade", "masquerade fully-random", "sequential"] = "none"
    """netfilter's words: `masquerade` keeps ports where it can (NAT3), `fully-random` draws one a flow (NAT4);
    `sequential` counts through `ports` by a `numgen` map (NAT4, nat-science section 1.2)."""
    ports: str = ""
    """Range of outside ports, `40000-49999`; empty: netfilter's own, for sequential 20000-24095."""
    step: Annotated[int, Meta(ge=-4096, le=4096)] = 1
    """sequential: what the counter advances by."""
    input: Literal["drop", "reject", "accept"] = "drop"
    """What becomes of packets to the router itself that nobody asked for (nat-science section 5.4)."""
    foreign: Annotated[float, Meta(ge=0.0, le=2000.0)] = 0.0
    """Mappings a second that somebody else makes here; a userspace NAT has them in its model."""
    userspace: str | NatModel = ""
    """A model in netfilter's place: its fields, or the name of a kind of punch.sim.zoo that is one NAT."""
    udp: bool = True
    """False: forwards no UDP at all."""
    gateway: str = ""
    """The next router outwards (double NAT)."""

    @property
    def translates(self) -> bool:
        """Whether addresses behind it are hidden."""
        return self.nat != "none" or bool(self.userspace)

    @property
    def port_range(self) -> tuple[int, int]:
        """Lowest and highest outside port."""
        low, _, high = (self.ports or (SEQUENTIAL_PORTS if self.nat == "sequential" else "")).partition("-")
        return (int(low), int(high)) if high else (LOW_PORT, HIGH_PORT)

    def model(self) -> NatModel | None:
        """The NAT it is, as a model; None: it translates nothing. Of `nat` this is what netfilter does in effect."""
        if isinstance(self.userspace, NatModel):
            return self.userspace
        if self.userspace:
            return KINDS[self.userspace].models[0]
        low, high = self.port_range
        common = {"low": low, "high": high, "input": self.input, "foreign": self.foreign, "udp": self.udp}
        match self.nat:
            case "none":
                return None
            case "masquerade":
                allocator = "uniform" if self.ports else "preserving"
                return msgspec.convert({"allocator": allocator, **common}, NatModel)
            case "masquerade fully-random":
                return msgspec.convert({"mapping": "apdm", "allocator": "uniform", **common}, NatModel)
            case "sequential":
                counter = {"mapping": "apdm", "allocator": "sequential", "step": self.step}
                return msgspec.convert({**counter, **common}, NatModel)


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
    where = f"routers.{name}"
    if router.outside not in router.links:
        yield f"{where}.outside: {router.outside!r} is none of its links"
    if router.ports:
        match = _PORTS.fullmatch(router.ports)
        if not match or not 1 <= int(match[1]) <= int(match[2]) <= 65535:
            yield f"{where}.ports: {router.ports!r} is no range of ports like 40000-49999"
        elif router.nat == "none":
            yield f"{where}.ports: says nothing without nat"
    if (router.step != 1 and router.nat != "sequential") or not router.step:
        yield f'{where}.step: {router.step} says nothing without nat = "sequential"'
    if router.foreign and router.nat == "none":
        yield f"{where}.foreign: says nothing without nat"
    yield from _userspace_faults(where, router)


def _userspace_faults(where: str, router: Router) -> Iterator[str]:
    if not router.userspace:
        return
    if router.nat != "none" or router.input != "drop" or not router.udp:
        yield f"{where}.userspace: the model says it all; leave out nat, input and udp"
    if isinstance(router.userspace, NatModel):
        yield from (f"{where}.userspace: {fault}" for fault in router.userspace.faults())
    elif len(kind.models if (kind := KINDS.get(router.userspace)) else ()) != 1:
        single = ", ".join(name for name, kind in KINDS.items() if len(kind.models) == 1)
        yield f"{where}.userspace: no single NAT is called {router.userspace!r}; there are {single}"
