"""`overlay demo` keeps its promise, and cleans up however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from overlay.lab.node import overlay_argv


def left(pid: int) -> list[str]:
    folder = Path("/run/netns")
    return [name for name in os.listdir(folder) if name.startswith(f"ovl{pid}-")] if folder.is_dir() else []


def test_the_demo_tells_the_truth_within_a_minute() -> None:
    began = time.monotonic()
    done = subprocess.run([*overlay_argv(), "demo"], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 60
    assert "relay via vps" in done.stdout
    assert "bit/s" in done.stdout
    assert "A second public node, vps2" in done.stdout


def test_the_demo_in_json() -> None:
    done = subprocess.run([*overlay_argv(), "demo", "--json"], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["steps"][-1]["text"] == "Everything is cleaned up."
    assert report["schema"] == 1
    assert report["ping"]["received"] == 3
    assert report["transfer"]["bytes"] > 1_000_000
    assert report["punch"]["strategy"]
    assert 0 < report["punch"]["packets"] < 1000


def test_without_iperf3_it_moves_bytes_by_itself(tmp_path: Path) -> None:
    for program in ("ip", "nft", "sh", "sleep"):
        real = subprocess.run(["sh", "-c", f"command -v {program}"], check=True, capture_output=True, text=True)
        (tmp_path / program).symlink_to(real.stdout.strip())
    env = {"PATH": str(tmp_path), "HOME": "/root"}
    argv = [*overlay_argv(), "demo", "--json"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["transfer"]["bytes"] > 1_000_000


def test_interrupted_it_leaves_nothing() -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with subprocess.Popen([*overlay_argv(), "demo"], stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            while "All three run" not in running.stdout.readline():
                assert running.poll() is None
            assert left(running.pid)
            running.send_signal(number)
            running.stdout.read()
            assert running.wait(10) == code
            assert left(running.pid) == []


def test_without_root_it_names_the_command() -> None:
    argv = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", *overlay_argv(), "demo"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 5
    assert "sudo overlay demo" in done.stderr


def test_without_nft_it_names_the_package(tmp_path: Path) -> None:
    code = "import sys; from overlay.lab import stage; stage._PATH = ''; from overlay.cli import main; sys.exit(main())"
    argv = [sys.executable, "-c", code, "demo"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "apt-get install" in done.stderr
    assert "nftables" in done.stderr
