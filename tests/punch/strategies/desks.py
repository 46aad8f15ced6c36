"""A desk that writes down what a strategy does."""

from __future__ import annotations

import random
from math import inf

from punch.signals import Signal
from punch.strategies.desk import Strategy
from punch.values import Candidate, Endpoint, NatProfile, SocketId


class FakeDesk:
    """Everything is allowed; time is what `run` says."""

    attempt = 1
    main = SocketId(1)
    main6: SocketId | None = SocketId(2)
    remote_host = "198.51.100.9"

    def __init__(self, local: NatProfile | None = None, remote: NatProfile | None = None) -> None:
        self.local = local or NatProfile()
        self.remote = remote or NatProfile()
        self.entropy = random.Random(1)
        self.candidates: tuple[Candidate, ...] = ()
        self.local_candidates: tuple[Candidate, ...] = ()
        self.sent: list[tuple[float, SocketId, Endpoint, int]] = []
        self.said: list[Signal] = []
        self.notes: list[str] = []
        self.planned = 0
        self.over: tuple[float, str] | None = None
        self._waits: dict[str, float] = {}

    def probe(self, via: SocketId, to: Endpoint, *, now: float, ttl: int = 0) -> bool:
        self.sent.append((round(now, 3), via, to, ttl))
        return True

    def sample(self, via: SocketId, *, now: float) -> bool:
        raise AssertionError("nothing to sample")

    def room(self, *, now: float) -> float:
        return 40.0

    def room_at(self, packets: float, *, now: float) -> float:
        return now

    def open(self, count: int, *, even: bool = False, port: int = 0) -> int:
        raise AssertionError("no sockets are needed")

    def close(self, via: SocketId) -> None:
        raise AssertionError("nothing is open")

    def say(self, signal: Signal) -> None:
        self.said.append(signal)

    def wait(self, name: str, at: float) -> None:
        self._waits.pop(name, None)
        if at != inf:
            self._waits[name] = at

    def note(self, text: str, *, now: float) -> None:
        self.notes.append(text)

    def plan(self, ports: int) -> None:
        self.planned = ports

    def end(self, reason: str, text: str, *, now: float) -> None:
        self.over = self.over or (round(now, 3), reason)

    def run(self, strategy: Strategy, *, until: float = 10.0) -> list[float]:
        """Begin at 0 and let time pass to its end; when packets were sent."""
        strategy.begin(now=0.0)
        while self._waits and self.over is None:
            name = min(self._waits, key=lambda each: self._waits[each])
            at = self._waits.pop(name)
            if at > until:
                break
            strategy.due(name, now=at)
        return [at for at, _, _, _ in self.sent]
