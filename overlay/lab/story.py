"""From a scenario to one shell script of `ip` and `nft`; pure.

A segment that joins two boxes is a veth pair; one that joins more is a bridge in the namespace `switch`:

    anna [home-a]====[home-a] router-a [internet]====[port0-1] switch (bridge) [port0-0]====[internet] vps

A device is named after its segment, so `ip addr` inside a namespace reads like the scenario. Everything for one
namespace is one `ip netns exec`, so a scene of ten boxes stands in about a tenth of a second.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from overlay.lab import userspace
from overlay.lab.scenario import Router, Scenario

SWITCH = "switch"
"""The namespace that holds all bridges of a scene."""


def namespace(tag: str, box: str) -> str:
    """The name of `box`'s namespace in the lab called `tag`."""
    return f"{tag}-{box}"


def build(scenario: Scenario, tag: str) -> str:
    """The script (for `sh -eu`) that builds `scenario`; all its namespaces begin with `tag`-."""
    plugs = _plugs(scenario)
    bridged = [segment for segment, boxes in plugs.items() if len(boxes) > 2]
    boxes = [*scenario.boxes(), *([SWITCH] if bridged else [])]
    lines = ["ip -batch - <<'END'"]
    lines += [f"netns add {namespace(tag, box)}" for box in boxes]
    lines += _wires(plugs, tag)
    lines.append("END")
    for box in scenario.boxes():
        lines += _inside(tag, box, _box_script(scenario, box))
    if bridged:
        lines += _inside(tag, SWITCH, _switch_script(plugs, bridged))
    return "\n".join(lines) + "\n"


def remove(namespaces: list[str]) -> str:
    """The batch (for `ip -batch -`) that removes `namespaces`."""
    return "".join(f"netns del {name}\n" for name in namespaces)


def _plugs(scenario: Scenario) -> dict[str, list[str]]:
    """Segment -> the boxes plugged in, in order of the file."""
    plugs: dict[str, list[str]] = {segment: [] for segment in scenario.segments}
    for name, box in scenario.boxes().items():
        for segment in box.links:
            plugs[segment].append(name)
    return plugs


def _ports(plugs: dict[str, list[str]], segment: str) -> list[str]:
    """The bridge's own device names, one a box."""
    return [f"port{list(plugs).index(segment)}-{position}" for position in range(len(plugs[segment]))]


def _wires(plugs: dict[str, list[str]], tag: str) -> Iterator[str]:
    for segment, boxes in plugs.items():
        if len(boxes) > 2:
            yield f"link add {segment} netns {namespace(tag, SWITCH)} type bridge stp_state 0 mcast_snooping 0"
            for port, box in zip(_ports(plugs, segment), boxes, strict=True):
                yield _veth(tag, box, segment, SWITCH, port)
        elif len(boxes) == 2:
            yield _veth(tag, boxes[0], segment, boxes[1], segment)
        elif boxes:
            yield f"link add {segment} netns {namespace(tag, boxes[0])} type bridge"


def _veth(tag: str, box: str, device: str, other: str, other_device: str) -> str:
    return (
        f"link add {device} netns {namespace(tag, box)} type veth"
        f" peer name {other_device} netns {namespace(tag, other)}"
    )


def _inside(tag: str, box: str, script: list[str]) -> list[str]:
    return [f"ip netns exec {namespace(tag, box)} sh -eu <<'BOX'", *script, "BOX"]


def _switch_script(plugs: dict[str, list[str]], bridged: list[str]) -> list[str]:
    lines = ["ip -batch - <<'END'", "link set lo up"]
    for segment in bridged:
        lines += [f"link set {port} master {segment} up" for port in _ports(plugs, segment)]
        lines.append(f"link set {segment} up")
    return [*lines, "END"]


