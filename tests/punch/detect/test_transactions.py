"""Answers meet their questions, and no others."""

from __future__ import annotations

import random

from punch.detect.transactions import Pending, Transactions
from punch.stun import Message
from punch.values import SocketId, udp

SERVER = udp("192.0.2.1", 3478)
SOCKET, OTHER = SocketId(1), SocketId(2)


def asked(**extra: object) -> tuple[Transactions[str], Message]:
    table: Transactions[str] = Transactions(random.Random(1))
    transaction = table.open("it", via=SOCKET, to=SERVER, now=0.0, lifetime=2.0, **extra)  # type: ignore[arg-type]
    return table, Message(kind="response", transaction=transaction)


def test_an_answer_is_matched_once_all_three_fit() -> None:
    table, answer = asked()
    pending = table.match(answer, SERVER, via=SOCKET, now=1.0)
    assert isinstance(pending, Pending)
    assert (pending.what, pending.to, pending.opened) == ("it", SERVER, 0.0)
    table.close(answer.transaction)
    assert table.match(answer, SERVER, via=SOCKET, now=1.0) == "stun_unknown"


def test_what_does_not_fit_is_refused_and_the_right_answer_still_taken() -> None:
    table, answer = asked()
    assert table.match(answer, udp("192.0.2.1", 3479), via=SOCKET, now=1.0) == "stun_wrong_source"
    assert table.match(answer, udp("192.0.2.2", 3478), via=SOCKET, now=1.0) == "stun_wrong_source"
    assert table.match(answer, SERVER, via=OTHER, now=1.0) == "stun_wrong_socket"
    foreign = Message(kind="response", transaction=bytes(12))
    assert table.match(foreign, SERVER, via=SOCKET, now=1.0) == "stun_unknown"
    request = Message(kind="request", transaction=answer.transaction)
    assert table.match(request, SERVER, via=SOCKET, now=1.0) == "stun_unknown"
    assert table.match(answer, SERVER, via=SOCKET, now=2.1) == "stun_late"
    assert isinstance(table.match(answer, SERVER, via=SOCKET, now=2.0), Pending)


def test_an_answer_may_be_expected_from_elsewhere() -> None:
    table, answer = asked(expect=(udp("192.0.2.1", 3479), udp("192.0.2.9", 0)))
    assert table.match(answer, SERVER, via=SOCKET, now=1.0) == "stun_wrong_source"
    assert isinstance(table.match(answer, udp("192.0.2.1", 3479), via=SOCKET, now=1.0), Pending)
    assert isinstance(table.match(answer, udp("192.0.2.9", 7), via=SOCKET, now=1.0), Pending)


def test_time_and_number_are_bounded() -> None:
    table: Transactions[int] = Transactions(random.Random(1), limit=3)
    keys = [table.open(n, via=SOCKET, to=SERVER, now=float(n), lifetime=10.0) for n in range(5)]
    assert len(table) == 3
    assert [pending.what for pending in table.expire(now=13.5)] == [2, 3]
    assert table.match(Message(kind="response", transaction=keys[0]), SERVER, via=SOCKET, now=5.0) == "stun_unknown"
    table.forget(SOCKET)
    assert len(table) == 0
