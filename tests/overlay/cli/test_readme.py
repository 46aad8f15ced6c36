"""What the README shows is there and runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from overlay.cli.group import COMMANDS
from tests.overlay.cli.test_nat import stun_server

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_engine_as_a_library_runs_as_shown() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    with stun_server() as server:
        argv = [sys.executable, "-c", code.replace("stun.example.org", server)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.stderr == ""
    assert done.returncode == 0
    assert "ProfileChanged(" in done.stdout
    kind, _, seen = done.stdout.splitlines()[-1].partition(" ")
    assert kind in ("open", "NAT1", "NAT2", "NAT3")
    assert seen.partition(":")[0] == server.partition(":")[0]


def test_every_command_is_in_the_table() -> None:
    named = set(re.findall(r"(?m)^\| `overlay (\w+)", README))
    assert named == set(COMMANDS)
