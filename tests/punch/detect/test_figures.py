"""Classes read right: every readable kind of the zoo, up to 2 % loss, 50 foreign mappings a second."""

from __future__ import annotations

import pytest

from tests.punch.detect.figures import Reading, measure


def right(readings: list[Reading]) -> float:
    total = sum(each.worlds for each in readings)
    return 1.0 - sum(sum(each.wrong.values()) for each in readings) / total


def test_a_few_worlds_of_each_kind_are_read_right() -> None:
    readings = measure(worlds=3)
    assert right(readings) >= 0.97
    assert max(each.choice[-1] for each in readings if each.choice) < 1.0


@pytest.mark.slow
def test_a_hundred_worlds_of_each_kind_are_read_right() -> None:
    readings = measure(worlds=100)
    assert right(readings) >= 0.99
    for each in readings:
        assert sum(each.wrong.values()) <= 5, each
        if each.choice:
            assert each.choice[50] < 0.6
            assert each.choice[95] < 1.0
