"""A knock bears whatever the other side's lines hold."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from punch.driver.knocking import _Visit


@pytest.mark.parametrize("line", ["[" * 60_000, '{"a":' * 30_000, "{", "", "[1]", '"punch"', "nul\0"])
def test_a_line_that_is_none_of_ours_is_passed_over(line: str) -> None:
    async def lines() -> AsyncIterator[str]:
        yield line

    async def run() -> None:
        notes: list[str] = []
        visit = _Visit(notes.append, notes.append, "secret")
        await visit.read(lines())
        assert notes == []

    anyio.run(run)
