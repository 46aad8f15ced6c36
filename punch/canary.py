"""A small flow beside a search, to notice when the network suffers (nat-science 5.3).

    every 250 ms while attempts run:  main socket --binding request--> best server
    answered in time        the budget may double, once a second
    two lost in a row       the budget is halved        the same for two round trips over twice the best one

Canaries are not paid from the budget, but their entries count: where there is no room for one, none flies. They also
keep the main socket's mapping alive while it is probed at.
"""

from __future__ import annotations

import random

from punch import stun
from punch.budget import Budget
from punch.commands import SendDatagram
from punch.detect.transactions import Pending, Transactions
from punch.values import Endpoint, SocketId

INTERVAL = 0.25
PATIENCE = 0.5
"""Seconds an answer is waited for, or three times the best round trip."""
SLACK = 0.05
"""Seconds a busy host may add to a round trip."""
STRIKES = 2
HELD = 2
"""Servers, the best ones, towards which a host keeps its own mapping alive: entries like the canary's."""


class Canary:
    """The flow; it runs from `start` to `stop`."""

    def __init__(self, budget: Budget, entropy: random.Random) -> None:
        self.servers: tuple[Endpoint, ...] = ()
        self._budget = budget
        self._open: Transactions[None] = Transactions(entropy)
        self._sent: dict[bytes, float] = {}
        self.at: float | None = None
        """When the next one flies; None: none does."""
        self._place = 0
        self._best: float | None = None
        self._strikes = 0
        self._out: list[SendDatagram] = []
        self._via: SocketId | None = None

    def start(self, via: SocketId, *, now: float) -> None:
        """An attempt runs: begin, if it is not going on already."""
        self._via = via
        if self.at is None:
            self._best, self._strikes = None, 0
            self._sent.clear()
            self.at = now

    def stop(self) -> None:
        """No attempt runs."""
        self.at = None

    def receive(self, message: stun.Message, source: Endpoint, *, via: SocketId, now: float) -> bool:
        """Take an answer; False: to nothing asked here."""
        if not isinstance(self._open.match(message, source, via=via, now=now), Pending):
            return False
        self._open.close(message.transaction)
        sent = self._sent.pop(message.transaction, None)
        if sent is not None:
            self._judge(now - sent, now)
        return True

    def handle_timeout(self, *, now: float) -> None:
        """Count the lost, send the next."""
        if self.at is None or now < self.at:
            return
        patience = max(PATIENCE, 3.0 * (self._best or 0.0))
        for transaction in [each for each, at in self._sent.items() if now - at >= patience]:
            del self._sent[transaction]
            self._miss(now)
        self.at = now + INTERVAL
        self._fly(now)

    def outgoing(self) -> list[SendDatagram]:
        """Drain what is to be sent."""
        out, self._out = self._out, []
        return out

    def _fly(self, now: float) -> None:
        servers = [each for each in self.servers if not each.is_ipv6]
        if not servers or self._via is None:
            return
        server = servers[self._place % len(servers)]
        if not self._budget.admits(self._via, server, now=now):
            return
        for each in dict.fromkeys((*servers[:HELD], server)):
            self._budget.hold(self._via, each, now=now)
        transaction = self._open.open(None, via=self._via, to=server, now=now)
        self._sent[transaction] = now
        self._out.append(SendDatagram(self._via, server, stun.question(transaction)))

    def _judge(self, rtt: float, now: float) -> None:
        self._best = rtt if self._best is None else min(self._best, rtt)
        if rtt > 2.0 * self._best + SLACK:
            self._strike(now)
        else:
            self._strikes = 0
            self._budget.ramp(now=now)

    def _miss(self, now: float) -> None:
        """One is lost; a server that never answered says nothing of the network, so the next one is asked."""
        if self._best is None:
            self._place += 1
        else:
            self._strike(now)

    def _strike(self, now: float) -> None:
        self._strikes += 1
        if self._strikes >= STRIKES:
            self._strikes = 0
            self._budget.halve(now=now)
