"""One side can be reached, NAT1 or NAT2: only the direction that is needed is used.

    symmetric side  --probe from its main socket-->  reflexive endpoint of the reachable side
    reachable side  (NAT2 only: one packet first, to any port of the other's address)

The probe brings the port of the symmetric side along, and is answered there.
"""

from __future__ import annotations

from punch.signals import Signal
from punch.strategies.desk import Desk, Opened
from punch.values import Endpoint, SocketId

OFFSETS = (0.0, 0.2, 0.5)
OPENINGS = (0.0, 0.4)
"""When the NAT2 side opens its filter."""
GRACE = 0.6


class Reachable:
    """One side: `knocks` says whether it is the one that sends to `to`; else it opens its filter towards it."""

    name = "reachable"

    def __init__(self, desk: Desk, to: Endpoint | None, *, knocks: bool) -> None:
        self._desk = desk
        self._to = to
        self._knocks = knocks
        self._began = 0.0
        self._done = 0

    @property
    def _schedule(self) -> tuple[float, ...]:
        if self._to is None:
            return ()
        return OFFSETS if self._knocks else OPENINGS

    def begin(self, *, now: float) -> None:
        """Knock, open, or wait to be knocked at."""
        self._began = now
        whose = "we reach them" if self._knocks else "they reach us"
        self._desk.note(f"reachable: {whose}" + (f" at {self._to}" if self._knocks else ""), now=now)
        self._desk.plan(1 if self._schedule else 0)
        self._desk.wait("end", now + OFFSETS[-1] + GRACE)
        self._send_due(now)

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """No sockets are asked for."""

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """Nothing is sampled."""

    def heard(self, signal: Signal, *, now: float) -> None:
        """Nothing needs to be said."""

    def due(self, name: str, *, now: float) -> None:
        """The next packet, or the end."""
        if name == "end":
            self._desk.end("exhausted", "the reachable side was not reached", now=now)
        else:
            self._send_due(now)

    def finish(self, *, now: float) -> None:
        """The attempt clears the waits."""

    def _send_due(self, now: float) -> None:
        schedule = self._schedule
        if self._to is None or self._done >= len(schedule):
            return
        via = self._desk.main6 if self._to.is_ipv6 else self._desk.main
        if via is not None:
            self._desk.probe(via, self._to, now=now)
        while self._done < len(schedule) and now >= self._began + schedule[self._done]:
            self._done += 1
        if self._done < len(schedule):
            self._desk.wait("send", self._began + schedule[self._done])
