"""What the room does with Reports that tell of losses: shapes for the plane, round trips, sizes given up."""

from __future__ import annotations

from typing import Any

import pytest

from overlay.paths import facts as told
from overlay.paths import punching
from overlay.paths.commands import Route, SendOn, UseRoutes
from overlay.paths.redundancy import STEPS
from overlay.sealing import LARGEST_TAG
from overlay.wire.messages import Ping, Pong, Report
from tests.kit.room import BOB, VPS, VPS_END, Room
from tests.kit.scripted import ScriptedEngine


class Wire(Room):
    """Challenges pass up to a size; Pings come back after `rtt`."""

    largest = 1472
    rtt = 0.002

    def answers(self, where: Any, pad: int) -> bool:
        return super().answers(where, pad) and pad <= self.largest

    def report(self, *totals: int) -> None:
        """bob tells; what it is asked it answers."""
        self.tell(told.MessageHeard(BOB, VPS, 100, Report(totals[0], totals[1], 0, totals[2], totals[3])))
        pings = [each.message.req for each in self.asked(SendOn) if isinstance(each.message, Ping)]
        self.run(self.rtt)
        for req in pings:
            self.tell(told.MessageHeard(BOB, VPS, 100, Pong(req, bytes(8))))

    def route(self) -> Route:
        (route,) = [each for each in self.out if isinstance(each, UseRoutes) and each.peer == BOB][-1].routes
        return route


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    monkeypatch.setattr(punching, "Engine", ScriptedEngine)
    wire = Wire()
    wire.meet()
    wire.run(3.0)
    assert wire.route().endpoint == VPS_END
    return wire


def losing(wire: Wire, loss: float, reports: int = 6) -> None:
    slices = missed = 0
    for number in range(1, reports + 1):
        missed += round(1000 * loss)
        slices += 1000 - round(1000 * loss)
        wire.report(number * 90, number * 10, slices, missed)
        wire.run(0.5)


def test_losses_make_smaller_envelopes_with_parity(wire: Wire) -> None:
    assert (wire.route().limit, wire.route().parity) == (0, 0)
    losing(wire, 0.01)
    route = wire.route()
    assert (route.limit, route.parity) == (16 * (route.size - 16) - LARGEST_TAG, 4)
    peer = wire.paths.peer(BOB)
    assert peer is not None
    assert peer.loss.share(now=wire.now) == 0.01
    assert peer.loss.inside(now=wire.now) == 0.1


def test_losses_beside_a_queue_make_smaller_envelopes_without(wire: Wire) -> None:
    wire.rtt = 0.2
    losing(wire, 0.01, reports=20)
    assert wire.route().parity == 0
    assert wire.route().limit < STEPS[0] * wire.route().size


def test_a_clean_way_is_left_as_it_is(wire: Wire) -> None:
    losing(wire, 0.0, reports=20)
    assert (wire.route().limit, wire.route().parity) == (0, 0)


def test_a_size_that_no_longer_arrives_is_given_up(wire: Wire) -> None:
    assert wire.route().size == 1472
    wire.largest = 1300
    losing(wire, 0.5, reports=6)
    assert wire.route().size == 1200


def test_random_loss_however_heavy_does_not_cost_the_size(wire: Wire) -> None:
    losing(wire, 0.3, reports=20)
    assert wire.route().size == 1472
