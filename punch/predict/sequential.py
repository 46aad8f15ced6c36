"""One counter for all: each new mapping, ours or another's, takes the next port (nat-science 4.1, S).

    index    0 1 2 3 4 5     6 7 8          sample, four holes, sample; holes; sample
    outside  S h h h h S     x x h ..       x: somebody else's meanwhile
             between two samples n slots are free and q of them are ours: q / n each

How many others come between is negative binomial (bursts), its rate one of a grid; one gap in fifty may be anything.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

from punch.predict.hypothesis import HIGH, LOW, PORTS, Evidence, Explanation, Hole, Ranked
from punch.signals import Sample
from punch.values import NatProfile

STEPS = (1, -1, 2, -2, 4, -4, 8, -8, 16, -16, 32, 64)
RATES = (0.0, 1.0, 5.0, 15.0, 40.0, 100.0, 250.0, 600.0, 1500.0, 4000.0)
"""Mappings a second that others make, beforehand."""
DISPERSION = 0.3
"""Of their number in a gap: variance = mean + 0.3 mean^2 (nat-science 4.1; Klinec: not Poisson)."""
OUTLIER = 0.02
SLACK = 0.02
"""Foreign mappings expected in a gap without any: retransmissions, our own host's other traffic."""
BEYOND = 64
"""Holes after the last sample that are still extrapolated."""
FAR = 4000
"""Slots between two samples beyond which nothing is interpolated."""


def explain(evidence: Evidence) -> list[Explanation]:
    """Every step that explains half of the gaps at least, with its log likelihood."""
    samples, profile = evidence.samples, evidence.profile
    if not samples:
        return []
    known = profile.step if profile.allocation == "sequential" else 0
    found: list[Explanation] = []
    steps = candidates(samples, known)
    for step in steps:
        share = _share(step, known, len(steps))
        weighed = _weigh(samples, step, profile.foreign)
        if weighed is not None:
            likelihood, rate = weighed
            found.append((math.log(share) + likelihood, partial(_ranked, evidence, step, rate)))
    return found


def _share(step: int, known: int, steps: int) -> float:
    if not known or steps == 1:
        return 1.0 / steps
    return 0.8 if step == known else 0.2 / (steps - 1)


