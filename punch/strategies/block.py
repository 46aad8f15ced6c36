"""Search inside the block of ports that a carrier gave the hard side.

m holes and k probes among b ports miss each other with (1 - m / b)^k: 32 and 22 for an even chance in 1,024. The holes
grow to an eighth of the block, which is the subscriber's whole quota, while the probes go on.
"""

from __future__ import annotations

from punch.strategies.desk import Desk
from punch.strategies.plan import Plan, script
from punch.strategies.searching import Search

PORTS = 40
BLOCK_PORTS = 400
"""Ports tried while a block is believed: an eighth of 4,096 as holes leaves e^-50 of bad luck."""


class Block(Search):
    """One side of it; `hard`: ours is the symmetric NAT."""

    def __init__(self, desk: Desk, hard: bool) -> None:
        profile = desk.local if hard else desk.remote
        super().__init__(
            desk,
            Plan(
                name="block",
                first_round=11,
                script=script(profile),
                ports=PORTS,
                block_ports=BLOCK_PORTS,
                uniform_ports=0,
            ),
            hard,
        )
