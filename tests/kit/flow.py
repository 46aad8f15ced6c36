"""User packets through a village, and the longest silence they saw."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from tests.kit.village import Village, packet


class Flow:
    """Packets from `a` to `b` every few milliseconds; `answered`: b answers each that comes, as a TCP would.

    A sender that waits for answers (`closed`) slows down when none come, like TCP: 200 ms, 400 ms, 800 ms ...
    """

    def __init__(
        self, village: Village, a: str, b: str, *, every: float = 0.02, answered: bool = True, closed: bool = False
    ) -> None:
        self.village = village
        self.a, self.b = a, b
        self.every, self._answered, self._closed = every, answered, closed
        self._there, self._back = str(village.look(a).self.ipv4), str(village.look(b).self.ipv4)
        self._next = village.world.now
        self._wait = every
        self._last_answer = village.world.now
        self.sent = self.came = self.answers = 0
        self.arrivals: list[float] = []

    def run(self, seconds: float, *, step: float = 0.005) -> None:
        """Let them flow."""
        world = self.village.world
        until = world.now + seconds
        while world.now < until - 1e-9:
            self._send(world.now)
            world.run_for(step)
            self._take(world.now)

    def unheard(self, *, until: Callable[[], bool], within: float) -> None:
        """Go on sending to one that is no more."""
        end = self.village.world.now + within
        while self.village.world.now < end and not until():
            self._send(self.village.world.now)
            self.village.world.run_for(0.02)

    def _send(self, now: float) -> None:
        if now < self._next:
            return
        self.village.nodes[self.a].send(packet(self._there, self._back), now=now)
        self.sent += 1
        if self._closed and now - self._last_answer > 0.2:
            self._wait = max(0.2, self._wait * 2)
        else:
            self._wait = self.every
        self._next = now + self._wait

    def _take(self, now: float) -> None:
        for _ in self.village.nodes[self.b].received():
            self.came += 1
            self.arrivals.append(now)
            if self._answered:
                self.village.nodes[self.b].send(packet(self._back, self._there), now=now)
        for _ in self.village.nodes[self.a].received():
            self.answers += 1
            if self._closed and now - self._last_answer > 0.2:
                self._next, self._wait = now, self.every
            self._last_answer = now

    def silence(self, seconds: float, *, after: Callable[[], object] = lambda: None) -> float:
        """Do something, go on for so long, and return the longest time without an arrival."""
        self.arrivals = [self.village.world.now]
        after()
        self.run(seconds)
        times = [*self.arrivals, self.village.world.now]
        return max(later - earlier for earlier, later in pairwise(times))
