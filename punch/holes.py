"""Sockets before promotion: asked for, counted, given to who asked, closed when nobody needs them.

ask -> OpenSockets -> SocketOpened .. SocketFailed (fewer) -> whole: handed over -> CloseSocket
                                  \\--- 2 s without the rest -> what there is ---/     or taken by HoleOpened
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from punch.commands import CloseSocket, OpenSockets
from punch.facts import SocketFailed, SocketOpened
from punch.values import Endpoint, SocketId

MOST_SOCKETS = 512
"""Sockets of the engine's at once: a quarter of an old router's table (nat-science 5.2)."""
PATIENCE = 2.0
"""Seconds the shell may take to open sockets."""

FORGOTTEN = 60.0
"""Seconds after which sockets that nobody waits for count as not coming."""
MOST_LATE = 1024

Owner = int
"""An attempt's label; 0 is nobody."""


class Hole(Struct, frozen=True, gc=False):
    """A fresh socket."""

    socket: SocketId
    local: Endpoint


class Request(Struct):
    """Sockets on their way."""

    owner: Owner
    count: int
    sockets: list[Hole]
    missing: int = 0
    since: float | None = None
    """When it was first looked at."""

    @property
    def whole(self) -> bool:
        """All are there, or known not to come."""
        return len(self.sockets) + self.missing >= self.count


class Holes:
    """All sockets the engine asked for on behalf of attempts."""

    def __init__(self, next_request: Callable[[], int]) -> None:
        self._next_request = next_request
        self._requests: dict[int, Request] = {}
        self._owners: dict[SocketId, Owner] = {}
        self._closing: dict[SocketId, None] = {}
        """Sockets that are to be closed, until the host says that they are."""
        self._late: dict[int, None] = {}
        """Requests whose sockets are counted no more; one that comes after all is closed."""
        self._commands: list[OpenSockets | CloseSocket] = []

    def ask(self, owner: Owner, count: int, *, even: bool, port: int) -> int:
        """Ask for sockets; what is above the limit counts as missing at once."""
        number = self._next_request()
        there = max(0, min(count, MOST_SOCKETS - len(self._owners) - self._coming()))
        self._requests[number] = Request(owner, count, [], missing=count - there)
        if there:
            self._commands.append(OpenSockets(number, there, parity="even" if even else "any", port=port))
        return number

    def opened(self, fact: SocketOpened) -> bool:
        """A socket came; False: not one that was asked for here."""
        request = self._requests.get(fact.request)
        if request is None and fact.request in self._late:
            self._commands.append(CloseSocket(fact.socket))
            return True
        if request is None:
            return False
        if request.owner == 0:
            self._commands.append(CloseSocket(fact.socket))
            request.missing += 1
            self._drop_if_nobodys(fact.request)
        else:
            request.sockets.append(Hole(fact.socket, fact.local))
            self._owners[fact.socket] = request.owner
        return True

    def failed(self, fact: SocketFailed) -> bool:
        """Fewer come; False: not of a request made here."""
        request = self._requests.get(fact.request)
        if request is None:
            return False
        request.missing = min(request.count - len(request.sockets), request.missing + fact.missing)
        self._drop_if_nobodys(fact.request)
        return True

    def ready(self, *, now: float) -> list[tuple[Owner, int, tuple[Hole, ...]]]:
        """Take what is complete, or waited for long enough: owner, request, sockets."""
        found: list[tuple[Owner, int, tuple[Hole, ...]]] = []
        for number, request in list(self._requests.items()):
            request.since = now if request.since is None else request.since
            late = now - request.since >= PATIENCE
            if request.owner != 0 and (request.whole or late):
                if request.whole:
                    del self._requests[number]
                else:
                    self._abandon(number)
                found.append((request.owner, number, tuple(request.sockets)))
            elif request.owner == 0 and now - request.since >= FORGOTTEN:
                del self._requests[number]
                self._late[number] = None
                if len(self._late) > MOST_LATE:
                    del self._late[next(iter(self._late))]
        return found

    def next_timeout(self) -> float | None:
        """When patience ends for the oldest request somebody waits for."""
        if not self._requests:
            return None
        waiting = [each.since + PATIENCE for each in self._requests.values() if each.owner and each.since is not None]
        return min(waiting, default=None)

    def expects(self, request: int) -> bool:
        """Whether more sockets of a request are waited for, and for how long is settled."""
        found = self._requests.get(request)
        return found is not None and not found.whole and found.since is not None

    def close(self, socket: SocketId) -> None:
        """One is not needed any more."""
        if self._owners.pop(socket, None) is not None:
            self._commands.append(CloseSocket(socket))
            self._closing[socket] = None
            if len(self._closing) > MOST_LATE:
                del self._closing[next(iter(self._closing))]

    def closed(self, socket: SocketId) -> bool:
        """The host says that it closed one, as it was to; False: not one of these."""
        if socket not in self._closing:
            return False
        del self._closing[socket]
        return True

    def give_away(self, socket: SocketId) -> None:
        """HoleOpened named it: it is the host's from now on."""
        self._owners.pop(socket, None)

    def lost(self, socket: SocketId) -> None:
        """The host says it is closed."""
        self._owners.pop(socket, None)

    def release(self, owner: Owner) -> None:
        """Close all of one attempt, those on their way too."""
        for socket in [each for each, whose in self._owners.items() if whose == owner]:
            self.close(socket)
        for number, request in list(self._requests.items()):
            if request.owner == owner:
                self._abandon(number)

    @property
    def has_commands(self) -> bool:
        """Something is to be done."""
        return bool(self._commands)

    def commands(self) -> list[OpenSockets | CloseSocket]:
        """Drain what is to be done."""
        done, self._commands = self._commands, []
        return done

    def _coming(self) -> int:
        return sum(each.count - each.missing - len(each.sockets) for each in self._requests.values())

    def _abandon(self, number: int) -> None:
        """Whatever still comes is closed on arrival."""
        request = self._requests[number]
        request.owner = 0
        self._drop_if_nobodys(number)

    def _drop_if_nobodys(self, number: int) -> None:
        request = self._requests[number]
        if request.owner == 0 and request.whole:
            del self._requests[number]
