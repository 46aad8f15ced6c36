"""Answers -> NatProfile, without a clock or a socket.

    same socket, other port of the server      other port seen -> apdm          same -> eim or adm
    same socket, other host                    other port seen -> adm           same -> eim
    fresh sockets, same server                 allocation, step, foreign rate, pooling, parity
    an answer from a port never written to     came -> adf or eif               silence -> apdf
    an answer from a host never written to     came -> eif                      silence -> adf
    then written to, seen elsewhere            poisonable (nat-science 5.4)

What several readings are left of is told as the strictest, and named by `undecided`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from functools import lru_cache
from typing import Literal

from msgspec import Struct, structs

from punch.predict.posterior import families
from punch.signals import Sample
from punch.values import Allocation, Endpoint, Filtering, Mapping, NatProfile

Towards = Literal["main", "port", "host"]
"""The server's endpoint, its other port, another host."""

FAMILIES: tuple[Allocation, ...] = ("preserving", "sequential", "block", "cluster", "uniform")
"""What the posterior weighs, the simplest first."""
LOWEST = 1024
PORTS = 65536 - LOWEST
LEAST_BLOCK = 512
"""Ports in a block at least: measured are 512 and more (nat-science 1.3)."""
MOST_BLOCK = 16384
"""And at most: a larger range is no subscriber's, whatever it is (nat-science 4.1)."""
FILLED = 0.6
"""Part of a block that the ports must fill, so that it is one."""
ENOUGH = 5
"""Mappings that say something of the allocator (nat-science 4.3)."""
SURE = 8
"""Mappings in a row that keep parity: by chance once in 256."""
KEPT = 0.4
"""Part of the mappings with the inside port outside, from which on a NAT is said to preserve ports."""
CREDIBLE = 0.5
"""Weight a family of allocators must have to be named."""
FITTING = 0.75
"""Part of the differences that a step must explain: the rest may be reordered, or turn over at the end of the range."""
OVERTAKEN = 2 / 3
"""Places a mapping may be off on average, so that the network did it: by chance it is a third of their number."""
LEAST_SPAN = 0.05
"""Seconds between the first and last mapping below which no foreign rate is told."""
REMEMBERED = 8
"""Readings kept: while a measurement goes on, the same is read again after most packets."""


class Seen(Struct, frozen=True, kw_only=True, gc=False):
    """A request by a fresh socket, and what the server saw."""

    socket: int
    """Which socket, by any number."""
    local: int
    """Its port."""
    towards: Towards
    order: int
    """Place among all packets."""
    at: float
    """Seconds, when it was first sent."""
    external: Endpoint | None
    """None: no answer."""
    again: bool = False
    """It was sent more than once, so its place is not certain."""


class Tests(Struct, frozen=True, kw_only=True):
    """Everything that was measured; None: not tried, or without result."""

    seen: tuple[Seen, ...] = ()
    reflexive: Endpoint | None = None
    """Of the main socket."""
    differ: bool = False
    """Hosts enough saw the main socket each at another endpoint, or a person named all that were asked, or ..."""
    agree: bool = False
    """... two hosts saw it alike."""
    addresses: tuple[str, ...] = ()
    """This host's own."""
    other_port: bool | None = None
    """An answer from the server's other port, never written to, came in."""
    other_host: bool | None = None
    """The same from another host."""
    poisonable: bool | None = None
    """The other port, written to after that had written in vain, saw another mapping; means little unless eim."""
    hairpin: bool | None = None
    lifetime: float | None = None
    distance: int | None = None


@lru_cache(maxsize=REMEMBERED)
def classify(tests: Tests) -> NatProfile:
    """What the NAT is like, as far as `tests` tell."""
    mapping = _mapping(tests.seen)
    made = mappings(tests.seen, mapping)
    open_ = _is_open(tests)
    allocation: Allocation = "preserving" if open_ or _keeps(tests.seen) else _allocation(made)
    step, foreign = _pace(made) if allocation == "sequential" else (0, None)
    if allocation == "sequential" and step == 0:
        allocation = "cluster"
    return NatProfile(
        mapping="eim" if open_ else mapping,
        filtering=_filtering(tests),
        allocation=allocation,
        step=step,
        foreign=foreign,
        block=_range(_main_host(made)) if allocation in ("block", "cluster") else None,
        pooling=_pooling(made),
        parity=_parity(made, keeps=allocation == "preserving"),
        poisonable=tests.poisonable if mapping == "eim" else None,
        hairpin=tests.hairpin,
        lifetime=tests.lifetime,
        distance=tests.distance,
        hosts=_hosts(tests, made),
        reflexive=tests.reflexive,
        open=open_,
    )


