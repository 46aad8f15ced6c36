"""Wrong secrets and wrong names: told to the person, counted by the other side, never an end."""

from __future__ import annotations

import subprocess

import pytest

from overlay.lab import Lab, LabNode
from tests.kit.mesh import pings, problems


def test_a_wrong_secret_is_told_and_counted() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna", options=("--no-lan",))  # it must not dial ben, and be refused in its turn
        ben = LabNode(lab, "ben", peers=(lab.address("anna"),), secret="not the one")
        anna.up()
        ben.up()
        ben.wait_until("told", lambda status: "wrong_secret" in [each["code"] for each in status["problems"]])
        problem = next(each for each in ben.status()["problems"] if each["code"] == "wrong_secret")
        assert "secret" in problem["text"]
        assert len(problem["text"].splitlines()) == 1
        assert problem["fix"]
        shown = ben.command("status")
        assert shown.returncode == 0
        assert problem["text"] in shown.stdout
        before = anna.wait_until("counting", lambda status: status["drops"].get("guess", 0) > 0, timeout=30)
        assert "wrong_secret" not in [each["code"] for each in before["problems"]]
        assert ben.process is not None
        assert ben.process.running


def test_a_wrong_network_name_never_meets() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna", network="home")
        ben = LabNode(lab, "ben", network="hone", peers=(lab.address("anna"),))
        anna.up()
        ben.up()
        ben.wait_until("told", lambda status: bool(status["problems"]), timeout=15)
        assert "no_peer" in problems(ben)
        assert anna.status()["peers"] == []
        assert sum(anna.status()["drops"].values()) > 0


@pytest.mark.parametrize("peer", ["nowhere.invalid", "198.51.100.77", "198.51.100.1:9"])
def test_a_peer_that_cannot_be_reached_is_a_problem_shown(peer: str) -> None:
    with Lab("direct") as lab:
        ben = LabNode(lab, "ben", peers=(peer,))
        ben.up()
        ben.wait_until("told", lambda status: "no_peer" in [each["code"] for each in status["problems"]], timeout=15)
        problem = ben.status()["problems"][0]
        assert peer.partition(":")[0] in problem["text"] + problem["fix"]


def test_the_first_peer_that_comes_ends_the_problem() -> None:
    with Lab("direct") as lab:
        ben = LabNode(lab, "ben", peers=(lab.address("anna"),))
        ben.up()
        ben.wait_until("told", lambda status: "no_peer" in [each["code"] for each in status["problems"]], timeout=15)
        anna = LabNode(lab, "anna")
        anna.up()
        ben.wait_peer("anna", timeout=20)
        assert problems(ben) == []


AWKWARD = "  two words, $HOME \"quoted\" 'and' `ticks` \\n e\u0301  "
"""Spaces, quotes, a dollar sign and a decomposed accent (NFD)."""


def test_an_awkward_secret_is_one_and_the_same_however_it_is_given() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna", secret=AWKWARD)
        anna.up()
        file = lab.folder("ben") / "secret"
        file.write_text(AWKWARD.replace("e\u0301", "\u00e9") + "\n", encoding="utf-8")
        ben = LabNode(lab, "ben", peers=(lab.address("anna"),))
        argv = [*ben.argv(), "--secret-file", str(file)]
        process = lab.spawn("ben", argv)
        process.wait_for('"event": "up"')
        anna.wait_peer("ben")
        assert pings(lab, "anna", ben.address())


def test_a_secret_on_the_command_line_is_hidden_from_ps() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna")
        process = lab.spawn("anna", [*anna.argv(), "--secret", "hunter2hunter2"])
        process.wait_for('"event": "up"')
        seen = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(process.pid)], check=True, capture_output=True)
        assert b"hunter2" not in seen.stdout
        assert "hunter2" not in process.out + process.err
        assert "hunter2" not in anna.command("status", "--json").stdout
        assert not [path for path in anna.state_dir.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
