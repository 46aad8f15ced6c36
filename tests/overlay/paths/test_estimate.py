"""Round trips, jitter and loss."""

from hypothesis import given
from hypothesis import strategies as st

from overlay.paths.estimate import FLOOR_SAMPLES, Loss, RoundTrip, Totals
from overlay.paths.redundancy import Redundancy


def test_first_sample_is_the_estimate() -> None:
    rtt = RoundTrip()
    rtt.sample(0.1)
    assert (rtt.smoothed, rtt.jitter) == (0.1, 0.05)


@given(st.lists(st.floats(0, 100), min_size=1))
def test_estimate_stays_within_its_samples(samples: list[float]) -> None:
    rtt = RoundTrip()
    for each in samples:
        rtt.sample(each)
    assert rtt.smoothed is not None
    assert rtt.jitter is not None
    assert min(samples) - 1e-9 <= rtt.smoothed <= max(samples) + 1e-9
    assert rtt.jitter >= 0


def test_the_floor_is_the_least_and_follows_a_path_that_became_longer() -> None:
    rtt = RoundTrip()
    for each in (0.05, 0.04, 0.09):
        rtt.sample(each)
    assert rtt.floor == 0.04
    for _ in range(2 * FLOOR_SAMPLES):
        rtt.sample(0.07)
    assert rtt.floor == 0.07


def test_loss_is_of_the_last_thirty_seconds() -> None:
    loss = Loss()
    assert loss.share(now=0.0) is None
    assert loss.inside(now=0.0) is None
    assert loss.report(Totals(90, 10, 980, 20), now=1.0) == Totals(90, 10, 980, 20)
    assert (loss.share(now=1.0), loss.inside(now=1.0)) == (0.02, 0.1)
    for second in range(2, 62):
        added = loss.report(Totals(90 + second * 100, 10, 980 + second * 1000, 20), now=float(second))
    assert added == Totals(100, 0, 1000, 0)
    assert (loss.share(now=61.0), loss.inside(now=61.0)) == (0.0, 0.0)
    assert loss.share(now=100.0) is None


@given(st.lists(st.tuples(*[st.integers(0, 2**64 - 1)] * 5), max_size=8))
def test_whatever_is_reported_is_a_share(reports: list[tuple[int, int, int, int, int]]) -> None:
    loss, way = Loss(), Redundancy()
    for second, each in enumerate(reports):
        added = loss.report(Totals(*each), now=float(second))
        assert min(added.complete, added.incomplete, added.slices, added.missed) >= 0
        assert 0 <= (loss.share(now=float(second)) or 0) <= 1
        assert 0 <= (loss.inside(now=float(second)) or 0) <= 1
        way.measured(0.04, 0.04, now=float(second))
        way.reported(added, 0.04, now=float(second))
        assert way.shape.parity * 4 <= way.shape.slices or not way.shape.parity


def test_totals_that_went_back_start_afresh() -> None:
    loss = Loss()
    loss.report(Totals(100, 50), now=1.0)
    assert loss.report(Totals(10, 0), now=2.0) == Totals(10, 0)
    assert loss.inside(now=2.0) == 0.0


def test_reset_forgets() -> None:
    loss = Loss()
    loss.report(Totals(1, 1), now=1.0)
    loss.reset()
    assert loss.share(now=1.0) is None
