"""Outside port = inside port, unless another host holds it already (nat-science 4.1, P).

local 40001 -> outside 40001      with chance 1 - c, c ~ Beta(1, 9)
local 40002 -> outside 23117      a conflict: anything
"""

from __future__ import annotations

import math
from functools import partial

from punch.predict.hypothesis import LOW, PORTS, Evidence, Explanation, Ranked

KEPT, LOST = 9.0, 1.0
"""The prior: of ten ports nine are kept."""


def explain(evidence: Evidence) -> list[Explanation]:
    """The hypothesis with its log likelihood (of all outside ports, relative to nothing)."""
    samples = evidence.samples
    kept = sum(sample.external == sample.local for sample in samples)
    lost = len(samples) - kept
    likelihood = _log_beta(KEPT + kept, LOST + lost) - _log_beta(KEPT, LOST) - lost * math.log(PORTS)
    chance = (KEPT + kept) / (KEPT + LOST + len(samples))
    chances = {local: chance for _, local, _ in evidence.holes if local >= LOW and local not in evidence.tried}
    return [(likelihood, partial(Ranked, "preserving", chances))] if chances else []


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
