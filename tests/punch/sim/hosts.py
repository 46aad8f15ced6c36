"""Small hosts for worlds: one that sends on a beat, one that answers, both write down what they heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from punch.sim import Datagram
from punch.values import Endpoint, udp


class Listener:
    """Hears, and sends what it is told to."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, bytes]] = []
        self.out: deque[Datagram] = deque()

    def say(self, source: str, to: str, payload: bytes = b"hello") -> None:
        """Send from one address to another, port 1 to port 1."""
        self.out.append(Datagram(udp(source, 1), udp(to, 1), payload))

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """Write it down."""
        self.heard.append((now, source.host, payload))

    def next_timeout(self) -> float | None:
        """Never wants to be woken."""
        return None

    def handle_timeout(self, *, now: float) -> None:
        """Nothing is ever due."""
        raise AssertionError("woken for nothing")

    def outgoing(self) -> Iterator[Datagram]:
        """What it was told."""
        while self.out:
            yield self.out.popleft()

    def payloads(self) -> list[bytes]:
        """What it heard, without when and whence."""
        return [payload for _, _, payload in self.heard]


class Echo(Listener):
    """Answers everything but answers, from the address that was asked."""

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """Write it down and send it back."""
        super().receive(payload, source, to=to, now=now)
        if not payload.startswith(b"re:"):
            self.out.append(Datagram(to, source, b"re:" + payload))


class Beat(Listener):
    """Sends a numbered datagram each `every` seconds, `count` in all."""

    def __init__(self, source: str, to: str, *, every: float, count: int, size: int = 100) -> None:
        super().__init__()
        self._ends = (udp(source, 1), udp(to, 1))
        self._every, self._count, self._size = every, count, size
        self._sent = 0
        self.woken: list[float] = []

    def next_timeout(self) -> float | None:
        """The next beat."""
        return self._sent * self._every if self._sent < self._count else None

    def handle_timeout(self, *, now: float) -> None:
        """Send what is due."""
        self.woken.append(now)
        while (due := self.next_timeout()) is not None and due <= now:
            self.out.append(Datagram(*self._ends, self._sent.to_bytes(4, "big").ljust(self._size, b".")))
            self._sent += 1
