"""Both send at once to every endpoint of the other: each packet opens the own NAT for the other's.

    0 ms   100   200   400   800      then 0.7 s for the last answer
    |------|-----|-----|------|---------------|
    IPv6   0, 50, 150, 400 (only firewalls stand between)
    where there is IPv6 or a LAN to be tried, all else comes 100 ms later (nat-science 6)

A poisonable NAT must send before it is sent to (nat-science 5.4): the other side of one waits a moment.
"""

from __future__ import annotations

from punch.strategies.desk import Desk
from punch.strategies.kinds import Timetable
from punch.strategies.targets import Target
from punch.values import Endpoint

OFFSETS = (0.0, 0.1, 0.2, 0.4, 0.8)
OFFSETS_IPV6 = (0.0, 0.05, 0.15, 0.4)
LATER = 0.1
"""Seconds that IPv4 through NATs leaves to what is better."""
GRACE = 0.7
"""Seconds after the last packet in which an answer may still come."""
COURTESY = 0.2
"""Seconds a poisonable NAT is given to send first."""
STALL = 5.0
"""Seconds in all that the schedule waits where searches for others used the budget up."""


class Simultaneous(Timetable):
    """One side; both do the same."""

    def __init__(
        self, desk: Desk, targets: tuple[Target, ...], *, name: str = "simultaneous", until: float = 0.0
    ) -> None:
        self.name = name
        super().__init__(desk)
        self._targets = targets
        self._until = until
        """Seconds after which the next strategy has its turn; 0: when all is sent and waited for."""
        self._later = LATER if any(_is_better(each) for each in targets) else 0.0
        self._began = 0.0
        self._stalled = 0.0
        self._sent: dict[Endpoint, int] = {}

    def begin(self, *, now: float) -> None:
        """Send, and set the waits for the rest."""
        desk = self._desk
        self._began = now
        desk.plan(len(self._targets))
        if desk.remote.poisonable and not desk.local.poisonable:
            self._began += COURTESY
        listed = ", ".join(str(each.endpoint) for each in self._targets)
        desk.note(f"{self.name}: {listed or 'nothing to send to'}", now=now)
        if not self._targets:
            desk.end("exhausted", "none of the peer's endpoints can be tried from here", now=now)
            return
        self._send_due(now)

    def _send_due(self, now: float) -> None:
        upcoming = [at for each in self._targets if (at := self._attend(each, now)) is not None]
        if upcoming:
            self._desk.wait("send", min(upcoming))
        last = self._began + max(self._schedule(each)[-1] for each in self._targets) + GRACE
        self._desk.wait("end", max(now, self._began + self._until if self._until else last))

    def _attend(self, target: Target, now: float) -> float | None:
        """Send to one if it is time; when it is time again."""
        schedule = self._schedule(target)
        done = self._sent.get(target.endpoint, 0)
        if done < len(schedule) and now >= self._began + schedule[done] and self._stall(now):
            return self._began + schedule[done]
        while done < len(schedule) and now >= self._began + schedule[done]:
            self._probe(target.endpoint, done, now)
            done += 1
            while done < len(schedule) and now >= self._began + schedule[done]:
                done += 1
        self._sent[target.endpoint] = done
        return self._began + schedule[done] if done < len(schedule) else None

    def _stall(self, now: float) -> bool:
        """Without budget all that is still to come comes later."""
        wait = max(0.0, self._desk.room_at(1, now=now) - now) if self._desk.room(now=now) < 1.0 else 0.0
        if not wait or self._stalled + wait > STALL:
            return False
        self._stalled += wait
        self._began += wait
        return True

    def _probe(self, to: Endpoint, done: int, now: float) -> None:
        via = self._desk.main6 if to.is_ipv6 else self._desk.main
        if via is not None:
            self._desk.probe(via, to, now=now)

    def _schedule(self, target: Target) -> tuple[float, ...]:
        """When packets go to it, from the exchange of the offers on."""
        if target.endpoint.is_ipv6:
            return OFFSETS_IPV6
        return OFFSETS if _is_better(target) else tuple(each + self._later for each in OFFSETS)


def _is_better(target: Target) -> bool:
    return target.near or target.endpoint.is_ipv6
