"""Loss control of a way, report by report."""

from __future__ import annotations

import random

import pytest

from overlay.paths.redundancy import (
    END,
    KNOWN,
    STEP_UP,
    STEPS,
    TARGET,
    UNKNOWN,
    Redundancy,
    Shape,
    guard,
    residual,
)

FLOOR = 0.04


class Path:
    """A way whose losses and round trips a test makes up; one report each `every` seconds."""

    def __init__(self, seed: int = 1, rtt: float = FLOOR) -> None:
        self.rtt = rtt
        self.control = Redundancy()
        self.now = 100.0
        self.dice = random.Random(seed)
        self.shapes: list[Shape] = []

    def run(
        self, seconds: float, loss: float, *, rate: int = 2000, rtt: float | None = 0.0, every: float = 1.0
    ) -> Shape:
        """`rtt`: 0.0 is the path's own, None none at all."""
        for _ in range(round(seconds / every)):
            self.now += every
            if rtt is not None:
                self.control.measured(rtt or self.rtt, self.rtt, now=self.now - 0.05)
            sent = round(rate * every)
            missed = sum(self.dice.random() < loss for _ in range(sent))
            self.control.reported(sent - missed, missed, self.rtt, now=self.now)
            self.shapes.append(self.control.shape)
        return self.control.shape


def test_a_clean_path_spends_nothing() -> None:
    path = Path(rtt=0.001)
    assert path.run(600, 0.0) == Shape()
    assert set(path.shapes) == {Shape()}


def test_a_far_way_is_guarded_until_it_is_known() -> None:
    path = Path()
    path.control.measured(FLOOR, FLOOR, now=path.now)
    assert path.control.shape == Shape(*UNKNOWN)
    assert path.run(2, 0.0, rate=KNOWN) == Shape()
    assert path.run(60, 0.0) == Shape()


def test_a_far_way_is_not_guarded_against_the_queue_of_a_stream_that_begins_too_fast() -> None:
    path = Path()
    path.control.measured(FLOOR, FLOOR, now=path.now)
    assert path.run(1, 0.0, rate=100, rtt=0.1).parity, "one long round trip may be anything"
    assert path.run(1, 0.05, rate=100, rtt=0.1).parity == 0


def test_a_stray_loss_on_a_busy_clean_path_spends_nothing() -> None:
    path = Path()
    for _ in range(20):
        path.run(30, 0.0)
        path.control.reported(1999, 1, FLOOR, now=path.now)
        assert path.control.shape == Shape()


@pytest.mark.parametrize("loss", [0.001, 0.01, 0.03, 0.1])
def test_loss_near_the_floor_is_met_within_two_reports(loss: float) -> None:
    path = Path()
    path.run(60, 0.0)
    path.run(2, loss, rate=4000)
    assert path.control.shape.parity >= 1
    shape = path.run(20, loss, rate=4000)
    assert shape.parity * 4 <= shape.slices, "a quarter of the bytes"
    assert residual(shape.slices, shape.parity, loss) <= TARGET or shape.parity * 4 == shape.slices


def test_a_game_learns_in_seconds_and_keeps_its_doubles() -> None:
    path = Path()
    path.run(5, 0.02, rate=50)
    assert path.control.shape.parity >= 1
    path.run(300, 0.02, rate=50)
    assert sum(shape.parity == 0 for shape in path.shapes[10:]) <= 3


def test_nothing_is_guarded_against_a_queue() -> None:
    path = Path()
    path.run(30, 0.005, rtt=FLOOR + 0.05)
    assert {shape.parity for shape in path.shapes} == {0}
    assert path.control.shape.slices == STEPS[-1]


def test_a_queue_that_builds_ends_what_was_guarded() -> None:
    path = Path()
    assert path.run(10, 0.01).parity
    assert path.run(3, 0.06, rtt=0.1).parity == 0
    assert path.run(4, 0.01).parity, "and it comes back with the floor"


def test_what_is_lost_in_any_case_stays_guarded_while_a_queue_builds() -> None:
    path = Path()
    path.run(10, 0.01)
    assert path.run(10, 0.01, rtt=0.1).parity


def test_losses_of_a_queue_do_not_count_once_it_is_empty() -> None:
    path = Path()
    path.run(30, 0.0)
    path.run(10, 0.02, rtt=0.1)
    assert path.run(3, 0.0).parity == 0


def test_nothing_is_guarded_while_the_round_trip_is_not_known() -> None:
    path = Path()
    assert path.run(5, 0.01, rtt=None) == Shape()
    assert path.control.wants_rtt(now=path.now)
    assert not path.control.wants_rtt(now=path.now + 0.1)
    path.control.measured(FLOOR, FLOOR, now=path.now)
    assert path.run(1, 0.01).parity


def test_without_a_floor_nothing_is_guarded() -> None:
    control = Redundancy()
    for now in range(1, 9):
        control.measured(0.05, None, now=float(now))
        control.reported(900, 100, None, now=float(now))
        assert control.shape.parity == 0


def test_a_path_that_is_clean_again_goes_back_to_none() -> None:
    path = Path()
    path.run(30, 0.01)
    assert path.run(60, 0.0) == Shape()
    parities = [shape.parity / max(1, shape.slices) for shape in path.shapes[32:]]
    assert parities == sorted(parities, reverse=True), "step by step, without flapping"


def test_what_is_known_outlasts_a_pause() -> None:
    path = Path()
    shape = path.run(30, 0.01)
    path.now += 3600
    path.control.measured(FLOOR, FLOOR, now=path.now)
    path.control.reported(100, 1, FLOOR, now=path.now)
    assert path.control.shape.parity == shape.parity


def test_envelopes_grow_again_slowly_after_a_queue_dropped() -> None:
    path = Path()
    path.run(10, 0.01, rtt=0.1)
    assert path.control.shape.slices == 1
    path.run(STEP_UP + 5, 0.0, rtt=0.1)
    assert path.control.shape.slices == STEPS[-2]
    assert path.run(len(STEPS) * STEP_UP + 60, 0.0) == Shape()


def test_the_cheapest_guard_that_meets_the_target() -> None:
    previous = 0.0
    for loss in (END, 1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.2, 1.0):
        slices, parity = guard(loss)
        assert parity * 4 <= slices
        assert parity / slices >= previous
        previous = parity / slices
        assert residual(slices, parity, loss) <= TARGET or parity * 4 == slices
