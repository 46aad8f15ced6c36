"""The flow that notices when the network suffers."""

from __future__ import annotations

import random

from punch import stun
from punch.budget import Budget
from punch.canary import INTERVAL, Canary
from punch.values import SocketId, udp

VIA = SocketId(1)
SERVER = udp("192.0.2.1", 3478)


class Flight:
    """A canary, and a server that answers after `rtt` seconds, or not (None)."""

    def __init__(self) -> None:
        self.budget = Budget(max_pps=100, max_entries=1000, now=0.0)
        self.canary = Canary(self.budget, random.Random(1))
        self.canary.servers = (udp("2001:db8::1", 3478), SERVER, udp("192.0.2.2", 3478))
        self.asked: list[str] = []
        self._answers: list[tuple[float, bytes, str]] = []

    def fly(self, start: float, end: float, rtt: float | None) -> None:
        now = start
        while now < end:
            self.budget.spend(VIA, udp("192.0.2.9", 1), now=now)
            for at, transaction, host in [each for each in self._answers if each[0] <= now]:
                self._answers.remove((at, transaction, host))
                message = stun.Message(kind="response", transaction=transaction, xor_mapped=udp("1.2.3.4", 5))
                assert self.canary.receive(message, udp(host, 3478), via=VIA, now=at)
            self.canary.handle_timeout(now=now)
            for each in self.canary.outgoing():
                self.asked.append(each.to.host)
                if rtt is not None:
                    self._answers.append((now + rtt, stun.parse(each.payload).transaction, each.to.host))
            now += 0.01


def test_answers_in_time_let_the_budget_grow() -> None:
    flight = Flight()
    flight.canary.start(VIA, now=0.0)
    flight.fly(0.0, 3.0, 0.03)
    assert flight.budget.rate == 100
    assert len(flight.asked) == 3.0 / INTERVAL
    assert set(flight.asked) == {SERVER.host}


def test_two_lost_in_a_row_halve_it() -> None:
    flight = Flight()
    flight.canary.start(VIA, now=0.0)
    flight.fly(0.0, 3.0, 0.03)
    flight.fly(3.0, 3.9, None)
    assert flight.budget.rate == 50


def test_a_round_trip_twice_as_long_halves_it() -> None:
    flight = Flight()
    flight.canary.start(VIA, now=0.0)
    flight.fly(0.0, 3.0, 0.04)
    flight.fly(3.0, 3.6, 0.2)
    assert flight.budget.rate == 50


def test_a_silent_server_says_nothing_and_the_next_is_asked() -> None:
    flight = Flight()
    flight.canary.start(VIA, now=0.0)
    flight.fly(0.0, 2.0, None)
    assert flight.budget.rate == 33
    assert "192.0.2.2" in flight.asked


def test_it_rests_when_nothing_goes_on() -> None:
    flight = Flight()
    flight.canary.start(VIA, now=0.0)
    flight.fly(0.0, 0.3, 0.03)
    flight.canary.stop()
    assert flight.canary.at is None
    flight.fly(0.3, 5.0, 0.03)
    assert len(flight.asked) == 2
