"""Loss control of a way, report by report."""

from __future__ import annotations

import random
from math import ceil

import pytest

from overlay.paths.estimate import Totals
from overlay.paths.redundancy import (
    END,
    HELD,
    STEP_UP,
    STEPS,
    TARGET,
    VAIN,
    Redundancy,
    Shape,
    guard,
    residual,
)

FLOOR = 0.04


class Path:
    """A way whose losses and round trips a test makes up; one report each `every` seconds, ten round trips a second."""

    def __init__(self, seed: int = 1, rtt: float = FLOOR, noise: float = 0.0) -> None:
        self.rtt, self.noise = rtt, noise
        self.control = Redundancy()
        self.now = 100.0
        self.dice = random.Random(seed)
        self.shapes: list[Shape] = []

    def run(
        self, seconds: float, loss: float, *, rate: int = 2000, rtt: float | None = 0.0, every: float = 0.5
    ) -> Shape:
        """`rtt`: 0.0 is the path's own, None none at all."""
        for _ in range(round(seconds / every)):
            for _ in range(round(every * 10)):
                self.now += 0.1
                if rtt is not None:
                    late = self.noise * self.dice.random()
                    self.control.measured((rtt or self.rtt) + late, self.rtt, now=self.now - 0.01)
            self.control.reported(self.report(round(rate * every), loss), self.rtt, now=self.now)
            self.shapes.append(self.control.shape)
        return self.control.shape

    def report(self, sent: int, loss: float) -> Totals:
        """Slices lost one by one, in envelopes of the present shape."""
        shape = self.control.shape
        size = min(shape.slices or 44, max(1, sent // 50))
        complete = incomplete = missed = rebuilt = 0
        for _ in range(ceil(sent / size)):
            lost = sum(self.dice.random() < loss for _ in range(size))
            lost_parity = sum(self.dice.random() < loss for _ in range(shape.parity))
            missed += lost
            whole = lost + lost_parity <= shape.parity or not lost
            complete, incomplete, rebuilt = complete + whole, incomplete + (not whole), rebuilt + (whole and lost > 0)
        return Totals(complete, incomplete, size * (complete + incomplete) - missed, missed, rebuilt)


def met() -> Path:
    """A far path that nothing went over so far."""
    path = Path()
    for _ in range(3):
        path.control.measured(FLOOR, FLOOR, now=path.now)
    return path


def known(seed: int = 1, noise: float = 0.0) -> Path:
    """A far path that lost nothing so far."""
    path = Path(seed, noise=noise)
    assert path.run(30, 0.0) == Shape()
    return path


def test_a_clean_path_spends_nothing() -> None:
    path = Path(rtt=0.001)
    assert path.run(600, 0.0) == Shape()
    assert set(path.shapes) == {Shape()}


def test_a_far_way_is_guarded_less_and_less_until_it_is_known() -> None:
    path = met()
    assert path.control.shape.parity >= 4
    assert path.run(20, 0.0, rate=1000) == Shape()
    spent = [shape.parity / max(1, shape.slices) for shape in path.shapes]
    assert spent == sorted(spent, reverse=True)
    assert sum(spent) * 500 < 700, "slices of parity, once a way"


def test_a_far_way_is_not_guarded_against_the_queue_of_a_stream_that_begins_too_fast() -> None:
    path = met()
    assert path.run(0.5, 0.0, rate=100).parity
    assert path.run(1, 0.0, rate=100, rtt=0.1).parity == 0
    assert path.run(2, 0.0, rtt=0.1).parity == 0, "as long as it stands"
    for _ in range(HELD):
        path.now += 0.1
        path.control.measured(FLOOR, FLOOR, now=path.now)
    assert path.control.shape.parity, "then it is as unknown as before"


def test_the_first_round_trip_alone_makes_no_way_far() -> None:
    path = Path()
    path.control.measured(FLOOR, FLOOR, now=path.now)
    assert path.control.shape == Shape()


def test_a_stray_loss_on_a_busy_clean_path_spends_nothing() -> None:
    path = known()
    for _ in range(20):
        path.run(30, 0.0)
        path.control.reported(Totals(50, 1, 1999, 1), FLOOR, now=path.now)
        assert path.control.shape == Shape()


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("loss", [0.001, 0.01, 0.03, 0.1])
def test_loss_near_the_floor_is_met_within_some_reports(loss: float, noise: float) -> None:
    path = known(noise=noise)
    path.run(3, loss, rate=4000)
    assert path.control.shape.parity >= 1
    shape = path.run(20, loss, rate=4000)
    assert shape.parity * 4 <= shape.slices, "a quarter of the bytes"
    assert residual(shape.slices, shape.parity, loss) <= 30 * TARGET or shape.parity * 4 == shape.slices


def test_what_an_unknown_way_lost_at_first_stays_guarded() -> None:
    path = met()
    path.run(10, 0.001, rate=8000, every=0.2)
    assert all(shape.parity for shape in path.shapes)


def test_a_game_learns_in_seconds_and_keeps_its_doubles() -> None:
    path = Path(rtt=0.002)
    path.run(5, 0.02, rate=50, every=1.0)
    assert path.control.shape.parity >= 1
    path.run(300, 0.02, rate=50, every=1.0)
    assert sum(shape.parity == 0 for shape in path.shapes[10:]) == 0


def test_nothing_is_guarded_against_a_queue() -> None:
    path = known()
    path.run(30, 0.005, rtt=FLOOR + 0.05)
    assert {shape.parity for shape in path.shapes[-60:]} == {0}
    assert path.control.shape.slices == 1


def test_losses_side_by_side_are_a_queue_that_trains_do_not_fit() -> None:
    path = known()
    for _ in range(20):
        path.now += 0.5
        path.control.measured(FLOOR, FLOOR, now=path.now)
        path.control.reported(Totals(40, 2, 1800, 50), FLOOR, now=path.now)
    assert path.control.shape.parity == 0
    assert 0 < path.control.shape.slices < 32


def test_parity_that_rebuilds_nothing_ends() -> None:
    path = met()
    assert path.control.shape.parity
    for _ in range(VAIN):
        path.now += 0.5
        path.control.measured(FLOOR, FLOOR, now=path.now)
        path.control.reported(Totals(3, 2, 60, 2), FLOOR, now=path.now)
    assert path.control.shape == Shape(1)


def test_so_much_is_lost_that_no_parity_helps() -> None:
    path = Path()
    assert path.run(20, 0.4).parity == 0


def test_what_is_lost_in_any_case_stays_guarded_while_a_queue_builds() -> None:
    path = Path()
    path.run(10, 0.01)
    assert path.run(10, 0.01, rtt=0.1).parity
    assert path.run(3, 0.06, rtt=0.1).parity, "and no more than that"
    assert residual(path.control.shape.slices, path.control.shape.parity, 0.02) > TARGET


def test_losses_of_a_queue_do_not_count_once_it_is_empty() -> None:
    path = known()
    path.run(10, 0.02, rtt=0.1)
    assert path.run(3, 0.0).parity == 0


def test_nothing_is_guarded_while_the_round_trip_is_not_known() -> None:
    path = known()
    assert path.run(5, 0.01, rtt=None).parity == 0
    assert path.control.wants_rtt(now=path.now)
    assert not path.control.wants_rtt(now=path.now + 0.05)
    assert path.run(3, 0.01).parity


def test_without_a_floor_nothing_is_guarded() -> None:
    control = Redundancy()
    for now in range(1, 9):
        control.measured(0.05, None, now=float(now))
        control.reported(Totals(20, 80, 900, 100), None, now=float(now))
        assert control.shape.parity == 0


def test_a_path_that_is_clean_again_goes_back_to_none() -> None:
    path = Path()
    path.run(30, 0.01)
    assert path.run(15, 0.0) == Shape()
    parities = [shape.parity / max(1, shape.slices) for shape in path.shapes[62:]]
    assert parities == sorted(parities, reverse=True), "without flapping"


def test_what_is_known_outlasts_a_pause() -> None:
    path = Path()
    shape = path.run(30, 0.01)
    path.now += 3600
    path.control.measured(FLOOR, FLOOR, now=path.now)
    path.control.reported(Totals(3, 0, 100, 1, 1), FLOOR, now=path.now)
    assert path.control.shape.parity == shape.parity


def test_envelopes_grow_again_slowly_after_a_queue_dropped() -> None:
    path = known()
    path.run(10, 0.01, rtt=0.1)
    assert path.control.shape.slices == 1
    path.run(STEP_UP + 1, 0.0, rtt=0.1)
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
