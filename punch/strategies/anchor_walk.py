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

from punch.signals import Signal
from punch.strategies.anchoring import Anchor
from punch.strategies.desk import Desk, Opened
from punch.strategies.walking import Binder, Walker
from punch.values import Endpoint, SocketId


class AnchorWalk:
    """One side; `anchor`: ours holds still."""

    name = "anchor_walk"

    def __init__(self, desk: Desk, anchor: bool) -> None:
        self._side: Anchor | Binder | Walker
        if anchor:
            self._side = Anchor(desk)
        else:
            self._side = Binder(desk) if desk.local.allocation == "preserving" else Walker(desk)

    def begin(self, *, now: float) -> None:
        """See `Strategy`."""
        self._side.begin(now=now)

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """See `Strategy`."""
        self._side.opened(request, sockets, now=now)

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """See `Strategy`."""
        self._side.sampled(via, seen, sent, now=now)

    def heard(self, signal: Signal, *, now: float) -> None:
        """See `Strategy`."""
        self._side.heard(signal, now=now)

    def due(self, name: str, *, now: float) -> None:
        """See `Strategy`."""
        self._side.due(name, now=now)

    def finish(self, *, now: float) -> None:
        """See `Strategy`."""
        self._side.finish(now=now)
