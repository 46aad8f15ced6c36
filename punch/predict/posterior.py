"""Weighs the hypotheses and ranks the ports: always the one most likely to have a hole next.

    next() -> port      every hypothesis offers its best port; the largest sum of weight x chance wins
                        and at once counts as missed: w *= 1 - chance, for each hypothesis its own
                        (an answer ends the search, so nothing else is ever learned from a probe)

Probing in order of probability is optimal for equal costs (nat-science 4.2). One rule covers every NAT; where no
hypothesis holds, the uniform one remains: the birthday attack.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import compress

from punch.predict import block, cluster, preserving, sequential, uniform
from punch.predict.hypothesis import LOSS, Evidence, Hole, Hypothesis
from punch.signals import Sample
from punch.values import NatProfile

PRIORS = {"preserving": 0.25, "sequential": 0.30, "block": 0.20, "cluster": 0.10, "uniform": 0.25}
"""Before anything is known (nat-science 4.1)."""
DETECTED = 0.9
"""Weight of the family that detection found, before these samples."""
DOUBT = 0.02
"""The uniform hypothesis is never below this at the start: the others are never trusted completely."""
BEHIND = 0.2
"""A hypothesis' own best port is looked at by all if it is worth so much of the best of another's own."""
FRESH = 8
"""Ports after which the chance of every hypothesis' own best port is reckoned anew; one between moves it little."""
NEGLIGIBLE = 1e-6
UNLUCKY = 1e-3
"""If all misses together were this unlikely, it is not bad luck: blocked, or no model fits (nat-science 5.7)."""
SLIGHT = 1e-3
"""A hypothesis that is believed less is left out: the search is given up before it would lead."""
FIRST_HOLES, MOST_HOLES = 32, 256
"""Holes a peer (nat-science 5.2)."""
EXPLAINERS = {
    "preserving": preserving.explain,
    "sequential": sequential.explain,
    "block": block.explain,
    "cluster": cluster.explain,
    "uniform": uniform.explain,
}

Look = tuple[int, float]
"""Place of a hypothesis, and the chance that it gives a port; those that say nothing of it are left out."""


