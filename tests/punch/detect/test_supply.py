"""Fresh sockets: whatever comes of a batch, each one is used or closed."""

from __future__ import annotations

import itertools
from collections import deque

from punch.commands import CloseSocket, Command, OpenSockets
from punch.detect.supply import PATIENCE, Fresh, Supply
from punch.facts import SocketFailed, SocketOpened
from punch.values import SocketId, udp


def supply() -> tuple[Supply, deque[Command]]:
    commands: deque[Command] = deque()
    numbers = itertools.count(1)
    return Supply(lambda: next(numbers), commands), commands


def opened(socket: int, request: int) -> SocketOpened:
    return SocketOpened(SocketId(socket), udp("0.0.0.0", 40_000 + socket), request, "engine")


def closed(commands: deque[Command]) -> list[int]:
    return [each.socket for each in commands if isinstance(each, CloseSocket)]


def test_a_batch_is_there_when_all_came_or_failed() -> None:
    made, commands = supply()
    made.order(3, now=0.0)
    assert list(commands) == [OpenSockets(1, 3)]
    made.opened(opened(7, 1))
    ready = [made.ready]
    made.failed(SocketFailed(1, 2, "EMFILE"))
    assert [*ready, made.ready] == [False, True]
    assert made.sockets == (Fresh(SocketId(7), 40_007),)
    made.release()
    assert closed(commands) == [7]


def test_what_comes_after_its_time_is_closed() -> None:
    made, commands = supply()
    made.order(2, now=0.0)
    made.opened(opened(7, 1))
    assert made.due == PATIENCE
    made.settle()
    made.opened(opened(8, 1))
    assert closed(commands) == [8]
    made.release()
    assert closed(commands) == [8, 7]


def test_sockets_of_any_earlier_batch_are_closed_however_many_there_were() -> None:
    made, commands = supply()
    for _ in range(40):
        made.order(2, now=0.0)
    for request in range(1, 41):
        made.opened(opened(100 + request, request))
        made.opened(opened(200 + request, request))
    assert len(closed(commands)) == 78
    assert len(made.sockets) == 2
    assert made._owed == {}


def test_a_batch_given_up_after_its_time_is_still_owed() -> None:
    made, commands = supply()
    made.order(1, now=0.0)
    made.settle()
    made.order(1, now=1.0)
    made.opened(opened(7, 1))
    assert closed(commands) == [7]
    made.failed(SocketFailed(2, 1, "EMFILE"))
    assert made._owed == {}


def test_sockets_of_others_are_left_alone() -> None:
    made, commands = supply()
    assert not made.opened(opened(7, 9))
    assert not made.opened(opened(8, 0))
    assert not commands
