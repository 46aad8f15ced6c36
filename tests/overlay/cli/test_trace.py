from __future__ import annotations

import json
from typing import Any

import pytest

from overlay.cli import main
from overlay.cli.hops import trace_lines
from overlay.cli.terminal import Canvas, Pen
from tests.kit.contract import TRACE, faults
from tests.overlay.control.fake import IDS, RELAY, FakeNode, peer

Capture = pytest.CaptureFixture[str]

PLAIN = Canvas(Pen(colour=False), None, plain=True)


def hop(name: str, rtt: float | None, endpoint: str | None = None, loss: float | None = 0.0) -> dict[str, Any]:
    return {"name": name, "endpoint": endpoint, "rtt_ms": rtt, "loss": loss}


HOPS = [hop("vps", 12.34, "203.0.113.9:27182"), hop("nas", None, loss=1.0), hop("phone", 48.0, loss=0.02)]


def test_every_hop_by_name_with_rtt_and_loss() -> None:
    path = {**RELAY, "via": ["vps", "nas"], "hops": 3}
    assert "\n".join(trace_lines(peer("phone", 9, path=path), HOPS, PLAIN)) == (
        "phone (10.222.7.9), relay via vps, nas\n"
        "     hop    endpoint                 rtt   loss\n"
        "  1  vps    203.0.113.9:27182    12.3 ms    0 %\n"
        "! 2  nas                       no answer  100 %\n"
        "  3  phone                       48.0 ms  2.0 %\n"
        "! no answer in time"
    )


def test_the_command_asks_the_node(node: FakeNode, capsys: Capture) -> None:
    node.hops = [hop("phone", 1.5, "203.0.113.9:27182", None)]
    assert main(["trace", "phone"]) == 0
    assert node.asked[-1] == {"do": "trace", "peer": IDS["phone"]}
    out = capsys.readouterr().out
    assert "1  phone  203.0.113.9:27182  1.50 ms" in out
    assert "loss" not in out


def test_json_is_the_hops(node: FakeNode, capsys: Capture) -> None:
    node.hops = HOPS
    assert main(["trace", "phone", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"schema": 1, "hops": HOPS}
    assert faults(told, TRACE) == []


@pytest.mark.parametrize("hops", [[], [*HOPS[:2], hop("phone", None)]])
def test_a_peer_that_does_not_answer_is_exit_4(node: FakeNode, capsys: Capture, hops: list[dict[str, Any]]) -> None:
    node.hops = hops
    assert main(["trace", "phone"]) == 4
    out, err = capsys.readouterr()
    assert ("vps" in out) == bool(hops)
    assert "overlay why phone" in err
    assert main(["trace", "phone", "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert told["hops"] == hops
    assert told["error"]["code"] == "no_reply"


def test_no_such_peer_is_exit_6(node: FakeNode) -> None:
    assert main(["trace", "zoe"]) == 6


def test_no_node_is_exit_3(capsys: Capture, tmp_path: object) -> None:
    assert main(["trace", "phone", "--socket", f"{tmp_path}/absent"]) == 3


def test_foreign_names_cannot_steer_the_terminal() -> None:
    lines = trace_lines(peer("phone", 9), [hop("a\x1b[2J", 1.0, "\x9b")], PLAIN)
    assert all(character.isprintable() for line in lines for character in line)