def candidates(samples: tuple[Sample, ...], known: int = 0) -> list[int]:
    """The usual steps, detection's, and what the gaps have as a common divisor (a byte-swapped counter: 256)."""
    steps = list(STEPS)
    if known and known not in steps:
        steps.append(known)
    gaps = [b.external - a.external for a, b in pairwise(samples)]
    common = math.gcd(*gaps) if gaps else 0
    if common > 1 and len(samples) >= 3:
        sign = 1 if 2 * sum(gap > 0 for gap in gaps) >= len(gaps) else -1
        for own in sorted({1, *(b.index - a.index for a, b in pairwise(samples))}):
            if own > 0 and common % own == 0 and sign * (common // own) not in steps:
                steps.append(sign * (common // own))
    return steps


def likeliest(samples: tuple[Sample, ...], profile: NatProfile) -> tuple[int, float] | None:
    """Step and foreign rate that explain the samples best; None: no counter does, or there are too few."""
    known = profile.step if profile.allocation == "sequential" else 0
    steps = candidates(samples, known)
    best: tuple[float, int, float] | None = None
    for step in steps if len(samples) > 1 else ():
        weighed = _weigh(samples, step, profile.foreign)
        if weighed is not None:
            likelihood = math.log(_share(step, known, len(steps))) + weighed[0]
            if best is None or likelihood > best[0]:
                best = likelihood, step, weighed[1]
    return None if best is None else best[1:]


def slots(start: int, end: int, step: int) -> float:
    """Steps from port `start` to `end` on a counter that wraps from 65,535 to 1,024; whole if it is on them."""
    return ((end - start) % PORTS if step > 0 else (start - end) % PORTS) / abs(step)


def port_at(start: int, step: int, steps: int) -> int:
    """The port so many steps after `start`."""
    return LOW + (start - LOW + step * steps) % PORTS


def _weigh(samples: tuple[Sample, ...], step: int, foreign: float | None) -> tuple[float, float] | None:
    """Log likelihood of the samples, and the expected foreign rate; None: most gaps do not fit."""
    gaps: list[tuple[int, float]] = []
    misfits = 0
    for a, b in pairwise(samples):
        seconds = max(0.0, b.at - a.at)
        others = slots(a.external, b.external, step) - (b.index - a.index)
        fits = others >= 0.0 and others == int(others) and others <= 20.0 * (RATES[-1] * seconds + 10.0)
        misfits += not fits
        if 2 * misfits > len(samples) - 1:
            return None
        gaps.append((int(others) if fits else -1, seconds))
    anything = OUTLIER / PORTS
    logs = []
    for rate in RATES:
        total = -math.log(PORTS) + _rate_prior(rate, foreign)
        for others, seconds in gaps:
            fit = _negative_binomial(others, rate * seconds + SLACK) if others >= 0 else 0.0
            total += math.log((1.0 - OUTLIER) * fit + anything)
        logs.append(total)
    top = max(logs)
    weights = [math.exp(each - top) for each in logs]
    likelihood = top + math.log(sum(weights))
    return likelihood, sum(w * rate for w, rate in zip(weights, RATES, strict=True)) / sum(weights)


def _rate_prior(rate: float, foreign: float | None) -> float:
    """Log share of a rate: all alike, or nearer to what detection measured (one unit of log(1 + rate) is one sigma)."""
    if foreign is None:
        return -math.log(len(RATES))
    away = math.log1p(rate) - math.log1p(foreign)
    return -0.5 * away * away - 1.0


def _negative_binomial(count: int, mean: float) -> float:
    size = 1.0 / DISPERSION
    p = size / (size + mean)
    return math.exp(
        math.lgamma(count + size)
        - math.lgamma(size)
        - math.lgamma(count + 1)
        + size * math.log(p)
        + count * math.log1p(-p)
    )


def _ranked(evidence: Evidence, step: int, rate: float) -> Ranked:
    return Ranked("sequential", _places(evidence, step, rate))


def _places(evidence: Evidence, step: int, rate: float) -> dict[int, float]:
    """Chance of a hole at each port: interpolated between two samples, extrapolated after the last."""
    chances: dict[int, float] = {}
    before: Sample | None = None
    between: list[Hole] = []
    made: list[tuple[int, Sample | None, Hole | None]] = [(s.index, s, None) for s in evidence.samples]
    made += [(hole[0], None, hole) for hole in evidence.holes]
    for _, sample, hole in sorted(made, key=lambda each: each[0]):
        if hole is not None:
            between.append(hole)
        elif sample is not None:
            if before is not None and between:
                _interpolate(chances, before, between, sample, step, rate)
            before, between = sample, []
    if before is not None and between:
        _extrapolate(chances, before, between, step, rate)
    return {
        port: min(0.98, chance)
        for port, chance in chances.items()
        if LOW <= port <= HIGH and port not in evidence.tried and evidence.parity in (None, port & 1)
    }


def _interpolate(
    chances: dict[int, float], before: Sample, between: list[Hole], after: Sample, step: int, rate: float
) -> None:
    free = slots(before.external, after.external, step) - 1
    if free != int(free) or free < len(between) or free > FAR:
        _extrapolate(chances, before, between, step, rate)
        return
    share = len(between) / free
    for place in range(1, int(free) + 1):
        port = port_at(before.external, step, place)
        chances[port] = max(chances.get(port, 0.0), share)


def _extrapolate(chances: dict[int, float], before: Sample, between: list[Hole], step: int, rate: float) -> None:
    for own, (_, _, at) in enumerate(between[:BEYOND], 1):
        others = rate * max(0.0, at - before.at)
        spread = math.sqrt(others + DISPERSION * others * others + 0.05)
        mean = own + others
        if spread > FAR / 10:
            return
        for place in range(max(1, int(mean - 3 * spread)), int(mean + 3 * spread) + 2):
            port = port_at(before.external, step, place)
            weight = math.exp(-0.5 * ((place - mean) / spread) ** 2) / max(1.0, spread * 2.5066)
            chances[port] = chances.get(port, 0.0) + weight
