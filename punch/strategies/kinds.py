"""Two kinds of strategies, for what those of a kind have in common.

Timetable    sends by the clock alone: nothing is opened, sampled or said      simultaneous, reachable, low_ttl
Sided        another machine on each side                                      searches, anchor and walk
"""

from __future__ import annotations

from punch.signals import Signal
from punch.strategies.desk import Desk, Opened, Part
from punch.values import Endpoint, SocketId


class Timetable:
    """Sends what is due until its time is over."""

    missed: str = "no packet came through"
    """Why it ends when its time is over."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """No sockets are asked for."""

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """Nothing is sampled."""

    def heard(self, signal: Signal, *, now: float) -> None:
        """Nothing needs to be said."""

    def due(self, name: str, *, now: float) -> None:
        """The next packets, or the end."""
        if name == "end":
            self._desk.end("exhausted", self.missed, now=now)
        else:
            self._send_due(now)

    def finish(self, *, now: float) -> None:
        """The attempt clears the waits."""

    def _send_due(self, now: float) -> None:
        raise NotImplementedError


class Sided:
    """Hands everything to what our side does."""

    def __init__(self, side: Part) -> None:
        self._side = side

    def begin(self, *, now: float) -> None:
        """See `Part`, as for all that follow."""
        self._side.begin(now=now)

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """Sockets came."""
        self._side.opened(request, sockets, now=now)

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """A sample came."""
        self._side.sampled(via, seen, sent, now=now)

    def heard(self, signal: Signal, *, now: float) -> None:
        """The other side said something."""
        self._side.heard(signal, now=now)

    def due(self, name: str, *, now: float) -> None:
        """A wait is over."""
        self._side.due(name, now=now)

    def finish(self, *, now: float) -> None:
        """Nothing more is sent."""
        self._side.finish(now=now)
