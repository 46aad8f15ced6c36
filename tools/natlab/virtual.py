"""A scenario file in virtual time: the same segments, hosts and NATs, as a world of punch.sim.

segment that no router has inside -> the internet      router -> Nat, or OpenRouter if it translates nothing
netfilter's words -> what netfilter does in effect (Router.model)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from overlay.errors import UsageError
from overlay.lab.scenario import Router, Scenario
from punch.sim import Host, Link, Nat, OpenRouter, World
from punch.sim.network import Router as SimRouter
from punch.sim.world import INTERNET, LAN_LINK, WAN_LINK

Nats = dict[str, Nat]
"""Router -> its NAT."""


def build(
    scenario: Scenario, hosts: Mapping[str, Host], *, seed: int | str, link: Link = WAN_LINK, hops: int = 0
) -> tuple[World, Nats]:
    """A world of `scenario` in which its hosts are `hosts`; `link` and `hops`: what the internet is like.

    Raises:
        UsageError: the scene is not a tree below one internet, or a host is missing.
    """
    missing = [name for name in scenario.hosts if name not in hosts]
    if missing:
        raise UsageError(f"no host for {', '.join(missing)}", "hand one over for each host of the scenario")
    world = World(seed=seed, link=link, hops=hops)
    top, below = _arranged(scenario)
    names, nats = {top: INTERNET}, Nats()
    for name, router, inside in below:
        box = _box(world, scenario, name, router)
        world.lan(inside, router=box, upstream=names[router.outside], uplink=link, link=LAN_LINK)
        names[inside] = inside
        if isinstance(box, Nat):
            nats[name] = box
    for name, host in scenario.hosts.items():
        world.add(name, hosts[name])
        for segment, addresses in host.links.items():
            for address in addresses:
                world.attach(name, address, network=names[segment])
    return world, nats


def _box(world: World, scenario: Scenario, name: str, router: Router) -> SimRouter:
    model = router.model()
    if model is None:
        return OpenRouter()
    addresses = [each for each in router.links[router.outside] if ":" not in each]
    kept = addresses if router.userspace else addresses[:1]
    return Nat(model, *kept, entropy=world.dice(f"nat {name}"))


def _arranged(scenario: Scenario) -> tuple[str, list[tuple[str, Router, str]]]:
    """The internet's segment, and (router, its inside segment) from there downwards."""
    inside = {segment: None for _, _, segment in _ways(scenario)}
    tops = [segment for segment in scenario.segments if segment not in inside]
    if len(tops) != 1:
        raise UsageError(f"{len(tops)} segments are nobody's inside", "in virtual time a scene has one internet")
    placed, below, waiting = {tops[0]}, list[tuple[str, Router, str]](), list(_ways(scenario))
    while waiting:
        ready = [way for way in waiting if way[1].outside in placed and way[2] not in placed]
        if not ready:
            raise UsageError(f"{waiting[0][0]} hangs in the air", "in virtual time a segment has one router")
        below.append(ready[0])
        placed.add(ready[0][2])
        waiting.remove(ready[0])
    return tops[0], below


def _ways(scenario: Scenario) -> Iterator[tuple[str, Router, str]]:
    for name, router in scenario.routers.items():
        for segment in router.links:
            if segment != router.outside:
                yield name, router, segment
