from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from overlay.cli import main
from overlay.config.keys import LEAVES

Capture = pytest.CaptureFixture[str]

FAULTY = '[node]\nport = 99999\nnmae = "x"\nmtu = 3\n[punch]\nmax_pps = 0\nmax_entries = 1\n[relay]\nmax_mbit = -1\n'


def test_a_right_file(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "n.toml").write_text("[node]\nport = 5\n")
    assert main(["config", "check", str(tmp_path / "n.toml")]) == 0
    assert "no fault" in capsys.readouterr().out
    assert main(["config", "check", str(tmp_path / "n.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "faults": []}


def test_every_fault_at_once_and_exit_2(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "n.toml"
    file.write_text(FAULTY)
    assert main(["config", "check", str(file)]) == 2
    err = capsys.readouterr().err
    for line, key in ((2, "port"), (3, "nmae"), (4, "mtu"), (6, "max_pps"), (7, "max_entries"), (9, "max_mbit")):
        assert f"{file}:{line}: " in err
        assert key in err
    assert "did you mean node.name?" in err


def test_faults_as_json(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "n.toml").write_text(FAULTY)
    assert main(["config", "check", str(tmp_path / "n.toml"), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["error"]["code"] == "config"
    assert [fault["line"] for fault in told["error"]["faults"]] == [2, 3, 4, 6, 7, 9]
    assert told["error"]["faults"][1]["nearest"] == "node.name"


def test_a_file_that_is_not_there(capsys: Capture) -> None:
    assert main(["config", "check", "/absent.toml"]) == 2
    said = capsys.readouterr().err
    assert "there is no file /absent.toml" in said
    assert "fix: begin with what `overlay config show --defaults` prints" in said


def test_show_says_what_is_in_force_and_where_from(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "n.toml"
    file.write_text("[node]\nmtu = 1400\n")
    monkeypatch.setenv("OVERLAY_SECRET", "hunter2")
    assert main(["config", "show", "-n", "net", "-c", str(file), "--no-lan", "-p", "a", "-p", "b"]) == 0
    out = capsys.readouterr().out
    tree = tomllib.loads(out)
    assert tree["network"] == "net"
    assert tree["secret"] == "(hidden)"
    assert tree["peers"] == ["a", "b"]
    assert tree["lan"]["enabled"] is False
    assert tree["node"]["mtu"] == 1400
    origins = {line.split(" = ")[0]: line.partition("  # ")[2] for line in out.splitlines() if " = " in line}
    assert origins["network"] == "command line"
    assert origins["secret"] == "environment OVERLAY_SECRET"
    assert origins["mtu"] == f"{file}:2"
    assert origins["port"] == "default"
    assert "hunter2" not in out


def test_show_as_json_has_every_key(capsys: Capture) -> None:
    assert main(["config", "show", "--json", "-s", "hunter2"]) == 0
    out = capsys.readouterr().out
    told = json.loads(out)
    assert set(told["values"]) == set(LEAVES)
    assert told["values"]["secret"] == {"value": "(hidden)", "origin": "command line"}
    assert "hunter2" not in out


def test_show_refuses_faults(capsys: Capture) -> None:
    assert main(["config", "show", "--port", "x", "--relay", "maybe"]) == 2
    err = capsys.readouterr().err
    assert "--port" in err
    assert "--relay" in err


def test_the_example(capsys: Capture) -> None:
    assert main(["config", "show", "--defaults"]) == 0
    file = Path(__file__).parents[3] / "configs/node.example.toml"
    assert capsys.readouterr().out == file.read_text(encoding="utf-8")
