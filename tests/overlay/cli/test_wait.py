from __future__ import annotations

import json
import threading

import pytest

from overlay.cli import main
from tests.overlay.control.fake import DIRECT, NONE, FakeNode, home, status

Capture = pytest.CaptureFixture[str]


def test_somebody_answers(node: FakeNode, capsys: Capture) -> None:
    assert main(["wait"]) == 0
    assert capsys.readouterr().out == "vps (10.222.7.2) answers, direct 203.0.113.9:27182\n"


def test_this_one_answers_by_a_relay(node: FakeNode, capsys: Capture) -> None:
    assert main(["wait", "phone"]) == 0
    assert capsys.readouterr().out == "phone (10.222.7.9) answers, relay via vps\n"


def test_as_json(node: FakeNode, capsys: Capture) -> None:
    assert main(["wait", "phone", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "peer": node.snapshot["peers"][1]}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nas"], "nas did not answer within 0.05 s"),
        (["zoe"], "no peer zoe appeared within 0.05 s"),
        (["phone", "--direct"], "phone was not reached directly within 0.05 s"),
    ],
)
def test_in_vain_is_exit_4(node: FakeNode, capsys: Capture, words: list[str], why: str) -> None:
    assert main(["wait", *words, "--timeout", "0.05"]) == 4
    assert why in capsys.readouterr().err


def test_waiting_for_a_direct_path_starts_the_search_once(node: FakeNode, capsys: Capture) -> None:
    assert main(["wait", "phone", "--direct", "--timeout", "0.25"]) == 4
    assert "overlay why phone" in capsys.readouterr().err
    wanted = [request for request in node.asked if request["do"] == "direct"]
    assert wanted == [{"do": "direct", "peer": node.snapshot["peers"][1]["id"]}]
    assert main(["wait", "phone", "--timeout", "0.1"]) == 0
    assert main(["wait", "--direct", "--timeout", "0.1"]) == 0
    assert [request for request in node.asked if request["do"] == "direct"] == wanted


def test_a_member_of_a_large_mesh_is_woken(node: FakeNode) -> None:
    node.snapshot["peers"][1] |= {"path": NONE, "state": "connected"}
    assert main(["wait", "phone", "--timeout", "0.25"]) == 4
    woken = [request for request in node.asked if request["do"] == "wake"]
    assert woken == [{"do": "wake", "peer": node.snapshot["peers"][1]["id"]}]
    node.asked.clear()
    assert main(["wait", "nas", "--timeout", "0.25"]) == 4
    assert {request["do"] for request in node.asked} == {"status"}


def test_alone_in_vain(node: FakeNode, capsys: Capture) -> None:
    node.snapshot = status()
    assert main(["wait", "--timeout", "0"]) == 4
    assert "no peer answered" in capsys.readouterr().err
    assert main(["wait", "--timeout", "0", "--direct"]) == 4
    assert "no peer was reached directly" in capsys.readouterr().err


def test_the_fix_fits_what_was_waited_for(node: FakeNode, capsys: Capture) -> None:
    assert main(["wait", "nobody", "--timeout", "0"]) == 4
    assert "with the same network and secret?" in capsys.readouterr().err
    node.snapshot["peers"][1] |= {"path": NONE, "state": "connecting"}
    assert main(["wait", "phone", "--timeout", "0"]) == 4
    assert "shows how each peer is reached" in capsys.readouterr().err


def test_who_comes_later_is_noticed(node: FakeNode, capsys: Capture) -> None:
    later = home()
    node.snapshot = status()
    later["peers"][1]["path"] = DIRECT
    timer = threading.Timer(0.15, lambda: setattr(node, "snapshot", later))
    timer.start()
    assert main(["wait", "phone", "--direct", "--timeout", "10"]) == 0
    timer.join()


def test_an_ambiguous_peer_is_exit_6_at_once(node: FakeNode) -> None:
    assert main(["wait", "a"]) == 6
    assert main(["wait", "laptop"]) == 6


@pytest.mark.parametrize("timeout", ["-1", "x"])
def test_timeouts_that_are_none(node: FakeNode, timeout: str, capsys: Capture) -> None:
    assert main(["wait", "--timeout", timeout]) == 2