def undecided(tests: Tests, profile: NatProfile) -> tuple[str, ...]:
    """The fields of `profile` that more than one reading is left of."""
    towards = {each.towards for each in tests.seen if each.external is not None}
    left = []
    if profile.mapping == "unknown" or (not profile.open and _narrow(tests, profile, towards)):
        left.append("mapping")
    if profile.filtering == "unknown" or (profile.filtering == "adf" and tests.other_host is None):
        left.append("filtering")
    left += [name for name in ("allocation", "pooling") if getattr(profile, name) == "unknown" and not profile.open]
    figures = ("parity", "poisonable", "hairpin", "lifetime", "distance")
    return (*left, *(name for name in figures if getattr(profile, name) is None and not profile.open))


def _narrow(tests: Tests, profile: NatProfile, towards: set[Towards]) -> bool:
    """Whether the mapping was read from one host only (eim) or from other hosts only (apdm), or is a server's word that
    others do not bear out: that of two, one says that there are two mappings, or that the two it saw differ."""
    if profile.mapping == "eim":
        return "host" not in towards
    if profile.mapping == "adm":
        return not tests.differ
    return "port" not in towards or ("host" in towards and tests.agree and profile.allocation != "preserving")


def _mapping(seen: tuple[Seen, ...]) -> Mapping:
    mains = {each.socket: each.external for each in seen if each.towards == "main" and each.external}
    same: dict[Towards, list[bool]] = {"port": [], "host": []}
    for each in seen:
        if each.towards != "main" and each.external is not None and each.socket in mains:
            same[each.towards].append(each.external == mains[each.socket])
    if not same["port"] and not same["host"]:
        return "unknown"
    if not all(same["port"]):
        return "apdm"
    if not all(same["host"]):
        return "adm" if same["port"] else "apdm"
    return "eim"


@lru_cache(maxsize=REMEMBERED)
def mappings(seen: tuple[Seen, ...], mapping: Mapping) -> tuple[Sample, ...]:
    """What each mapping was seen as, in the order they were made; `index` counts those without answer too.

    Where the place of some is not certain they are left out, unless too few remain.
    """
    made: dict[tuple[object, ...], list[Seen]] = {}
    for each in sorted(seen, key=lambda each: each.order):
        host = each.towards == "host"
        key = {"adm": (each.socket, host), "apdm": (each.socket, each.towards)}.get(mapping, (each.socket,))
        made.setdefault(key, []).append(each)
    began = min((group[0].at for group in made.values()), default=0.0)
    found = []
    for index, group in enumerate(made.values()):
        answered = next((each.external for each in group if each.external is not None), None)
        if answered is None:
            continue
        first = group[0]
        sample = Sample(index, first.at - began, first.local, answered.port, answered.host)
        found.append((sample, not first.again and first.external is not None))
    certain = tuple(sample for sample, sure in found if sure)
    return certain if len(certain) >= ENOUGH else tuple(sample for sample, _ in found)


def _is_open(tests: Tests) -> bool:
    """Seen as it is: an own address, and the port of the socket itself."""
    answered = [each for each in tests.seen if each.external is not None]
    if not answered:
        return False
    return all(each.external is not None and each.external.host in tests.addresses for each in answered) and all(
        each.external is not None and each.external.port == each.local for each in answered
    )


def _filtering(tests: Tests) -> Filtering:
    if tests.other_host:
        return "eif"
    if tests.other_port:
        return "adf"
    if tests.other_port is False:
        return "apdf"
    return "unknown"


