"""A scenario file in virtual time: who reaches whom is what the kernel would say."""

from __future__ import annotations

import pytest
from msgspec import structs

from overlay.errors import UsageError
from overlay.lab import load_scenario, scenario_names
from punch.sim import Datagram
from punch.values import Endpoint, udp
from tests.punch.sim.hosts import Listener
from tools.natlab.virtual import build

OF_TWO_INTERNETS = {"relay-only", "two-relays"}


class Ear(Listener):
    """Hears from whom exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[Endpoint] = []

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        self.sources.append(source)


@pytest.mark.parametrize("name", [name for name in scenario_names() if name not in OF_TWO_INTERNETS])
def test_every_scene_stands_in_virtual_time(name: str) -> None:
    scenario = load_scenario(name)
    ears = {host: Ear() for host in scenario.hosts}
    world, nats = build(scenario, ears, seed=1)
    assert set(nats) == {name for name, router in scenario.routers.items() if router.translates}
    first = next(iter(scenario.hosts))
    version = 6 if ":" in world.addresses(first)[0] else 4
    to = udp(scenario.address(first, version=version), 7000)
    for host in list(scenario.hosts)[1:]:
        ears[host].out.append(Datagram(udp(scenario.address(host, version=version), 5000), to, b""))
    world.run_for(1.0)
    blocked = [name for name, router in scenario.routers.items() if not router.udp]
    assert len(ears[first].sources) == len(scenario.hosts) - 1 - len(blocked)


def test_names_of_netfilter_and_of_the_zoo_become_nats() -> None:
    scenario = load_scenario("nat3-seq-busy")
    _, nats = build(scenario, {name: Listener() for name in scenario.hosts}, seed=1)
    assert nats["router-a"].model.allocator == "preserving"
    assert (nats["router-b"].model.allocator, nats["router-b"].model.foreign) == ("sequential", 100.0)
    assert nats["router-b"].addresses == ("198.51.100.22",)


def test_a_double_nat_translates_twice() -> None:
    scenario = load_scenario("double-nat")
    ears = {host: Ear() for host in scenario.hosts}
    world, nats = build(scenario, ears, seed=1)
    ears["anna"].out.append(Datagram(udp("192.168.1.2", 5000), udp("198.51.100.10", 7000), b""))
    world.run_for(1.0)
    assert [source.host for source in ears["vps"].sources] == ["198.51.100.21"]
    assert [nats[name].entries(now=1.0) for name in ("router-a", "carrier", "router-b")] == [1, 1, 0]


def test_a_scene_that_is_no_tree_is_refused() -> None:
    for name in sorted(OF_TWO_INTERNETS):
        scenario = load_scenario(name)
        with pytest.raises(UsageError):
            build(scenario, {host: Listener() for host in scenario.hosts}, seed=1)
    scenario = load_scenario("nat3-nat3")
    with pytest.raises(UsageError, match="vps2"):
        build(scenario, {host: Listener() for host in scenario.hosts if host != "vps2"}, seed=1)
    links = {**scenario.routers["router-a"].links, "home-b": ("192.168.2.9",)}
    shared = {**scenario.routers, "router-a": structs.replace(scenario.routers["router-a"], links=links)}
    with pytest.raises(UsageError, match="hangs in the air"):
        build(structs.replace(scenario, routers=shared), {host: Listener() for host in scenario.hosts}, seed=1)
