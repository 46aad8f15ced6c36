"""An engine that does what a test says and remembers what it was told, in the place of `punch.engine.Engine`."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Any

from punch.commands import Command
from punch.config import PunchConfig, StunConfig
from punch.events import BudgetView, Event, PeerView
from punch.facts import Fact
from punch.values import Endpoint, NatProfile, PeerId, SocketId


class ScriptedEngine:
    """The six verbs, and the queries."""

    def __init__(self, config: PunchConfig, stun: StunConfig, *, entropy: random.Random, now: float) -> None:
        self.config, self.stun = config, stun
        self.facts: list[Fact] = []
        self.heard: list[tuple[bytes, Endpoint, SocketId]] = []
        self.asks: deque[Command] = deque()
        """What it will ask for."""
        self.happens: deque[Event] = deque()
        """What it will tell."""
        self.profile = NatProfile()
        self.undecided: tuple[str, ...] = ()
        self.drops: dict[str, int] = {}

    def told(self, kind: type[Any]) -> list[Any]:
        """The facts of one kind so far."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> None:
        """Remember a datagram."""
        self.heard.append((payload, source, via))

    def tell(self, fact: Fact, *, now: float) -> None:
        """Remember a fact."""
        self.facts.append(fact)

    def next_timeout(self) -> float | None:
        """Never."""
        return None

    def handle_timeout(self, *, now: float) -> None:
        """Nothing is due."""

    def commands(self) -> Iterator[Command]:
        """What the test put there."""
        while self.asks:
            yield self.asks.popleft()

    def events(self) -> Iterator[Event]:
        """What the test put there."""
        while self.happens:
            yield self.happens.popleft()

    def profile_age(self, now: float) -> float | None:
        """Not measured."""
        return None

    def view(self, peer: PeerId, now: float) -> PeerView:
        """Idle."""
        return PeerView(state="idle")

    def budget(self, now: float) -> BudgetView:
        """Untouched."""
        return BudgetView(probes_sent=0, probes_received=0, entries_live=0, rate=33.0)
