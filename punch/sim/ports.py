"""Where outside ports come from: one allocator for each public address of a NAT.

propose(inner) -> a port      the NAT proposes again while the port is taken
others' mappings are not events: counters advance by a Poisson number of them when somebody looks
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Protocol

from punch.sim.model import NatModel

SCATTER = 40503
"""Odd, near 2**16 times the golden ratio: the multiplier of Fibonacci hashing (Knuth, TAOCP 6.4)."""
MANY = 30.0
"""From this mean on a Poisson number is drawn as a normal one."""
KEPT = 32
"""Earlier ports that a cluster grows around."""


class Allocator(Protocol):
    """Proposes an outside port for a new mapping of the inside port `inner`."""

    def propose(self, inner: int, *, now: float) -> int:
        """The next port it would give."""


def poisson(mean: float, entropy: random.Random) -> int:
    """How many events of a process with this mean happened."""
    if mean > MANY:
        return max(0, round(entropy.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, entropy.random()
    while product > limit:
        count += 1
        product *= entropy.random()
    return count


class Uniform:
    """Any port of low..high."""

    def __init__(self, low: int, high: int, entropy: random.Random) -> None:
        self._low = low
        self._size = high - low + 1
        self._random = entropy.random

    def propose(self, inner: int, *, now: float) -> int:
        """A die."""
        return self._low + int(self._random() * self._size)


class Preserving:
    """The inside port; a uniform one if that is another's, by chance or because it was proposed and refused."""

    def __init__(self, model: NatModel, foreign: float, entropy: random.Random) -> None:
        size = model.high - model.low + 1
        held = min(0.9, foreign * model.replied / size)
        self._conflict = 1.0 - (1.0 - model.conflict) * (1.0 - held)
        self._model = model
        self._entropy = entropy
        self._other = Uniform(model.low, model.high, entropy)
        self._last: tuple[int, float] = (0, -1.0)

    def propose(self, inner: int, *, now: float) -> int:
        """The inside port, once a moment: whoever asks again has found it taken."""
        again, self._last = self._last == (inner, now), (inner, now)
        fits = self._model.low <= inner <= self._model.high
        if again or not fits or (self._conflict and self._entropy.random() < self._conflict):
            return self._other.propose(inner, now=now)
        return inner


class Counter:
    """A counter over low..high that others advance too; `most` > 1: by a random step of 1..most."""

    def __init__(self, model: NatModel, foreign: float, entropy: random.Random, *, most: int = 1) -> None:
        self._low = model.low
        self._size = model.high - model.low + 1
        self._step = 1 if most > 1 else model.step
        self._most = most
        self._foreign = foreign
        self._entropy = entropy
        self._place = entropy.randrange(self._size)
        self._at = 0.0

    def propose(self, inner: int, *, now: float) -> int:
        """The counter's value, after what others took meanwhile."""
        if self._foreign:
            self._advance(poisson(self._foreign * (now - self._at), self._entropy))
            self._at = now
        port = self._low + self._place
        self._advance(1)
        return port

    def _advance(self, mappings: int) -> None:
        steps = mappings
        if self._most > 1:
            steps = sum(self._entropy.randint(1, self._most) for _ in range(mappings))
        self._place = (self._place + self._step * steps) % self._size


class Cluster:
    """Near an earlier port, with a geometric distance to either side."""

    def __init__(self, model: NatModel, entropy: random.Random) -> None:
        self._low, self._high, self._width = model.low, model.high, model.width
        self._entropy = entropy
        self._earlier = [entropy.randint(model.low, model.high)]

    def propose(self, inner: int, *, now: float) -> int:
        """Around one of the last ports."""
        distance = 1 + int(self._entropy.expovariate(1.0 / self._width))
        port = self._entropy.choice(self._earlier) + self._entropy.choice((-distance, distance))
        port = min(max(port, self._low), self._high)
        self._earlier = [*self._earlier[-KEPT + 1 :], port]
        return port


class Scatter:
    """A counter that a multiplication scatters: deterministic, and looks random."""

    def __init__(self, counter: Allocator, model: NatModel) -> None:
        self._counter, self._low, self._size = counter, model.low, model.high - model.low + 1

    def propose(self, inner: int, *, now: float) -> int:
        """The counter times an odd number."""
        return self._low + SCATTER * (self._counter.propose(inner, now=now) - self._low) % self._size


class Swapped:
    """A 16-bit counter with its bytes swapped, as netfilter's `numgen inc` without a map: 256 a step."""

    def __init__(self, foreign: float, entropy: random.Random) -> None:
        self._counter = Counter(NatModel(low=1, step=1), foreign, entropy)

    def propose(self, inner: int, *, now: float) -> int:
        """The next value that is a port of 1024 or above."""
        port = 0
        while port < 1024:
            place = self._counter.propose(inner, now=now)
            port = (place & 0xFF) << 8 | place >> 8
        return port


class Either:
    """The first with chance `share`, else one of the others."""

    def __init__(self, first: Allocator, others: list[Allocator], share: float, entropy: random.Random) -> None:
        self._first, self._others, self._share, self._entropy = first, others, share, entropy

    def propose(self, inner: int, *, now: float) -> int:
        """One of them."""
        chosen = self._first if self._entropy.random() < self._share else self._entropy.choice(self._others)
        return chosen.propose(inner, now=now)


def _block(model: NatModel, entropy: random.Random) -> Uniform:
    places = model.high - model.low + 1 - model.size
    base = entropy.randint(0, places // model.size) * model.size if model.aligned else entropy.randint(0, places)
    return Uniform(model.low + base, model.low + base + model.size - 1, entropy)


def _several(make: Callable[[], Allocator], count: int, entropy: random.Random) -> Allocator:
    first, *others = [make() for _ in range(count)]
    return Either(first, others, 1.0 / count, entropy) if others else first


def allocator(model: NatModel, foreign: float, entropy: random.Random) -> Allocator:
    """The allocator of `model` for one public address, on which others make `foreign` mappings a second."""
    match model.allocator:
        case "preserving":
            return Preserving(model, foreign, entropy)
        case "sequential":
            return Counter(model, foreign, entropy)
        case "random-step":
            return Counter(model, foreign, entropy, most=max(2, abs(model.step)))
        case "block":
            return _block(model, entropy)
        case "two-blocks":
            return _several(lambda: _block(model, entropy), 2, entropy)
        case "cluster":
            return Cluster(model, entropy)
        case "multicore":
            return _several(lambda: Counter(model, foreign / model.cores, entropy), model.cores, entropy)
        case "mixed":
            uniform = Uniform(model.low, model.high, entropy)
            return Either(Counter(model, foreign, entropy), [uniform], model.share, entropy)
        case "half":
            kept = Preserving(model, 0.0, entropy)
            return Either(kept, [Counter(model, foreign, entropy)], model.share, entropy)
        case "scatter":
            return Scatter(Counter(model, foreign, entropy), model)
        case "swapped":
            return Swapped(foreign, entropy)
        case "uniform":
            return Uniform(model.low, model.high, entropy)
