"""The bench runs: short, so its figures say nothing, but every figure is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tools.bench.contenders import search

ROOT = Path(__file__).resolve().parents[2]


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tools.bench", "dataplane", "--rounds", "1", "--seconds", "1", *options]
    return subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True, timeout=180)


def test_every_figure_of_a_pair_is_measured() -> None:
    done = bench("--only", "tcp1,tcp4,udp200,ping,relay,garbage,commands", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    wanted = ["raw veth", "overlay", *(["wireguard-go"] if search("wireguard-go", "wireguard") else [])]
    for measure in ("tcp1", "tcp4", "udp200", "ping"):
        for name in wanted:
            assert figures[f"{measure}/{name}"] > 0
    assert figures["relay"] > 0
    assert figures["garbage_stormy"] > 0
    assert figures["help_s"] > 0


def test_start_and_idle_are_measured_and_told_with_floor_and_aim() -> None:
    done = bench("--only", "start,idle", "--starts", "1", "--idle-seconds", "1")
    assert done.returncode == 0, done.stderr
    told = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert "not measured" in told["one TCP stream / raw veth"]
    assert "not measured" not in told["start to first relayed ping, s"]
    assert "not measured" not in told["idle: resident MiB"]
    assert "not found" in done.stdout
