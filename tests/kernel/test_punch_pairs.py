"""Every pair of NATs of the bench, once: it goes direct while the relay carries, or says why not and sends nothing.

How fast, and with how few packets, is the bench's to say (`python -m tools.bench punch`): here nothing is timed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from tools.bench.punch.ours import Us
from tools.bench.punch.rows import ROWS, Row
from tools.bench.punch.trial import Trial

ROOT = Path(__file__).resolve().parents[2]
MAX_ENTRIES = 1000
"""Of the default config."""
SEARCH = 1750
"""Ports one side probes at most in an attempt (nat-science section 5.2)."""
SLOW = ("uniform", "fully-random", "seq+2", "seq-1", "seq-seq-busy", "block-seq")
SETTLE = 1.0
"""Seconds until traffic begins."""


def rows(outcome: str) -> list[object]:
    """The rows that shall come out so, as parameters; those like others only with the slow tests."""
    marks = {True: [pytest.mark.slow], False: []}
    return [pytest.param(row, id=row.name, marks=marks[row.name in SLOW]) for row in ROWS if row.outcome == outcome]


def run(row: Row) -> Trial:
    return Us(settle=SETTLE).run(row, 7)


def bounded(trial: Trial) -> bool:
    """Neither NAT holds more than it may, beside what keeps the members themselves in touch."""
    assert trial.entries is not None
    return max(trial.entries) <= MAX_ENTRIES


@pytest.mark.parametrize("row", rows("direct"))
def test_it_goes_direct_and_no_ping_is_lost(row: Row) -> None:
    trial = run(row)
    assert trial.success, trial.said
    assert trial.lost == 0
    assert bounded(trial)


@pytest.mark.parametrize("row", rows("bounded"))
def test_what_may_fail_stays_within_its_bounds_and_the_relay_carries(row: Row) -> None:
    trial = run(structs.replace(row, patience=20.0))
    assert trial.success or trial.said
    assert trial.lost == 0
    assert trial.packets is not None
    assert trial.packets <= 2 * SEARCH
    assert bounded(trial)


@pytest.mark.parametrize("row", rows("infeasible"))
def test_what_is_infeasible_is_said_by_both_sides_and_not_one_probe_sent(row: Row) -> None:
    trial = run(row)
    assert trial.success, trial.said
    assert trial.packets == 0
    assert trial.lost == 0


def test_the_bench_tells_a_row_beside_its_bounds() -> None:
    argv = [sys.executable, "-m", "tools.bench", "punch", "--runs", "1", "--others", "0", "--only", "pairs"]
    done = subprocess.run(
        [*argv, "--pairs", "seq+1"], cwd=ROOT, check=False, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    head, row, *_ = done.stdout.splitlines()
    assert head.split()[:3] == ["pair", "who", "direct"]
    assert "NAT3 - NAT4 sequential +1" in row
    assert "1/1" in row