def _box_script(scenario: Scenario, name: str) -> list[str]:
    box = scenario.boxes()[name]
    lines = [f"echo 0 > /proc/sys/net/ipv6/conf/{segment}/accept_dad" for segment in box.links]
    if isinstance(box, Router):
        lines += [f"echo 1 > /proc/sys/net/{key}" for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")]
        lines += ["nft -f - <<'END'", *_router_rules(box, box.links.get(box.outside, ())), "END"]
        lines += userspace.settings(box) if box.userspace else []
    lines += ["ip -batch - <<'END'", "link set lo up"]
    for segment, addresses in box.links.items():
        for address in addresses:
            if not userspace.holds(box, segment, address):
                lines.append(_address(scenario, segment, address))
        lines.append(f"link set {segment} up")
    lines += userspace.ways(scenario, box) if isinstance(box, Router) and box.userspace else []
    return [*lines, *_routes(scenario, name), "END"]


def _address(scenario: Scenario, segment: str, text: str) -> str:
    version = ipaddress.ip_address(text).version
    length = ipaddress.ip_network(scenario.prefix(segment, version)).prefixlen
    return f"addr add {text}/{length} dev {segment}" + (" nodad" if version == 6 else "")


def _routes(scenario: Scenario, name: str) -> Iterator[str]:
    """Default ways through the gateway, and ways to what other routers forward without translating."""
    box = scenario.boxes()[name]
    if box.gateway:
        router = scenario.routers[box.gateway]
        shared = next(segment for segment in box.links if segment in router.links and segment != router.outside)
        for version in _versions(scenario, shared):
            everything = "0.0.0.0/0" if version == 4 else "::/0"
            yield f"route add {everything} via {scenario.address(box.gateway, shared, version=version)}"
    for other, router in scenario.routers.items():
        if other != name and router.outside in box.links:
            yield from _routes_behind(scenario, other, router)


def _routes_behind(scenario: Scenario, name: str, router: Router) -> Iterator[str]:
    for segment in router.links:
        for version in _versions(scenario, router.outside) if segment != router.outside else ():
            prefix = scenario.prefix(segment, version)
            if prefix and (version == 6 or not router.translates):
                via = scenario.address(name, router.outside, version=version)
                yield f"route add {prefix} via {via}"


def _versions(scenario: Scenario, segment: str) -> list[int]:
    return [version for version in (4, 6) if scenario.prefix(segment, version)]


def _router_rules(router: Router, addresses: tuple[str, ...]) -> Iterator[str]:
    """As home routers do: nothing new from outside is let in or answered; IPv6 is routed, IPv4 translated."""
    outside = f'"{router.outside}"'
    only = "meta nfproto ipv6 " if router.userspace else ""
    yield "table inet lab {"
    yield "chain forward { type filter hook forward priority filter; policy accept;"
    if not router.udp:
        yield "meta l4proto udp counter drop"
    yield f"{only}iifname {outside} ct state new counter drop"
    yield "}"
    yield "chain input { type filter hook input priority filter; policy accept;"
    yield f"{only}iifname {outside} ct state new counter {router.input}"
    yield "}"
    if router.nat != "none":
        yield "chain leaving { type nat hook postrouting priority srcnat; policy accept;"
        yield from _translations(router, f"meta nfproto ipv4 oifname {outside}", addresses)
        yield "}"
    yield "}"


def _translations(router: Router, leaving: str, addresses: tuple[str, ...]) -> Iterator[str]:
    verb, _, flag = router.nat.partition(" ")
    if router.nat == "sequential":
        address = next(each for each in addresses if ":" not in each)
        yield f"{leaving} meta l4proto udp snat ip to {address} : {_counter(router)}"
        verb, flag = "masquerade", ""
    elif router.ports:
        for protocol in ("udp", "tcp"):
            yield f"{leaving} meta l4proto {protocol} {verb} to :{router.ports} {flag}"
    yield f"{leaving} {verb} {flag}"


def _counter(router: Router) -> str:
    """A counter of netfilter's that goes through the ports in order; without the map it would come byte-swapped."""
    low, high = router.port_range
    ports = range(low, high + 1, router.step) if router.step > 0 else range(high, low - 1, router.step)
    pairs = ", ".join(f"{place} : {port}" for place, port in enumerate(ports))
    return f"numgen inc mod {len(ports)} map {{ {pairs} }}"
