from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from overlay.cli import main
from tests.overlay.control.fake import DIRECT, IDS, NONE, RELAY, FakeNode, Json, home, listening

Capture = pytest.CaptureFixture[str]

LOST = {"rtt_ms": None, "path": NONE}


def test_a_pong_a_line_names_its_path(node: FakeNode, capsys: Capture) -> None:
    node.pongs = [{"rtt_ms": 12.34, "path": RELAY}, LOST, {"rtt_ms": 1.5, "path": DIRECT}]
    assert main(["ping", "phone", "-c", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "pong from phone (10.222.7.9): seq 1, 12.3 ms, relay via vps",
        "no pong from phone (10.222.7.9): seq 2, no path",
        "pong from phone (10.222.7.9): seq 3, 1.50 ms, direct 203.0.113.9:27182",
        "3 sent, 2 received; rtt 1.50 ms least, 6.92 ms mean, 12.3 ms most",
    ]
    assert node.asked[-1] == {"do": "ping", "peer": IDS["phone"], "count": 3, "interval": 1.0}


def test_as_json_an_object_a_line(node: FakeNode, capsys: Capture) -> None:
    assert main(["ping", "phone", "-c", "2", "--json"]) == 0
    *pongs, total = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert pongs == [{"seq": seq, "rtt_ms": 12.3, "path": RELAY} for seq in (1, 2)]
    assert total == {"sent": 2, "received": 2}


def test_nothing_back_is_exit_4(node: FakeNode, capsys: Capture) -> None:
    node.pongs = [LOST]
    assert main(["ping", "phone", "-c", "2"]) == 4
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "2 sent, 0 received"
    assert "phone did not answer" in err


def test_nothing_back_as_json_tells_it_in_the_last_line(node: FakeNode, capsys: Capture) -> None:
    node.pongs = [LOST]
    assert main(["ping", "phone", "-c", "1", "--json"]) == 4
    out, err = capsys.readouterr()
    last = json.loads(out.splitlines()[-1])
    assert (last["sent"], last["received"], last["schema"], last["error"]["code"]) == (1, 0, 1, "no_reply")
    assert err == ""


def test_until_direct_ends_with_the_first_direct_pong(node: FakeNode, capsys: Capture) -> None:
    node.pongs = [{"rtt_ms": 9.0, "path": RELAY}, {"rtt_ms": None, "path": DIRECT}, {"rtt_ms": 1.0, "path": DIRECT}]
    assert main(["ping", "phone", "--until-direct"]) == 0
    assert {"do": "direct", "peer": node.snapshot["peers"][1]["id"]} in node.asked
    assert capsys.readouterr().out.splitlines()[-1].startswith("3 sent, 2 received")


def test_until_direct_in_vain_is_exit_4(node: FakeNode, capsys: Capture) -> None:
    assert main(["ping", "phone", "--until-direct", "-c", "2"]) == 4
    err = capsys.readouterr().err
    assert "no direct path to phone in 2 pings" in err
    assert "overlay why phone says why" in err


@pytest.mark.parametrize("word", ["zoe", "a", "laptop"])
def test_no_such_peer_is_exit_6(node: FakeNode, capsys: Capture, word: str) -> None:
    assert main(["ping", word, "--json"]) == 6
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "no_such_peer"
    assert "phone" in error["text"] + error["fix"]


def test_what_the_node_says_is_passed_on(node: FakeNode, capsys: Capture) -> None:
    node.pongs = [{"rtt_ms": 9.0, "path": RELAY}, {"error": "it left", "rtt_ms": None}]
    assert main(["ping", "phone"]) == 6
    assert "overlay: it left\n  fix: mend it" in capsys.readouterr().err


def test_a_node_that_ends_meanwhile_is_exit_3(tmp_path: Path, capsys: Capture) -> None:
    async def answer(request: Json) -> AsyncIterator[Json]:
        yield home() if request["do"] == "status" else {"seq": 1, "rtt_ms": 2.0, "path": DIRECT}

    with listening(tmp_path / "s.sock", answer):
        assert main(["ping", "phone", "--socket", str(tmp_path / "s.sock")]) == 3
    out, err = capsys.readouterr()
    assert "pong from phone" in out
    assert "the node ended" in err


@pytest.mark.parametrize(("pong", "code"), [({"rtt_ms": 2.0, "path": DIRECT}, 0), (LOST, 4)])
def test_ctrl_c_sums_up(node: FakeNode, pong: dict[str, object], code: int) -> None:
    node.pongs = [pong]
    argv = [sys.executable, "-m", "overlay", "ping", "phone"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "pong from phone" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert process.returncode == code
    assert " sent, " in out.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize("count", ["0", "-1", "x"])
def test_counts_that_are_none(node: FakeNode, count: str, capsys: Capture) -> None:
    assert main(["ping", "phone", "-c", count]) == 2
