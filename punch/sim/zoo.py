"""NATs by name, and what a perfect reader would say of each.

    KINDS["nat4-sequential"]  -> Kind(models, addresses, expected)
    settle(world, kind, "ann", host, number=1)  host -- home -- router (-- carrier's segment -- carrier) -- internet
    misread(kind, profile)    -> ("step", ...)       the axes a reader got wrong

Every home has its own prefix, 192.168.NUMBER.0/24, and public addresses of a documentation range (RFC 5737).
"""

from __future__ import annotations

from msgspec import Struct, structs

from punch.sim.host import Host
from punch.sim.link import Link
from punch.sim.model import NatModel
from punch.sim.nat import Nat
from punch.sim.world import INTERNET, World
from punch.values import Allocation, NatProfile

ADDRESSES_EACH = 8
"""Public addresses set aside for each NAT."""
UPLINK = Link(delay=0.005)
_STRICTNESS = ("eim", "adm", "apdm", "eif", "adf", "apdf")


class Kind(Struct, frozen=True, kw_only=True):
    """A host's way to the internet."""

    name: str
    models: tuple[NatModel, ...]
    """The host's own router first, the outermost last; none: a public address."""
    addresses: int = 1
    """Public addresses of the outermost."""
    hops: int = 0
    """Routers that translate nothing between the host's own and the outermost NAT."""
    expected: NatProfile
    """What is true of it; an axis with None is not judged, nor an allocation `unknown` or its step."""


_AXES = ("mapping", "filtering", "allocation", "step", "pooling", "parity", "poisonable", "hairpin", "open", "blocked")


def misread(kind: Kind, profile: NatProfile) -> tuple[str, ...]:
    """The axes on which a reader says something false; undecided is not false, except for the first three."""
    wrong = []
    for axis in _AXES:
        truth, said = getattr(kind.expected, axis), getattr(profile, axis)
        unjudged = axis == "step" and kind.expected.allocation == "unknown"
        if unjudged or truth in (None, "unknown") or truth == said:
            continue
        undecided = said in (None, "unknown") or (axis == "step" and said == 0)
        if axis in ("mapping", "filtering", "allocation") or not undecided:
            wrong.append(axis)
    return tuple(wrong)


def settle(
    world: World, kind: Kind, name: str, host: Host, *, number: int, uplink: Link = UPLINK, link: Link | None = None
) -> list[Nat]:
    """Put `host` in `world` behind NATs of this kind; returns them, its own router's first.

    `number` (1..127) sets prefixes and public addresses apart from those of others; `link`: the host's own wires.
    """
    home = build(world, kind, name, number=number, uplink=uplink)
    world.add(name, host, home.address, network=home.network, link=link)
    return home.nats


class Home(Struct, frozen=True):
    """Where a host may live: a segment, an address there, and the NATs above, its own router first."""

    network: str
    address: str
    nats: list[Nat]


def build(world: World, kind: Kind, name: str, *, number: int, uplink: Link = UPLINK) -> Home:
    """Lay the segments and NATs of one home; nobody lives there yet. `number` as for `settle`."""
    first = ADDRESSES_EACH * number
    public = [f"198.51.{100 + first // 256}.{first % 256 + each}" for each in range(max(1, kind.addresses))]
    nats: list[Nat] = []
    above, inner = INTERNET, ""
    for depth in reversed(range(len(kind.models))):
        outermost = depth == len(kind.models) - 1
        addresses = public if outermost else [inner]
        box = Nat(kind.models[depth], *addresses, entropy=world.dice(f"{name} nat {depth}"))
        segment = f"{name} {depth}"
        world.lan(segment, router=box, upstream=above, uplink=uplink, hops=0 if depth == 0 else kind.hops)
        nats.insert(0, box)
        above, inner = segment, f"100.64.{number}.{depth + 1}"
    return Home(above, f"192.168.{number}.2" if nats else public[0], nats)


def expectation(models: tuple[NatModel, ...], addresses: int = 1, hops: int = 0) -> NatProfile:
    """What is true of a host behind these NATs."""
    if not models:
        return NatProfile(open=True, distance=0)
    if not all(model.udp for model in models):
        return NatProfile(blocked=True)
    outer = models[-1]
    return NatProfile(
        mapping=max((model.mapping for model in models), key=_STRICTNESS.index),
        filtering=max((model.filtering for model in models), key=_STRICTNESS.index),
        allocation=_allocation(models),
        step=outer.step if outer.allocator == "sequential" else 0,
        foreign=outer.foreign if outer.allocator == "sequential" else None,
        pooling="arbitrary" if addresses > 1 and outer.pooling == "arbitrary" else "paired",
        parity=_parity(models),
        poisonable=any(model.input == "accept" for model in models),
        hairpin=outer.hairpin,
        lifetime=min(model.unreplied for model in models),
        distance=len(models) + (hops if len(models) > 1 else 0),
    )


def _allocation(models: tuple[NatModel, ...]) -> Allocation:
    outer = models[-1]
    if outer.allocator == "preserving":
        return "preserving" if outer.conflict < 0.5 and _kept(models[:-1]) else "unknown"
    if outer.allocator == "block":
        return "block" if outer.aligned else "unknown"
    return outer.allocator if outer.allocator in ("sequential", "cluster", "uniform") else "unknown"


def _kept(models: tuple[NatModel, ...]) -> bool:
    return all(model.allocator == "preserving" for model in models)