class Posterior:
    """What is believed of one outside address, and the order of its ports."""

    def __init__(
        self,
        samples: Sequence[Sample],
        holes: Sequence[Hole],
        *,
        profile: NatProfile,
        entropy: random.Random,
        share: float = 1.0,
    ) -> None:
        """`samples` and `holes` in any order, of one outside address; `profile`: what detection knows of the NAT;
        `share`: how many of the holes are at this address, of 1."""
        self.holes = len(holes)
        self._share = share
        self.probes = 0
        """Ports that `next` gave."""
        self._left = 1.0
        self._tried = {sample.external for sample in samples}
        evidence = Evidence(
            samples=tuple(sorted(samples, key=lambda sample: sample.index)),
            holes=tuple(sorted(holes)),
            profile=profile,
            entropy=entropy,
            tried=self._tried,
            parity=_parity(samples, holes, profile),
        )
        believed = _weighed(evidence)
        self._weights = [weight for weight, _, _ in believed]
        self._hypotheses = [build() for _, _, build in believed]
        """As many, in the same order."""
        self._heads = list(map(_head, self._hypotheses))
        """The own best port of each, and its chance."""
        self._views = _views(self._hypotheses)

    def weights(self) -> dict[str, float]:
        """How much each family is believed now; they sum to 1."""
        return _by_family(self._weights, [hypothesis.family for hypothesis in self._hypotheses])

    def next(self) -> tuple[int, float] | None:
        """The port most likely to have a hole now, and that chance; it counts as tried from now on.

        None: every hypothesis has offered all its ports twice.
        """
        best, mass, here = 0, 0.0, list[Look]()
        weights = self._weights
        for port in self._offers():
            looks = self._looks(port)
            total = 0.0
            for place, chance in looks:
                total += weights[place] * chance
            if total > mass:
                best, mass, here = port, total, looks
        if not best:
            return None
        self.probes += 1
        chance = mass * self._share / sum(weights)
        self._left *= 1.0 - chance * (1.0 - LOSS)
        self._miss(best, here)
        return best, chance

    def missed(self, port: int) -> None:
        """`port` was tried in vain (by an earlier search, say): Bayes' rule. `next` does this by itself."""
        self._miss(port, self._looks(port))

    def _looks(self, port: int) -> list[Look]:
        return [(place, chance(port)) for place, least, most, chance in self._views if least <= port <= most]

    def _offers(self) -> list[int]:
        """The best port of each hypothesis, without those that are far behind for their own one."""
        if self.probes % FRESH == 0:
            self._heads = list(map(_head, self._hypotheses))
        masses = [weight * chance for weight, (_, chance) in zip(self._weights, self._heads, strict=True)]
        least = BEHIND * max(masses)
        return [port for mass, (port, _) in zip(masses, self._heads, strict=True) if mass >= least]

    def _miss(self, port: int, looks: list[Look]) -> None:
        first = port not in self._tried
        found = self._share * (1.0 - LOSS)
        self._tried.add(port)
        weights, hypotheses, heads = self._weights, self._hypotheses, self._heads
        for place, chance in looks:
            hypothesis = hypotheses[place]
            hypothesis.miss(port, first=first)
            if heads[place][0] == port:
                heads[place] = _head(hypothesis)
            weights[place] *= 1.0 - chance * found
        if min(weights) <= (light := SLIGHT * max(weights)):
            self._keep([weight > light for weight in weights])

    def _keep(self, kept: list[bool]) -> None:
        """Those hypotheses alone."""
        self._weights = list(compress(self._weights, kept))
        self._hypotheses = list(compress(self._hypotheses, kept))
        self._heads = list(compress(self._heads, kept))
        self._views = _views(self._hypotheses)

    def open_more(self, count: int) -> None:
        """The hard side opened `count` more holes meanwhile, wherever its NAT put them."""
        self.holes += count
        for hypothesis in self._hypotheses:
            hypothesis.more(count)
        self._heads = list(map(_head, self._hypotheses))

    def holes_wanted(self) -> int:
        """How many holes in all suit what is believed: few, an eighth of a block (its ports are the subscriber's
        quota), or what a birthday needs."""
        weights = self.weights()
        if weights["uniform"] > 0.3:
            return MOST_HOLES
        if weights["block"] > 0.3:
            _, likeliest = max(
                (
                    (weight, each.size)
                    for weight, each in zip(self._weights, self._hypotheses, strict=True)
                    if isinstance(each, block.Block | block.Window)
                ),
                key=lambda each: each[0],
            )
            return min(MOST_HOLES, max(FIRST_HOLES, likeliest // 8))
        return FIRST_HOLES

    @property
    def exhausted(self) -> bool:
        """So many misses are no bad luck any more."""
        return self._left < UNLUCKY

    @property
    def left(self) -> float:
        """Chance of all misses so far, as believed before them."""
        return self._left


def _views(hypotheses: list[Hypothesis]) -> list[tuple[int, int, int, Callable[[int], float]]]:
    """The place of each, its first and last port, and what it says of one."""
    return [(place, each.least, each.most, each.chance) for place, each in enumerate(hypotheses)]


def _head(hypothesis: Hypothesis) -> tuple[int, float]:
    """Its best port and the chance there; without one there is none."""
    port = hypothesis.head()
    return (0, 0.0) if port is None else (port, hypothesis.chance(port))


def families(samples: Sequence[Sample]) -> dict[str, float]:
    """How much samples alone speak for each family: the weights of their posterior, none of whose ports is wanted."""
    evidence = Evidence(
        samples=tuple(samples),
        holes=(),
        profile=NatProfile(),
        entropy=random.Random(0),
        tried={sample.external for sample in samples},
        parity=None,
    )
    believed = _weighed(evidence)
    return _by_family([weight for weight, _, _ in believed], [family for _, family, _ in believed])


def _by_family(weights: list[float], named: list[str]) -> dict[str, float]:
    total = sum(weights)
    found = dict.fromkeys(PRIORS, 0.0)
    for weight, family in zip(weights, named, strict=True):
        found[family] += weight / total
    return found


def _weighed(evidence: Evidence) -> list[tuple[float, str, Callable[[], Hypothesis]]]:
    """Hypotheses worth keeping, and those the doubt is about: weight, family, how to build it; the weights sum to 1."""
    priors = _priors(evidence.profile.allocation)
    logs = [
        (math.log(priors[family]) + likelihood, family, build)
        for family, explain in EXPLAINERS.items()
        for likelihood, build in explain(evidence)
    ]
    top = max(log for log, _, _ in logs)
    wide = max(log for log, family, _ in logs if family == "uniform")
    others = sum(math.exp(log - top) for log, family, _ in logs if family != "uniform")
    doubt = sum(math.exp(log - wide) for log, family, _ in logs if family == "uniform")
    floor = top + math.log(max(others, NEGLIGIBLE) * DOUBT / (1.0 - DOUBT) / doubt)
    raised = max(0.0, floor - wide)
    weights = [math.exp(log + raised * (family == "uniform") - top) for log, family, _ in logs]
    total = sum(weights)
    return [
        (weight / total, family, build)
        for weight, (_, family, build) in zip(weights, logs, strict=True)
        if weight > SLIGHT * total or family == "uniform"
    ]


def _priors(allocation: str) -> dict[str, float]:
    if allocation not in PRIORS:
        return PRIORS
    rest = sum(prior for family, prior in PRIORS.items() if family != allocation)
    return {
        family: DETECTED if family == allocation else prior / rest * (1.0 - DETECTED)
        for family, prior in PRIORS.items()
    }


def _parity(samples: Sequence[Sample], holes: Sequence[Hole], profile: NatProfile) -> int | None:
    """The parity all holes share, if the NAT keeps it (RFC 4787 REQ-4) and no sample says otherwise."""
    parities = sorted({local & 1 for _, local, _ in holes})
    if profile.parity is not True or len(parities) != 1:
        return None
    if any((sample.external ^ sample.local) & 1 for sample in samples):
        return None
    return parities[0]
