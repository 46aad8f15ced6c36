"""Samples of an attempt: what a STUN service sees of a fresh socket, and when it was asked.

strategy --sample--> ask: budget, request --> best server
                     receive: answer ----> (owner, socket, seen, sent) --> strategy.sampled

Each is asked once: a sample that got lost is a sample less, and a second one by the same socket would be another's.
"""

from __future__ import annotations

import random

from msgspec import Struct

from punch import stun
from punch.commands import SendDatagram
from punch.detect.transactions import Pending, Transactions
from punch.outlet import Outlet
from punch.values import Endpoint, SocketId

LIFE = 3.0
"""Seconds an answer is waited for."""


class Seen(Struct, frozen=True, gc=False):
    """An answer."""

    owner: int
    via: SocketId
    seen: Endpoint
    sent: float


class Sampler:
    """All samples under way."""

    def __init__(self, outlet: Outlet, entropy: random.Random) -> None:
        self.servers: tuple[Endpoint, ...] = ()
        """Best first; IPv4 ones only are asked."""
        self._silent: dict[Endpoint, None] = {}
        """Those that left the last question unanswered: asked only when all did."""
        self._outlet = outlet
        self._open: Transactions[int] = Transactions(entropy)
        self._seen: list[Seen] = []

    def ask(self, owner: int, via: SocketId, *, now: float) -> bool:
        """Ask the best server; False: none, or no budget now."""
        for late in self._open.expire(now=now):
            self._silent[late.to] = None
        servers = [each for each in self.servers if not each.is_ipv6]
        server = next((each for each in servers if each not in self._silent), servers[0] if servers else None)
        if server is None or not self._outlet.budget.spend(via, server, now=now):
            return False
        transaction = self._open.open(owner, via=via, to=server, lifetime=LIFE, now=now)
        self._outlet.commands.append(SendDatagram(via, server, stun.question(transaction)))
        return True

    def receive(self, message: stun.Message, source: Endpoint, *, via: SocketId, now: float) -> bool:
        """Take an answer; False: to nothing asked here."""
        found = self._open.match(message, source, via=via, now=now)
        if not isinstance(found, Pending):
            return False
        self._open.close(message.transaction)
        self.lives(source)
        self._outlet.budget.answered(via, source)
        if (seen := message.seen) is not None:
            self._seen.append(Seen(found.what, via, seen, found.opened))
        return True

    def lives(self, server: Endpoint) -> None:
        """It answered, whoever asked."""
        self._silent.pop(server, None)

    @property
    def has_results(self) -> bool:
        """Some were seen."""
        return bool(self._seen)

    def results(self) -> list[Seen]:
        """Drain what was seen."""
        if not self._seen:
            return []
        done, self._seen = self._seen, []
        return done

    def forget(self, via: SocketId) -> None:
        """A socket is gone."""
        self._open.forget(via)
