"""Where the holes are: from a few STUN samples and the holes between them to a ranking of outside ports.

    samples, holes, profile
           |
    preserving  sequential  block  cluster  uniform     one file a hypothesis: how well it explains the samples,
           \\        |        |       |       /          and how likely a hole is at each port if it is true
                        posterior                       weighs them; always the port most likely to have a hole next
                            |
                          pool                          the same over several outside addresses
    feasible   what a pair of NATs allows at all, before anything is sent

Pure, without numpy: nine samples need none. The basis is nat-science sections 2 to 4.
"""

from __future__ import annotations

from punch.predict.pool import Pool
from punch.predict.posterior import Posterior

__all__ = ["Pool", "Posterior"]
