"""A seed and a kind of world become a script: who lives where, who cannot reach whom, what goes wrong when.

quiet until all have met | faults, each over by CALM | all must reach all within `bound`
"""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct

from tools.worlds.faults import LIES, Fault

FOUNDED = 6.0
"""Seconds until the first fault: time to meet."""

EASY = ("nat1", "nat2", "nat3", "nat3", "nat3", "nat3-uniform")
HARD = ("nat4-uniform", "nat4-sequential", "nat4-block-512", "cgn-preserving", "cgn-uniform")
"""NATs by their names in `punch.sim.zoo`."""


class Place(Struct, frozen=True, kw_only=True):
    """A member and where it lives."""

    name: str
    nat: str = "open"
    """A kind of `punch.sim.zoo`."""
    peers: tuple[str, ...] = ()
    """Members it is told."""
    relay: bool = True
    """It carries for others."""
    lies: tuple[str, ...] = ()
    """What it does to others: words of `faults.LIES`."""


class Plan(Struct, frozen=True, kw_only=True):
    """One world, before it lives."""

    kind: str
    seed: int
    places: tuple[Place, ...]
    walls: tuple[tuple[str, str], ...] = ()
    """Pairs of hosts between which nothing ever passes."""
    faults: tuple[Fault, ...] = ()
    calm: float
    """When the last fault is over."""
    bound: float
    """Seconds from then on within which all that can reach each other do."""
    flows: tuple[tuple[str, str], ...] = ()
    """Who sends to whom all the time."""
    every: float = 0.5
    """Seconds between two packets of a flow."""


