"""A few holes between samples: for allocators that can be predicted, and for those nothing is known of.

    S HHHH S HHH S     the samples bracket the holes, so drift, delay and other hosts' traffic cancel (nat-science 0)

One to three probes for a counter or a port that is kept; a block found on the way is searched as one; where nothing
but chance is left the search ends, and the birthday is the next in the list. A prober whose packets come from one of
several addresses by chance finds few of the holes open to it: there are more of them.
"""

from __future__ import annotations

from punch.strategies.desk import Desk
from punch.strategies.plan import FULL, Plan, script
from punch.strategies.searching import Search

PORTS = 40
"""Ports of a ranking (nat-science 6)."""
BLOCK_PORTS = 400


class Sandwich(Search):
    """One side of it; `hard`: ours is the symmetric NAT."""

    def __init__(self, desk: Desk, hard: bool) -> None:
        profile, easy = (desk.local, desk.remote) if hard else (desk.remote, desk.local)
        super().__init__(
            desk,
            Plan(
                name="sandwich",
                first_round=1,
                script=FULL if easy.pooling == "arbitrary" else script(profile),
                ports=PORTS,
                block_ports=BLOCK_PORTS,
                uniform_ports=0,
            ),
            hard,
        )