def _parity(models: tuple[NatModel, ...]) -> bool | None:
    if all(model.parity or (model.allocator == "preserving" and not model.conflict) for model in models):
        return True
    return False if models[-1].allocator in ("uniform", "block") and not models[-1].parity else None


def _kind(name: str, *models: NatModel, addresses: int = 1, hops: int = 0) -> tuple[str, Kind]:
    expected = expectation(models, addresses, hops)
    return name, Kind(name=name, models=models, addresses=addresses, hops=hops, expected=expected)


HOME = NatModel()
FOUR = NatModel(mapping="apdm", allocator="uniform")
COUNTER = NatModel(mapping="apdm", allocator="sequential")
BLOCK = NatModel(mapping="apdm", allocator="block")
CARRIER = structs.replace(BLOCK, size=1024, unreplied=15.0, replied=300.0)
"""As Nokia's 7750 (nat-science section 1.3)."""


def _with(model: NatModel, **changes: object) -> NatModel:
    return structs.replace(model, **changes)


READABLE: dict[str, Kind] = dict(
    [
        _kind("open"),
        _kind("blocked", _with(HOME, udp=False)),
        _kind("nat1", _with(HOME, filtering="eif")),
        _kind("nat1-uniform", _with(HOME, filtering="eif", allocator="uniform")),
        _kind("nat2", _with(HOME, filtering="adf")),
        _kind("nat3", HOME),
        _kind("nat3-uniform", _with(HOME, allocator="uniform")),
        _kind("nat3-sequential", _with(HOME, allocator="sequential")),
        _kind("nat3-parity", _with(HOME, allocator="uniform", parity=True)),
        _kind("nat3-poisonable", _with(HOME, input="accept")),
        _kind("nat3-reject", _with(HOME, input="reject")),
        _kind("nat3-hairpin", _with(HOME, hairpin=True)),
        _kind("adm", NatModel(mapping="adm", allocator="uniform")),
        _kind("adm-sequential", NatModel(mapping="adm", filtering="adf", allocator="sequential")),
        _kind("nat4-preserving", NatModel(mapping="apdm", conflict=0.1)),
        _kind("nat4-sequential", COUNTER),
        _kind("nat4-sequential-down", _with(COUNTER, step=-1)),
        _kind("nat4-sequential-two", _with(COUNTER, step=2, foreign=5.0)),
        _kind("nat4-sequential-eight", _with(COUNTER, step=8, foreign=20.0)),
        _kind("nat4-sequential-fifty", _with(COUNTER, foreign=50.0)),
        _kind("nat4-sequential-busy", _with(COUNTER, foreign=100.0)),
        _kind("nat4-block-512", BLOCK),
        _kind("nat4-block-1024", _with(BLOCK, size=1024)),
        _kind("nat4-block-4096", _with(BLOCK, size=4096)),
        _kind("nat4-uniform", FOUR),
        _kind("nat4-uniform-parity", _with(FOUR, parity=True)),
        _kind("nat4-arbitrary", _with(FOUR, pooling="arbitrary"), addresses=4),
        _kind("nat4-cluster", _with(FOUR, allocator="cluster")),
        _kind("cgn-preserving", HOME, HOME, hops=1),
        _kind("cgn-sequential", HOME, _with(COUNTER, foreign=30.0), hops=2),
        _kind("cgn-block", HOME, CARRIER, hops=3),
        _kind("cgn-uniform", HOME, FOUR, hops=4),
    ]
)
"""Kinds whose every axis can be told."""

STRANGE: dict[str, Kind] = dict(
    [
        _kind("nat4-multicore", _with(COUNTER, allocator="multicore", foreign=50.0)),
        _kind("nat4-mixed", _with(COUNTER, allocator="mixed", foreign=50.0)),
        _kind("nat4-half", _with(COUNTER, allocator="half", share=0.5, foreign=30.0)),
        _kind("nat4-two-blocks", _with(BLOCK, allocator="two-blocks")),
        _kind("nat4-scatter", _with(COUNTER, allocator="scatter")),
        _kind("nat4-random-step", _with(COUNTER, allocator="random-step", step=8, foreign=20.0)),
        _kind("nat4-unaligned", _with(BLOCK, size=1000, aligned=False)),
        _kind("nat4-swapped", _with(COUNTER, allocator="swapped")),
        _kind("nat4-block-counter", _with(COUNTER, low=20480, high=20991, foreign=5.0)),
        _kind("nat4-sequential-flood", _with(COUNTER, foreign=1000.0)),
    ]
)
"""Allocators that no hypothesis models, or hardly (nat-science section 4.3)."""

TRYING: dict[str, Kind] = dict(
    [
        _kind("nat3-forgetful", _with(HOME, unreplied=10.0, replied=10.0)),
        _kind("nat3-tiny", _with(HOME, table=128)),
        _kind("nat3-screened", _with(HOME, scan_ports=10)),
        _kind("nat4-forgetful", _with(FOUR, unreplied=10.0, replied=10.0)),
        _kind("nat4-tiny", _with(FOUR, table=128)),
        _kind("nat4-slow", _with(FOUR, new_rate=20.0)),
        _kind("nat4-quota", _with(CARRIER, host_table=300)),
    ]
)
"""NATs that make it hard: short lives, small tables, screens, quotas."""

KINDS: dict[str, Kind] = READABLE | STRANGE | TRYING
