"""The zoo is what its labels say: each kind is read by hand, through a world, against its own expectation."""

from __future__ import annotations

import itertools

import pytest
from msgspec import structs

from punch.sim import Datagram, World
from punch.sim.zoo import KINDS, READABLE, Kind, misread, settle
from punch.values import Endpoint, NatProfile, udp
from tests.punch.sim.hosts import Echo, Listener

S, T = "203.0.113.1", "203.0.113.2"


class Seer(Listener):
    """Writes down the whole source."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Endpoint] = []

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """Keep it."""
        self.seen.append(source)


def stage(kind: Kind, seed: int = 1) -> tuple[World, Listener, Seer, Seer]:
    world = World(seed=seed)
    ann, first, second = Listener(), Seer(), Seer()
    world.add("first", first, S)
    world.add("second", second, T)
    settle(world, kind, "ann", ann, number=3)
    return world, ann, first, second


def say(world: World, host: Listener, port: int, to: Endpoint, ttl: int = 0) -> None:
    host.out.append(Datagram(udp(world.addresses("ann")[0], port), to, b"", ttl))
    world.run_for(0.5)


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.models], ids=lambda kind: kind.name)
def test_a_kind_maps_as_it_says(kind: Kind) -> None:
    world, ann, first, second = stage(kind)
    for to in (udp(S, 1), udp(S, 2), udp(T, 1)):
        say(world, ann, 5000, to)
    if kind.expected.blocked:
        assert first.seen == []
        return
    one, two = first.seen
    (three,) = second.seen
    assert kind.expected.mapping == ("eim" if one == two == three else "adm" if one == two else "apdm")


@pytest.mark.parametrize("kind", READABLE.values(), ids=lambda kind: kind.name)
def test_fresh_sockets_get_ports_as_it_says(kind: Kind) -> None:
    world, ann, first, _ = stage(kind)
    for port in range(5000, 5010):
        say(world, ann, port, udp(S, 1))
    ports = [seen.port for seen in first.seen]
    steps = [after - before for before, after in itertools.pairwise(ports)]
    match kind.expected.allocation:
        case "preserving":
            assert sum(port == 5000 + place for place, port in enumerate(ports)) >= 7
        case "sequential":
            assert all(step % kind.expected.step == 0 and step * kind.expected.step > 0 for step in steps)
        case "block":
            assert max(ports) - min(ports) < kind.models[-1].size
        case "uniform":
            assert max(ports) - min(ports) > 20_000
    assert (kind.expected.pooling == "arbitrary") == (len({seen.host for seen in first.seen}) > 1)
    if kind.expected.parity:
        assert all(port % 2 == place % 2 for place, port in enumerate(ports))


@pytest.mark.parametrize("kind", READABLE.values(), ids=lambda kind: kind.name)
def test_its_outermost_nat_is_as_far_as_it_says(kind: Kind) -> None:
    if kind.expected.distance is None:
        return
    for ttl in range(1, kind.expected.distance + 2):
        world, ann, first, _ = stage(kind)
        say(world, ann, 5000, udp(S, 1), ttl)
        assert bool(first.seen) == (ttl > kind.expected.distance)


def test_two_of_a_kind_do_not_meet_by_accident() -> None:
    world = World(seed=1)
    for number, (name, kind) in enumerate(sorted(KINDS.items())[:20]):
        settle(world, kind, name, Echo(), number=number + 1)
    assert len({nat for name in sorted(KINDS)[:20] for nat in world.addresses(name)}) == 20


def test_a_reader_is_judged_by_what_it_says() -> None:
    kind = KINDS["nat4-sequential-two"]
    assert misread(kind, kind.expected) == ()
    assert misread(kind, structs.replace(kind.expected, step=1, parity=None, hairpin=True)) == ("step", "hairpin")
    assert misread(kind, NatProfile()) == ("mapping", "filtering", "allocation")
    assert misread(KINDS["nat4-mixed"], structs.replace(kind.expected, allocation="cluster")) == ()
    assert misread(KINDS["open"], NatProfile(mapping="eim")) == ("open",)


def test_there_are_twenty_kinds_to_read() -> None:
    assert len(READABLE) >= 20
    assert len({kind.expected for kind in READABLE.values()}) >= 20
