"""Both sides symmetric, one counter at least: one holds still, the other walks its counter there (nat-science 3.3).

    walker (the quieter counter)                        anchor (the noisier, or a block)
    reads its counter twice: Sampled           --->     three targets T ahead of it; S HHH S HHH S HHH S, the holes
                                                        of each group towards one T; its own posterior says where
    reads again, waits while others advance    <---     Aim(T, port) for each group
    the counter, then as many fresh sockets
    to `port` as it takes to pass T
    one of them is at T: its packet comes in through the hole, and is answered

Missed (T or `port` went to somebody else's mapping): the next target, then the next round with the last readings. A
walker whose NAT keeps ports need not walk at all: it opens a socket on port T (`Binder`).
"""

from __future__ import annotations

from punch.strategies.anchoring import Anchor
from punch.strategies.desk import Desk, Part
from punch.strategies.kinds import Sided
from punch.strategies.walking import Binder, Walker


class AnchorWalk(Sided):
    """One side; `anchor`: ours holds still."""

    name = "anchor_walk"

    def __init__(self, desk: Desk, anchor: bool) -> None:
        super().__init__(Anchor(desk) if anchor else _walker(desk))


def _walker(desk: Desk) -> Part:
    return Binder(desk) if desk.local.allocation == "preserving" else Walker(desk)
