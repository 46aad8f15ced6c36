"""The mesh bench runs: short, so its figures say nothing, but every figure of these rows is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WANTED = {
    "rejoin": ["rejoin"],
    "game": ["game", "game_path"],
    "clean": ["parity", "clean_mbit"],
    "crowd": ["crowd_s", "crowd_cpu", "crowd_bytes", "crowd_mib", "leave_s"],
    "churn": ["churn_mib", "churn_files", "churn_sockets"],
}
SHORT = ("--rounds=1", "--seconds=2", "--game-seconds=6", "--idle-seconds=2", "--minutes=0.2", "--members=4")


def test_every_figure_is_measured() -> None:
    argv = [sys.executable, "-m", "tools.bench", "mesh", *SHORT, "--only", ",".join(WANTED), "--json"]
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for row, figures in WANTED.items():
        assert found[row]["failed"] == []
        assert set(figures) <= set(found[row]["samples"])
