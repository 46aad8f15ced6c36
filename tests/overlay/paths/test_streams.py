"""A stream in envelopes over ways that lose, and beside a bare one: what the controller is worth, in virtual time."""

from __future__ import annotations

from statistics import median

import pytest

from tests.kit.streams import Bare, Inside, alone, beside
from tests.kit.tcp import Path

FAST = 100e6
"""Bits a second of a link that no bare stream fills once it loses something."""


def _ratio(path: Path, seeds: range) -> float:
    """Median of what a stream inside has of what a bare one has, in the ten seconds behind the second."""
    pairs = [[alone(kind, path, seed).receiver.mbit(2, 12) for kind in (Inside, Bare)] for seed in seeds]
    return median(inside / bare for inside, bare in pairs)


@pytest.mark.parametrize(("loss", "least"), [(0.001, 4), (0.01, 12), (0.03, 30)])
def test_a_stream_over_a_long_way_that_loses_does_not_feel_it(loss: float, least: float) -> None:
    assert _ratio(Path(loss=loss, rate=FAST, queue=500, noise=0.01), range(1, 6)) >= least


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(("loss", "least"), [(0.001, 8), (0.01, 30), (0.03, 40)])
def test_the_same_where_nothing_else_is_narrow(loss: float, least: float, noise: float) -> None:
    assert _ratio(Path(loss=loss, rate=2.5 * FAST, queue=1000, noise=noise), range(1, 8)) >= least


@pytest.mark.parametrize("delay", [0.0005, 0.02])
def test_a_clean_way_costs_nothing_to_speak_of(delay: float) -> None:
    inside = alone(Inside, Path(delay=delay, rate=FAST, queue=500), seed=1, seconds=12)
    assert isinstance(inside, Inside)
    assert inside.tunnel.parity <= 600
    assert inside.tunnel.shapes[-1][2] == 0


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_bare_stream_beside_one_inside_keeps_its_share(noise: float) -> None:
    path, shares = Path(rate=20e6, queue=100, noise=noise), list[float]()
    for seed in range(1, 4):
        inside, bare = beside(path, seed, seconds=20)
        ours, its = inside.receiver.mbit(5, 20), bare.receiver.mbit(5, 20)
        shares.append(100 * ours / (ours + its))
        assert inside.tunnel.parity <= 0.03 * inside.tunnel.data
    assert 40 <= median(shares) <= 65, "two bare ones: 35 to 65"


def test_trains_that_do_not_fit_a_short_queue_become_shorter() -> None:
    inside, bare = beside(Path(rate=20e6, queue=30, noise=0.01), 1, seconds=20)
    assert inside.receiver.mbit(5, 20) >= 0.5 * bare.receiver.mbit(5, 20)
