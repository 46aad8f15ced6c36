"""`python -m punch`: usage, help with examples, and the matrix; real NATs stand in tests/kernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from punch.__main__ import Progress, main
from punch.driver.simulating import EVERYDAY, cells, read_pairs, success, worlds_a_minute
from punch.sim.meeting import Terms


@pytest.mark.parametrize("command", ["detect", "knock", "simulate"])
def test_every_command_helps_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"python -m punch {command} --" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv", [[], ["nonsense"], ["detect"], ["knock"], ["simulate", "--seeds", "many"], ["detect", "--server"]]
)
def test_wrong_usage_is_exit_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "argv",
    [
        ["detect", "--server", "a:0"],
        ["knock", "--server", "[::1]5"],
        ["simulate", "--pairs", "nat3:nonsense"],
        ["simulate", "--seeds", "0"],
    ],
)
def test_wrong_values_are_exit_2_and_said(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert capsys.readouterr().err.startswith("punch: ")


def test_a_server_that_does_not_answer_is_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "--server", "127.0.0.1:9", "--timeout", "0.3", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["profile"]["mapping"] == "unknown"
    assert "mapping" in found["undecided"] or found["profile"]["blocked"]


def test_the_matrix_is_the_same_for_the_same_seeds_on_one_core_and_on_two() -> None:
    wanted = read_pairs("nat3:nat3,nat1:nat4-sequential,nat4-uniform:nat4-uniform")
    one = list(cells(wanted, seeds=range(3), terms=Terms(), jobs=1))
    assert list(cells(wanted, seeds=range(3), terms=Terms(), jobs=2)) == one
    assert success(one) == (6, 6)
    assert one[2].reasons == {"infeasible": 3}
    assert one[2].packets == 0


def test_simulate_tells_the_matrix_success_and_rate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--pairs", "nat3:nat3", "--seeds", "1", "--rate", "0.01", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "100.0 %" in said
    assert "100.00 % (1 of 1)" in said
    assert "worlds a minute on one core" in said
    argv = ["simulate", "--pairs", "nat3:nat3", "--seeds", "1", "--rate", "0", "--jobs", "1", "--json"]
    assert main(argv) == 0
    cell, summary = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert cell["direct"] == 1
    assert summary == {
        "direct": 1,
        "feasible": 1,
        "by_chance": {"direct": 0, "duels": 0, "expected": 0},
        "worlds_a_minute": None,
    }


def alive(group: int) -> list[str]:
    """Processes of a group that did not end within some seconds."""
    for _ in range(50):
        left = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                state, _, its_group = (text := path.read_text()).rpartition(")")[2].split()[:3]
                left += [text] if its_group == str(group) and state != "Z" else []
        if not left:
            break
        time.sleep(0.1)
    return left


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_ends_cleanly(number: int, code: int) -> None:
    argv = [sys.executable, "-m", "punch", "simulate", "--pairs", "all", "--jobs", "2", "--rate", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        for _ in range(3):
            running.stdout.readline()
        os.killpg(running.pid, number)
        running.stdout.read()
        assert running.stderr.read() == ""
        assert running.wait(20) == code
        assert alive(running.pid) == []


def test_the_default_is_the_matrix_of_everyday_kinds() -> None:
    assert len(read_pairs("")) == len(EVERYDAY) * (len(EVERYDAY) + 1) // 2
    assert len(read_pairs("all")) > 500


def test_progress_says_how_long_it_may_take(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Progress, "EVERY", 0.0)
    progress = Progress(4)
    progress.tell(3)
    progress.tell(4)
    progress.clear()
    assert capsys.readouterr().err == "3 of 4 pairs, about 0 s left\n"


def test_help_explains_kinds_and_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    told = capsys.readouterr().out
    assert "Else: why" in told
    for kind in EVERYDAY:
        assert f"{kind}*" in told


def test_a_kind_alone_meets_every_kind() -> None:
    assert ("nat3", "nat4-uniform") in read_pairs("nat3")
    assert worlds_a_minute(seconds=0.0, terms=Terms()) > 0


def test_a_closed_pipe_ends_quietly() -> None:
    wanted = "nat3:nat3,nat3:nat1,nat1:nat1"
    argv = f"{sys.executable} -m punch simulate --pairs {wanted} --rate 0 --seeds 5 --jobs 1 | head -1"
    done = subprocess.run(["sh", "-c", argv], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("local")
    assert done.stderr == ""


def test_a_name_that_leads_nowhere_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "--server", "nowhere.invalid"]) == 1
    assert "nowhere.invalid" in capsys.readouterr().err


def test_one_bad_name_does_not_keep_the_others_from_being_asked(capsys: pytest.CaptureFixture[str]) -> None:
    servers = ["--server", "nowhere.invalid", "--server", "127.0.0.1:9"]
    assert main(["detect", *servers, "--timeout", "0.6", "--json"]) == 1
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert [each["host"] for each in found["servers"]] == ["127.0.0.1"]
    assert "nowhere.invalid" in found["lost"][0]
    assert "the other servers were asked" in told.err
