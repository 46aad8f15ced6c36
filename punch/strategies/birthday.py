"""The birthday attack: many holes, many probes, and two of them meet (nat-science 2).

    packets of each side, n    140    210    260    440
    chance that two met         26     50     65     95 %      1 - e^(-n^2 / 64,512)

Both sides begin at once: of an allocator known to be uniform no sample says more. At 256 holes the hard side only keeps
them open, and the easy side goes on alone.
"""

from __future__ import annotations

from punch.predict.posterior import MOST_HOLES
from punch.strategies.desk import Desk
from punch.strategies.plan import FULL, Plan, script
from punch.strategies.searching import Search

PORTS = 1750
"""Leave 0.1 % of bad luck at 256 holes (nat-science 5.2)."""


class Birthday(Search):
    """One side of it; `hard`: ours is the symmetric NAT."""

    def __init__(self, desk: Desk, hard: bool) -> None:
        profile = desk.local if hard else desk.remote
        known = profile.allocation == "uniform"
        super().__init__(
            desk,
            Plan(
                name="birthday",
                first_round=21,
                script=script(profile) if known else FULL,
                ports=PORTS,
                block_ports=PORTS,
                uniform_ports=PORTS,
                holes=MOST_HOLES,
                believe=known,
                ahead=known,
            ),
            hard,
        )
