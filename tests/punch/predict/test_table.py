"""Holes are found in as few ports as nat-science 4.3 says; where nothing fits, the birthday remains."""

from __future__ import annotations

import pytest

from tests.punch.predict.table import ROBUST, ROWS, Row, measure, table


@pytest.mark.parametrize("row", ROWS + ROBUST, ids=lambda row: row.name)
def test_a_few_searches(row: Row) -> None:
    share, half, _ = measure(row, 25)
    assert share == 1.0
    assert half <= 2 * row.median + 2


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS + ROBUST, ids=lambda row: row.name)
def test_as_few_ports_as_the_source(row: Row) -> None:
    share, half, late = measure(row, 400)
    assert share == 1.0
    assert half <= 1.3 * row.median + 1
    assert late <= 1.4 * row.p95 + 6


def test_the_table_can_be_printed() -> None:
    lines: list[str] = []
    table(2, lines.append)
    assert len(lines) == 1 + len(ROWS) + len(ROBUST)
