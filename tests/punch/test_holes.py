"""Sockets before promotion."""

from __future__ import annotations

import itertools

from punch.commands import CloseSocket, OpenSockets
from punch.facts import SocketFailed, SocketOpened
from punch.holes import FORGOTTEN, MOST_SOCKETS, PATIENCE, Hole, Holes
from punch.values import SocketId, udp

ANN, BOB = 7, 8


def made() -> Holes:
    return Holes(itertools.count(1).__next__)


def opened(request: int, number: int) -> SocketOpened:
    return SocketOpened(SocketId(number), udp("0.0.0.0", number), request=request, role="engine")


def test_all_that_were_asked_for() -> None:
    holes = made()
    request = holes.ask(ANN, 2, even=True, port=0)
    assert list(holes.commands()) == [OpenSockets(request, 2, parity="even")]
    assert holes.opened(opened(request, 11))
    assert not list(holes.ready(now=0.0))
    assert holes.opened(opened(request, 12))
    assert list(holes.ready(now=0.0)) == [
        (ANN, request, (Hole(SocketId(11), udp("0.0.0.0", 11)), Hole(SocketId(12), udp("0.0.0.0", 12))))
    ]


def test_fewer_are_better_than_none() -> None:
    holes = made()
    request = holes.ask(ANN, 3, even=False, port=0)
    holes.opened(opened(request, 11))
    holes.failed(SocketFailed(request, 2, "EMFILE"))
    ((_, _, sockets),) = list(holes.ready(now=0.0))
    assert len(sockets) == 1


def test_a_shell_that_says_nothing_is_waited_for_and_no_longer() -> None:
    holes = made()
    request = holes.ask(ANN, 2, even=False, port=0)
    holes.opened(opened(request, 11))
    assert not list(holes.ready(now=1.0))
    assert holes.next_timeout() == 1.0 + PATIENCE
    ((_, _, sockets),) = list(holes.ready(now=1.0 + PATIENCE))
    assert len(sockets) == 1
    list(holes.commands())
    holes.opened(opened(request, 12))
    assert list(holes.commands()) == [CloseSocket(SocketId(12))], "too late"


def test_what_comes_after_the_end_is_closed() -> None:
    holes = made()
    request = holes.ask(ANN, 2, even=False, port=0)
    other = holes.ask(BOB, 1, even=False, port=0)
    holes.opened(opened(request, 11))
    holes.opened(opened(other, 20))
    list(holes.commands())
    holes.release(ANN)
    assert list(holes.commands()) == [CloseSocket(SocketId(11))]
    holes.opened(opened(request, 12))
    assert list(holes.commands()) == [CloseSocket(SocketId(12))]
    holes.release(BOB)
    assert list(holes.commands()) == [CloseSocket(SocketId(20))]


def test_what_comes_long_after_the_end_is_closed_too_and_counted_no_more() -> None:
    holes = made()
    request = holes.ask(ANN, MOST_SOCKETS, even=False, port=0)
    holes.release(ANN)
    for at in (0.0, FORGOTTEN):
        assert not list(holes.ready(now=at))
    list(holes.commands())
    other = holes.ask(BOB, 1, even=False, port=0)
    assert list(holes.commands()) == [OpenSockets(other, 1)]
    assert holes.opened(opened(request, 12))
    assert list(holes.commands()) == [CloseSocket(SocketId(12))]


def test_a_socket_given_away_is_not_closed() -> None:
    holes = made()
    request = holes.ask(ANN, 1, even=False, port=0)
    holes.opened(opened(request, 11))
    list(holes.ready(now=0.0))
    list(holes.commands())
    holes.give_away(SocketId(11))
    holes.release(ANN)
    holes.close(SocketId(11))
    assert not list(holes.commands())


def test_no_more_than_a_router_bears() -> None:
    holes = made()
    first = holes.ask(ANN, MOST_SOCKETS - 10, even=False, port=0)
    second = holes.ask(BOB, 50, even=False, port=0)
    third = holes.ask(BOB, 5, even=False, port=0)
    counts = {each.request: each.count for each in holes.commands() if isinstance(each, OpenSockets)}
    assert counts == {first: MOST_SOCKETS - 10, second: 10}
    assert [(owner, request, sockets) for owner, request, sockets in holes.ready(now=0.0)] == [(BOB, third, ())]


def test_others_requests_are_not_ours() -> None:
    holes = made()
    assert not holes.opened(opened(99, 1))
    assert not holes.failed(SocketFailed(99, 1, "EMFILE"))
