"""The one door by which the engine sends: addresses checked, budget drawn, counted.

attempt, detector --probe, spend--> manners? budget? --> SendDatagram
"""

from __future__ import annotations

from collections import Counter, deque

from punch.budget import Budget
from punch.commands import Command, SendDatagram
from punch.events import BudgetView
from punch.facts import NetworkChanged
from punch.manners import Manners, Refusal, Try, on_link
from punch.sites import public_hosts
from punch.values import Endpoint, NatProfile, SocketId

Verdict = Refusal | None


class Outlet:
    """What the engine sends with, shared by all its rooms."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.manners = Manners()
        self.commands: deque[Command] = deque()
        self.drops: Counter[str] = Counter()
        """What came and was not used, and what was not sent, by reason."""
        self.main: SocketId | None = None
        self.main6: SocketId | None = None
        self.addresses: tuple[str, ...] = ()
        self.profile = NatProfile()
        self.probes_received = 0

    def view(self, now: float) -> BudgetView:
        """The budget as `punch` shows it."""
        return BudgetView(
            probes_sent=self.budget.sent,
            measured=self.budget.measured,
            probes_received=self.probes_received,
            entries_live=self.budget.live(now=now),
            rate=self.budget.rate,
        )

    def take(self, socket: SocketId, *, ipv6: bool) -> None:
        """A main socket is open; the first of each family is used."""
        if ipv6 and self.main6 is None:
            self.main6 = socket
        elif not ipv6 and self.main is None:
            self.main = socket

    @property
    def is_open(self) -> bool:
        """There is a main socket."""
        return self.main is not None or self.main6 is not None

    def lost(self, socket: SocketId) -> None:
        """A socket is closed."""
        self.main = None if self.main == socket else self.main
        self.main6 = None if self.main6 == socket else self.main6

    def surround(self, fact: NetworkChanged) -> None:
        """Where this host is."""
        self.addresses = fact.addresses
        self.manners.surround(own=fact.addresses, broadcast=fact.broadcast, overlay=fact.overlay)

    def is_near(self, host: str, of: Try, *, now: float) -> bool:
        """Whether a private `host` can be the peer: on-link, or behind our own NAT."""
        return on_link(host, self.addresses) or self.shares_site(of, now=now)

    def shares_site(self, of: Try, *, now: float) -> bool:
        """Whether another member hears the peer from a public address of ours: its own word would not do."""
        return any(self.manners.is_vouched(of, host, now=now) for host in public_hosts(self.profile))

    def send(
        self, via: SocketId, to: Endpoint, payload: bytes, *, of: Try, now: float, ttl: int = 0, answer: bool = False
    ) -> bool:
        """Send one packet of a try, for which there is no `refusal`; False: no budget now."""
        if not self.budget.spend(via, to, now=now, answer=answer):
            return False
        self.manners.note(to, of, now=now)
        self.commands.append(SendDatagram(via, to, payload, ttl))
        return True

    def refusal(self, to: Endpoint, *, of: Try, near: bool, now: float) -> Verdict:
        """Why nothing of this try may go there now; counted."""
        why = self.manners.refusal(to, of, near=near, now=now)
        if why is not None:
            self.drops[f"not_sent_{why}"] += 1
        return why

    def answered(self, via: SocketId, to: Endpoint, *, proven: bool) -> None:
        """What was sent there got through; `proven`: its answer came from there too, whoever else may forge sources."""
        self.budget.answered(via, to)
        if proven:
            self.manners.answered(to)