class Sketch:
    """A plan in the making."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.seed = kind, seed
        self.dice = random.Random(f"{kind}/{seed}")
        self.places: list[Place] = []
        self.walls: list[tuple[str, str]] = []
        self.faults: list[Fault] = []

    @property
    def names(self) -> list[str]:
        """Everybody."""
        return [place.name for place in self.places]

    @property
    def public(self) -> list[str]:
        """Those without a NAT."""
        return [place.name for place in self.places if place.nat == "open"]

    def settle(self, public: int, private: int, nats: tuple[str, ...], *, told: int = 1, relay: bool = True) -> None:
        """`public` hosts p0 .. and `private` ones n0 .. behind NATs of those kinds, each told so many public ones."""
        first = [f"p{number}" for number in range(public)]
        for number, name in enumerate(first):
            self.places.append(Place(name=name, peers=tuple(first[:number][:told])))
        for number in range(private):
            peers = tuple(self.dice.sample(first, min(told, public)))
            self.places.append(Place(name=f"n{number}", nat=self.dice.choice(nats), peers=peers, relay=relay))

    def strike(self, kinds: tuple[str, ...], count: int, *, within: float, longest: float, who: list[str]) -> None:
        """`count` faults of these kinds, from FOUNDED on, each over `within` seconds later."""
        for _ in range(count):
            lasts = min(longest, within) * self.dice.random() ** 2
            at = FOUNDED + (within - lasts) * self.dice.random()
            self.faults.append(_fault(self, self.dice.choice(kinds), round(at, 3), round(lasts, 3), who))

    def done(self, *, bound: float, flows: int = 4, every: float = 0.5) -> Plan:
        """The plan."""
        faults = tuple(sorted(self.faults, key=lambda each: (each.at, each.kind, each.who, each.other)))
        pairs = [(a, b) for a in self.names for b in self.names if a != b]
        return Plan(
            kind=self.kind,
            seed=self.seed,
            places=tuple(self.places),
            walls=tuple(self.walls),
            faults=faults,
            calm=max((each.until for each in faults), default=FOUNDED),
            bound=bound + (SILENT if any(each.kind == "wipe" for each in faults) else 0.0),
            flows=tuple(self.dice.sample(pairs, min(flows, len(pairs)))),
            every=every,
        )


PAIRED = ("cut", "deaf")
AMOUNTS: dict[str, Callable[[random.Random], float]] = {
    "loss": lambda dice: round(dice.choice((0.02, 0.1, 0.3, 0.6)), 3),
    "delay": lambda dice: round(0.4 * dice.random(), 3),
    "jitter": lambda dice: round(0.2 * dice.random(), 3),
    "reorder": lambda dice: round(0.5 * dice.random(), 3),
    "double": lambda dice: round(0.5 * dice.random(), 3),
    "mtu": lambda dice: float(dice.choice((1280, 1300, 1400, 1492))),
    "clock": lambda dice: float(dice.choice((-86400, -40, 40, 86400))),
}
"""Kind of a fault -> how much of it."""
AT_LEAST: dict[str, float] = {"leave": 0.5, "stop": 0.2, "roam": 2.0, "crash": 0.05, "wipe": 0.05, "late": 1.0}
"""Seconds such a fault lasts at least."""
MOMENTS = ("clock", "flush")
"""Faults with nothing to undo."""


def _fault(sketch: Sketch, kind: str, at: float, lasts: float, who: list[str]) -> Fault:
    dice, names = sketch.dice, sketch.names
    lasts = 0.0 if kind in MOMENTS else max(lasts, AT_LEAST.get(kind, 0.0))
    first = dice.choice(who)
    other = dice.choice([name for name in names if name != first]) if kind in PAIRED else ""
    if kind == "part":
        half = dice.sample(names, max(1, len(names) // 2))
        first = " ".join(name for name in names if name in half)
    if kind == "late":
        at, first = 0.0, dice.choice(names[1:])
    amount = AMOUNTS[kind](dice) if kind in AMOUNTS else 0.0
    return Fault(at, lasts, kind, first, other, amount)


LINKS = ("cut", "deaf", "unplug", "loss", "delay", "jitter", "reorder", "double", "mtu")
HOSTS = ("crash", "spoil", "forget", "wipe", "leave", "stop", "clock", "full")
HOMES = ("roam", "flush", "renat")
ALL = (*LINKS, *HOSTS, *HOMES, "part", "late")


def _small(seed: int) -> Plan:
    """Three to six members, any fault."""
    sketch = Sketch("small", seed)
    public = sketch.dice.randint(1, 3)
    sketch.settle(public, sketch.dice.randint(1, 3), EASY + HARD, told=2)
    sketch.strike(ALL, sketch.dice.randint(1, 6), within=25.0, longest=20.0, who=sketch.names)
    return sketch.done(bound=BOUND)


def _relay(seed: int) -> Plan:
    """Members that need a relay, two or three relays, and these are struck."""
    sketch = Sketch("relay", seed)
    sketch.settle(sketch.dice.randint(2, 3), sketch.dice.randint(2, 4), ("nat4-uniform", "cgn-uniform"), told=3)
    kinds = ("crash", "cut", "unplug", "stop", "leave", "loss", "delay", "deaf", "forget", "wipe")
    sketch.strike(kinds, sketch.dice.randint(1, 5), within=25.0, longest=15.0, who=sketch.public)
    return sketch.done(bound=BOUND)


def _bridge(seed: int) -> Plan:
    """Two or more villages of public hosts, walls between them, joined in a chain by one bridge each."""
    sketch = Sketch("bridge", seed)
    villages, each = sketch.dice.randint(2, 4), sketch.dice.randint(1, 2)
    names = [[f"v{number}{letter}" for letter in "abc"[:each]] for number in range(villages)]
    for number, members in enumerate(names):
        before = names[number - 1][0:1] if number else []
        for place, name in enumerate(members):
            sketch.places.append(Place(name=name, peers=tuple(members[:1] if place else before)))
    for one in range(villages):
        for two in range(one + 1, villages):
            joined = (names[one][0], names[two][0]) if two == one + 1 else None
            sketch.walls += [(a, b) for a in names[one] for b in names[two] if (a, b) != joined]
    sketch.strike((*LINKS, "crash", "stop"), sketch.dice.randint(0, 3), within=15.0, longest=8.0, who=sketch.names)
    return sketch.done(bound=BOUND)


def _merge(seed: int) -> Plan:
    """Parts that do not hear each other, again and again, while people come and go."""
    sketch = Sketch("merge", seed)
    sketch.settle(sketch.dice.randint(2, 4), sketch.dice.randint(1, 3), EASY, told=2)
    sketch.strike(("part",), sketch.dice.randint(1, 3), within=40.0, longest=30.0, who=sketch.names)
    kinds = ("leave", "late", "crash", "wipe", "roam")
    sketch.strike(kinds, sketch.dice.randint(0, 3), within=40.0, longest=10.0, who=sketch.names)
    return sketch.done(bound=BOUND, flows=3)


def _hostile(seed: int) -> Plan:
    """One member lies; the others have a way round it."""
    sketch = Sketch("hostile", seed)
    sketch.settle(sketch.dice.randint(2, 3), sketch.dice.randint(2, 3), EASY + HARD, told=3)
    lies = tuple(sketch.dice.sample(list(LIES), sketch.dice.randint(1, 3)))
    liar = sketch.dice.randrange(len(sketch.places))
    place = sketch.places[liar]
    sketch.places[liar] = Place(name=place.name, nat=place.nat, peers=place.peers, relay=True, lies=lies)
    honest = [each.name for each in sketch.places if not each.lies]
    sketch.strike(LINKS + HOSTS, sketch.dice.randint(0, 2), within=15.0, longest=8.0, who=honest)
    return sketch.done(bound=BOUND)


def _sparse(seed: int) -> Plan:
    """More members than have sessions with all."""
    sketch = Sketch("sparse", seed)
    sketch.settle(sketch.dice.randint(4, 6), sketch.dice.randint(30, 36), EASY, told=2)
    sketch.strike(ALL, sketch.dice.randint(2, 8), within=30.0, longest=20.0, who=sketch.names)
    return sketch.done(bound=BOUND, flows=10)


def _longest(seed: int) -> Plan:
    """Ten minutes in which something always goes wrong."""
    sketch = Sketch("longest", seed)
    sketch.settle(3, 5, EASY + HARD, told=2)
    sketch.strike(ALL, 60, within=600.0, longest=70.0, who=sketch.names)
    return sketch.done(bound=BOUND, flows=6)


BOUND = 75.0
"""Seconds from the last fault's end until all reach all: one retry of a given peer (60 s at most), and to meet."""

SILENT = 125.0
"""Seconds more where a stranger sits where a known member sat: until that one counts as silent, nobody dials there."""

KINDS: dict[str, Callable[[int], Plan]] = {
    "small": _small,
    "relay": _relay,
    "bridge": _bridge,
    "merge": _merge,
    "hostile": _hostile,
    "sparse": _sparse,
    "longest": _longest,
}
"""Kinds of worlds by name."""
MIXED = ("small", "small", "small", "relay", "relay", "merge", "bridge", "hostile")
"""What a hunt takes in turn where no kind is named."""


def plan(kind: str, seed: int) -> Plan:
    """The world of that kind and seed; `mixed`: the seed says which kind."""
    return KINDS[MIXED[seed % len(MIXED)] if kind == "mixed" else kind](seed)
