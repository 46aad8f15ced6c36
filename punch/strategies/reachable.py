"""One side can be reached, NAT1 or NAT2: only the direction that is needed is used.

    symmetric side  --probe from its main socket-->  reflexive endpoint of the reachable side
    reachable side  (NAT2 only: one packet first, to any port of the other's address)

The probe brings the port of the symmetric side along, and is answered there.
"""

from __future__ import annotations

from punch.strategies.desk import Desk
from punch.strategies.kinds import Timetable
from punch.values import Endpoint

OFFSETS = (0.0, 0.2, 0.5)
OPENINGS = (0.0, 0.4)
"""When the NAT2 side opens its filter."""
GRACE = 0.6


class Reachable(Timetable):
    """One side: `knocks` says whether it is the one that sends to `to`; else it opens its filter towards it."""

    name = "reachable"
    missed = "the reachable side was not reached"

    def __init__(self, desk: Desk, to: Endpoint | None, *, knocks: bool) -> None:
        super().__init__(desk)
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
