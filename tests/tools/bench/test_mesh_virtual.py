"""Crowds in virtual time: figures that are measured, not assumed."""

from __future__ import annotations

import pytest

from tools.bench.mesh import virtual
from tools.bench.mesh.row import Settings


def test_a_crowd_of_ten_is_measured() -> None:
    rows = {row.name: row for row in virtual.virtual_rows()}
    figures = rows["virtual-10"].run(Settings(), 1)
    assert 0 < figures["virtual_10_median"] <= figures["virtual_10_max"]
    assert 0.05 <= figures["virtual_10_known"] < 5.0
    assert figures["virtual_10_wall"] > 0
    assert {goal.value({name: [value] for name, value in figures.items()}) for goal in rows["virtual-10"].goals} == set(
        figures.values()
    )


def test_knowing_more_members_takes_more_memory() -> None:
    few, many = virtual.knowing(20)["knows_20"], virtual.knowing(120)["knows_120"]
    assert 0 < few < many
    assert many == pytest.approx(few * 119 / 19, rel=0.5)
