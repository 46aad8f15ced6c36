"""Round trips, jitter and loss."""

from hypothesis import given
from hypothesis import strategies as st

from overlay.paths.estimate import Loss, RoundTrip


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


def test_loss_is_of_the_last_thirty_seconds() -> None:
    loss = Loss()
    assert loss.share(now=0.0) is None
    loss.report(90, 10, now=1.0)
    assert loss.share(now=1.0) == 0.1
    for second in range(2, 62):
        loss.report(90 + second * 100, 10, now=float(second))
    assert loss.share(now=61.0) == 0.0
    assert loss.share(now=100.0) is None


def test_totals_that_went_back_start_afresh() -> None:
    loss = Loss()
    loss.report(100, 50, now=1.0)
    loss.report(10, 0, now=2.0)
    assert loss.share(now=2.0) == 0.0


def test_reset_forgets() -> None:
    loss = Loss()
    loss.report(1, 1, now=1.0)
    loss.reset()
    assert loss.share(now=1.0) is None
