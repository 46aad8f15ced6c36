"""Openings that die on the way: they open the own NAT and never reach a NAT that they would poison.

    opener (low TTL)   0, 100, 300 ms   ---> dies after the own NAT
    knocker            200, 400, 800 ms ------------------> comes in through the opening
    opener, full TTL   600 ms                               in case the roles do not fit

nat-science 5.4: against a router that accepts packets to itself, ordinary openings never get through, these do.
"""

from __future__ import annotations

from punch.strategies.desk import Desk
from punch.strategies.kinds import Timetable
from punch.strategies.targets import Target
from punch.values import Endpoint, NatProfile

DEFAULT_TTL = 8
"""Passes a carrier's NAT, seldom reaches the peer's (nat-science 5.4)."""
OPENINGS = ((0.0, True), (0.1, True), (0.3, True), (0.6, False), (0.9, False))
"""When the opener sends, and whether the packet is to die."""
KNOCKS = ((0.2, False), (0.4, False), (0.8, False))
GRACE = 0.6


def opening_ttl(local: NatProfile) -> int:
    """The TTL of a packet that passes the own NATs and goes little further."""
    return DEFAULT_TTL if local.distance is None else local.distance + 1


class LowTtl(Timetable):
    """One side: the opener or the knocker."""

    name = "low_ttl"

    def __init__(self, desk: Desk, targets: tuple[Target, ...], *, opens: bool) -> None:
        super().__init__(desk)
        self._to: tuple[Endpoint, ...] = tuple(each.endpoint for each in targets if not each.endpoint.is_ipv6)[:2]
        self._schedule = OPENINGS if opens else KNOCKS
        self._opens = opens
        self._began = 0.0
        self._done = 0

    def begin(self, *, now: float) -> None:
        """Open, or wait to knock."""
        self._began = now
        if not self._to:
            self._desk.end("exhausted", "none of the peer's endpoints can be tried from here", now=now)
            return
        ttl = opening_ttl(self._desk.local)
        self._desk.note(f"low_ttl: we open with TTL {ttl}" if self._opens else "low_ttl: they open, we knock", now=now)
        self._desk.plan(len(self._to))
        self._desk.wait("end", now + 0.9 + GRACE)
        self._send_due(now)

    def _send_due(self, now: float) -> None:
        schedule = self._schedule
        last: bool | None = None
        while self._done < len(schedule) and now >= self._began + schedule[self._done][0]:
            last = schedule[self._done][1]
            self._done += 1
        if last is not None:
            ttl = opening_ttl(self._desk.local) if last else 0
            for to in self._to:
                self._desk.probe(self._desk.main, to, now=now, ttl=ttl)
        if self._done < len(schedule):
            self._desk.wait("send", self._began + schedule[self._done][0])
