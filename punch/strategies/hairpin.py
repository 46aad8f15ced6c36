"""Both behind one public address: on one LAN, or behind one carrier's NAT.

0 ms    LAN endpoints the other named
100 ms  and its outside endpoint: the NAT turns the packet round (RFC 4787, REQ-9)
"""

from __future__ import annotations

from punch.strategies.desk import Desk
from punch.strategies.simultaneous import Simultaneous
from punch.strategies.targets import Target


class Hairpin(Simultaneous):
    """One side; both do the same."""

    def __init__(self, desk: Desk, targets: tuple[Target, ...]) -> None:
        super().__init__(desk, targets, name="hairpin")
