"""Fresh sockets for the tests: asked for, waited for, closed when they have served.

    order --OpenSockets--> opened --> sockets --release--> CloseSocket
                           opened, late or of an earlier batch --> CloseSocket

Each batch owes us as many sockets, or words that they failed, as it was asked for, and is remembered until it paid.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import Struct

from punch.commands import CloseSocket, Command, OpenSockets
from punch.facts import SocketFailed, SocketOpened
from punch.values import SocketId

PATIENCE = 0.5
"""Seconds they are waited for; then tests go on with fewer."""


class Fresh(Struct, frozen=True):
    """A socket that never sent anything."""

    socket: SocketId
    port: int


class Supply:
    """One batch at a time; what comes late, or for an earlier batch, is closed at once."""

    def __init__(self, request_ids: Callable[[], int], commands: deque[Command]) -> None:
        self._request_ids = request_ids
        self._commands = commands
        self._request = 0
        self._owed: dict[int, int] = {}
        """Request -> sockets of it that neither came nor failed."""
        self._missing = 0
        self._fresh: dict[SocketId, Fresh] = {}
        self.due: float | None = None
        """When no more are waited for."""

    def order(self, count: int, *, now: float) -> None:
        """Ask for `count` sockets; the earlier batch is released."""
        self.release()
        self._request = self._request_ids()
        self._missing = self._owed[self._request] = count
        self.due = now + PATIENCE
        self._commands.append(OpenSockets(self._request, count))

    @property
    def ready(self) -> bool:
        """All that will come are there."""
        return self._missing == 0

    @property
    def sockets(self) -> tuple[Fresh, ...]:
        """Those that are there."""
        return tuple(self._fresh.values())

    def has(self, socket: SocketId) -> bool:
        """Whether it is one of these."""
        return socket in self._fresh

    def opened(self, fact: SocketOpened) -> bool:
        """One came; False: not for a batch of these."""
        if fact.request not in self._owed:
            return False
        self._paid(fact.request, 1)
        if fact.request == self._request and self._missing:
            self._fresh[fact.socket] = Fresh(fact.socket, fact.local.port)
            self._missing -= 1
        else:
            self._commands.append(CloseSocket(fact.socket))
        return True

    def failed(self, fact: SocketFailed) -> None:
        """Some will not come."""
        self._paid(fact.request, fact.missing)
        if fact.request == self._request:
            self._missing = max(0, self._missing - fact.missing)

    def _paid(self, request: int, count: int) -> None:
        left = self._owed.pop(request, 0) - count
        if left > 0:
            self._owed[request] = left

    def closed(self, socket: SocketId) -> bool:
        """One is gone; False: it was none of these."""
        return self._fresh.pop(socket, None) is not None

    def settle(self) -> None:
        """Wait for no more."""
        self._missing, self.due = 0, None

    def release(self) -> None:
        """Close them all."""
        self._commands.extend(map(CloseSocket, self._fresh))
        self._fresh, self._request = {}, 0
        self.settle()
