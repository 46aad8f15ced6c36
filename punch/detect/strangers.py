"""Hosts that nobody named but a server: its OTHER-ADDRESS, and where it says that we are seen.

server --"my other address is X"--> detector --asks X--> manners: 4 packets an endpoint, 60 unanswered a host ...

A server that lies aims at somebody else, so these get what every endpoint gets that nobody vouches for (protocol
section 9), until an answer comes from there.
"""

from __future__ import annotations

from collections.abc import Iterable

from punch.manners import Manners, Try
from punch.values import Endpoint

NOBODY = b""
"""No peer named them."""


class Strangers:
    """What may be sent to whom in one measurement."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._known: frozenset[str] = frozenset()
        self._try = Try(NOBODY, ())
        self._answered: dict[str, None] = {}

    def know(self, hosts: Iterable[str]) -> None:
        """These are our servers."""
        self._known = frozenset(hosts)

    def begin(self) -> None:
        """Another measurement."""
        self._try = Try(NOBODY, ())
        self._answered.clear()

    def allows(self, to: Endpoint, *, now: float) -> bool:
        """Whether a packet may go there."""
        return self._knows(to) or self._manners.refusal(to, self._try, near=True, now=now) is None

    def note(self, to: Endpoint, *, now: float) -> None:
        """A packet went there."""
        if not self._knows(to):
            self._manners.note(to, self._try, now=now)

    def answered(self, source: Endpoint) -> None:
        """An answer to what was sent came from there."""
        if source in self._try.endpoints:
            self._answered[source.host] = None
            self._manners.answered(source)

    def _knows(self, to: Endpoint) -> bool:
        return to.host in self._known or to.host in self._answered