def _main_host(made: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """Those of the outside address seen most: every address has an allocator of its own."""
    counts = Counter(sample.host for sample in made)
    most = max(counts.values(), default=0)
    host = next((name for name, count in counts.items() if count == most), "")
    return tuple(sample for sample in made if sample.host == host)


def _keeps(seen: tuple[Seen, ...]) -> bool:
    """Whether the first mapping of a socket tends to have its port; for the second it may be taken, by the first."""
    firsts = [each for each in seen if each.towards == "main" and each.external is not None]
    kept = sum(each.external is not None and each.external.port == each.local for each in firsts)
    return kept >= max(2.0, KEPT * len(firsts))


def _in_line(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """The same, with ports that almost rise (or fall) put in order: on the way some packets overtook others."""
    if len(samples) < ENOUGH:
        return samples
    offsets = [(each.external - samples[0].external + PORTS // 2) % PORTS - PORTS // 2 for each in samples]
    falling = sorted(offsets)[len(offsets) // 2] < 0
    order = sorted(range(len(samples)), key=offsets.__getitem__, reverse=falling)
    if sum(abs(place - number) for place, number in enumerate(order)) > OVERTAKEN * len(samples):
        return samples
    ports = [samples[number].external for number in order]
    return tuple(structs.replace(each, external=port) for each, port in zip(samples, ports, strict=True))


@lru_cache(maxsize=REMEMBERED)
def _allocation(made: tuple[Sample, ...]) -> Allocation:
    samples = _in_line(_main_host(made))
    if len(samples) < 3:
        return "unknown"
    # Whether a mapping without answer was made at all is not known: here none counts.
    close = tuple(structs.replace(each, index=place) for place, each in enumerate(samples))
    weights = families(close)
    family = max(FAMILIES, key=weights.__getitem__)
    if family in ("block", "cluster"):
        return _narrow_kind(samples, family)
    if weights[family] < CREDIBLE:
        return "unknown"
    return family


def _narrow_kind(samples: tuple[Sample, ...], family: str) -> Allocation:
    """A block is aligned and filled; what is narrower than any that providers give out is a cluster, and what is wider
    is no block."""
    low, size = _range(samples)
    ports = [sample.external for sample in samples]
    width = max(ports) - min(ports) + 1
    likely = _likely(width, len(ports))
    if likely > MOST_BLOCK:
        return "uniform"
    if size >= LEAST_BLOCK and (low - LOWEST) % size == 0 and likely >= FILLED * size:
        return "block"
    return "cluster" if width < LEAST_BLOCK or family == "cluster" else "block"


def _pace(made: tuple[Sample, ...]) -> tuple[int, float | None]:
    """Step of a counter, and mappings a second that others made meanwhile; (0, None): no step fits."""
    samples = _in_line(_main_host(made))
    moves = []
    for before, after in itertools.pairwise(samples):
        distance = (after.external - before.external + PORTS // 2) % PORTS - PORTS // 2
        moves.append((distance, after.index - before.index, after.at - before.at))
    down = sum(distance < 0 for distance, _, _ in moves) * 2 > len(moves)
    ahead = [(-distance if down else distance, gap, seconds) for distance, gap, seconds in moves]
    likely = {distance // gap for distance, gap, _ in ahead} | {distance for distance, _, _ in ahead}
    for step in sorted((each for each in likely if each > 0), reverse=True):
        fits = [move for move in ahead if move[0] % step == 0 and move[0] >= step]
        if len(fits) >= FITTING * len(ahead):
            foreign = max(0, sum(distance // step - gap for distance, gap, _ in fits))
            span = sum(seconds for _, _, seconds in fits)
            return -step if down else step, foreign / span if span >= LEAST_SPAN else None
    return 0, None


def _likely(width: int, count: int) -> float:
    """The size of a range, from the width of `count` ports drawn from it."""
    return width * (count + 1) / (count - 1)


def _range(samples: tuple[Sample, ...]) -> tuple[int, int]:
    """Where outside ports come from: the aligned block that all fit into, if it is not much wider than they are."""
    ports = sorted(sample.external for sample in samples)
    low, width = ports[0], ports[-1] - ports[0] + 1
    size = 64
    while size < PORTS:
        base = (low - LOWEST) // size * size + LOWEST
        if base + size > ports[-1]:
            return (base, size) if size <= 2 * _likely(width, len(ports)) else (low, width)
        size *= 2
    return low, width


def _pooling(made: tuple[Sample, ...]) -> Literal["paired", "arbitrary", "unknown"]:
    if len({sample.host for sample in made}) > 1:
        return "arbitrary"
    return "paired" if len(made) >= ENOUGH else "unknown"


def _parity(made: tuple[Sample, ...], *, keeps: bool) -> bool | None:
    """Whether parity is kept; where ports are, the few that were another's say nothing of a rule."""
    if any((sample.local ^ sample.external) & 1 for sample in made):
        return None if keeps else False
    return True if len(made) >= SURE and len({sample.local & 1 for sample in made}) == 2 else None


def _hosts(tests: Tests, made: tuple[Sample, ...]) -> tuple[str, ...]:
    counts = Counter(sample.host for sample in made)
    if tests.reflexive is not None:
        counts[tests.reflexive.host] += 1
    return tuple(host for host, _ in counts.most_common())
