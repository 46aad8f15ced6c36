"""A fault in the middle of a TCP stream: it lives, and is silent for seconds at most (how few, the bench says)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tools.bench.mesh import gaps

AFTER = 6.0
"""Seconds of stream after the fault."""
SOON = 5.0
"""Generous: machines that run tests are slow, and TCP waits twice as long as a way was dead."""


@pytest.mark.parametrize(
    "gap",
    [
        gaps.relay_killed,
        gaps.relay_killed_beside_a_direct_way,
        gaps.direct_cut,
        gaps.flushed_keeping_ports,
        gaps.moved,
        gaps.moved_at_home,
    ],
    ids=lambda gap: gap.__name__,
)
def test_a_stream_lives_through(gap: Callable[[float], float]) -> None:
    assert gap(AFTER) < SOON
