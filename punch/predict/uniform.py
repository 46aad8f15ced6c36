"""Any port of a wide range, each time anew: netfilter's random-fully, and what RFC 7857 recommends (U).

The whole range, and the few parts of it that implementations keep to: nine samples tell 28,232 ports from 64,512 by
1,600 to 1, and then the search costs less than half.
"""

from __future__ import annotations

import math
from functools import partial

from punch.predict.hypothesis import HIGH, LOW, Evidence, Explanation, Scattered

RANGES = (
    (LOW, HIGH, 0.75),
    (32768, 60999, 0.05),  # Linux's ip_local_port_range
    (49152, HIGH, 0.05),  # RFC 6335's dynamic ports
    (32768, HIGH, 0.05),
    (16384, HIGH, 0.05),
    (10000, HIGH, 0.05),
)
"""First port, last port, how likely beforehand."""


def explain(evidence: Evidence) -> list[Explanation]:
    """Each range that holds all samples, with its log likelihood."""
    found: list[Explanation] = []
    for low, high, prior in RANGES:
        count = high - low + 1
        inside = sum(low <= sample.external <= high for sample in evidence.samples)
        if inside == len(evidence.samples) or prior == RANGES[0][2]:
            likelihood = math.log(prior) - len(evidence.samples) * math.log(count)
            found.append((likelihood, partial(Scattered, "uniform", low, count, evidence)))
    return found
