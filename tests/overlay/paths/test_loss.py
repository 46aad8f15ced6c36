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
        self.tell(told.MessageHeard(BOB, VPS, 100, Report(totals[0], totals[1], 0, *totals[2:])))

    def sending(self, seconds: float) -> None:
        """Something is sent all the time; bob answers what he is asked."""
        for _ in range(round(seconds / 0.1)):
            begin = len(self.out)
            self.tell(told.Pulse(BOB, last_rx=self.now, last_tx=self.now))
            sent = [each.message for each in self.out[begin:] if isinstance(each, SendOn)]
            self.run(self.rtt)
            for ping in sent:
                if isinstance(ping, Ping) and ping.req:
                    self.tell(told.MessageHeard(BOB, VPS, 100, Pong(ping.req, bytes(8))))
            self.run(max(0.0, 0.1 - self.rtt))

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
    """A report each half a second: 100 envelopes, a tenth of them hit; lost, unless parity follows."""
    complete = incomplete = slices = missed = rebuilt = 0
    for _ in range(reports):
        guarded = wire.route().parity > 0
        wire.sending(0.5)
        missed += round(1000 * loss)
        slices += 1000 - round(1000 * loss)
        complete, incomplete, rebuilt = (
            complete + 90 + 10 * guarded,
            incomplete + 10 * (not guarded),
            rebuilt + guarded * 10,
        )
        wire.report(complete, incomplete, slices, missed, rebuilt)


def test_losses_make_smaller_envelopes_with_parity(wire: Wire) -> None:
    assert (wire.route().limit, wire.route().parity) == (0, 0)
    losing(wire, 0.01)
    route = wire.route()
    assert (route.limit, route.parity) == (16 * (route.size - 16) - LARGEST_TAG, 4)
    peer = wire.paths.peer(BOB)
    assert peer is not None
    assert peer.loss.share(now=wire.now) == 0.01
    assert 0.01 < (peer.loss.inside(now=wire.now) or 0.0) < 0.1, "less, once parity follows"


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
