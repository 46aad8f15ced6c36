from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from overlay.cli import main
from overlay.cli.render import status_lines
from overlay.cli.status import rates, watch_lines
from overlay.cli.terminal import Canvas, Pen, columns
from tests.overlay.control.fake import NONE, RELAY, FakeNode, home, peer, status

Capture = pytest.CaptureFixture[str]

PLAIN = Canvas(Pen(colour=False), None, plain=True)


def test_a_person_sees_who_is_here_how_and_since_when() -> None:
    assert "\n".join(status_lines(home(), PLAIN)) == (
        "home  3 members  up 2 h 14 min\n"
        "laptop  10.222.7.1  fd3a::1  overlay0  UDP 27182\n"
        "reached at 198.51.100.4:5 (public)\n"
        "\n"
        "  peer   address     path                                rtt   jitter   loss  received     sent  since\n"
        "* vps    10.222.7.2  direct 203.0.113.9:27182        12.3 ms  0.40 ms    0 %    1.2 GB  20.0 MB  2 h 3 min\n"
        "~ phone  10.222.7.9  relay via vps; punching is off  48.0 ms  0.40 ms  2.1 %    3.1 MB   1.1 kB  4 min\n"
        "o nas    10.222.7.3  gone, last heard from 3 h ago\n"
        "* direct  ~ by a relay  o gone"
    )


def test_who_went_how_and_when() -> None:
    gone = peer("nas", 3, state="gone", path=NONE, seen_s=80.0)
    assert status_lines(status({**gone, "gone": "left", "gone_s": 7300.0}), PLAIN)[-2].endswith("left 2 h 1 min ago")
    silent = status_lines(status({**gone, "gone": "silent", "gone_s": 20.0}), PLAIN)
    assert silent[-2:] == ["o nas   10.222.7.3  fell silent 20 s ago", "o gone"]


def test_loss_on_the_path_and_inside() -> None:
    lines = status_lines(status(peer("vps", 2, loss=0.08, loss_inside=0.001), peer("nas", 3, loss_inside=0.0)), PLAIN)
    assert " 8.0 % (0.1 %) " in lines[5]
    assert " 0 % " in lines[6]
    assert lines[-1] == "* direct  loss: on the path (of the packets inside)"


def test_a_member_of_a_large_mesh_without_a_way() -> None:
    lines = status_lines(status(peer("vps", 2, path=NONE, rtt_ms=None, seen_s=None)), PLAIN)
    assert lines[-2] == ". vps   10.222.7.2  here by its neighbours' word; a way opens when used"
    assert lines[-1] == ". no way needed now"


def test_a_lonely_node_says_so() -> None:
    lines = status_lines(status(), PLAIN)
    assert lines[0] == "home  1 member  up 2 h 14 min"
    assert "nobody else is here yet" in lines


def test_problems_come_with_their_fix() -> None:
    problem = {"code": "wrong_secret", "text": "The secret differs.", "fix": "compare it", "since_s": 70.0}
    lines = status_lines(status(problems=[problem]), PLAIN)
    assert lines[-2:] == ["! The secret differs. (wrong_secret, since 1 min)", "  fix: compare it"]


def test_why_a_path_is_not_direct_stands_below_it() -> None:
    punch = {**peer("vps", 1)["punch"], "state": "infeasible", "text": "both sides draw random ports"}
    lines = status_lines(on(peer("phone", 9, path=RELAY, punch=punch)), PLAIN)
    assert lines[-2].strip() == "both sides draw random ports"
    assert lines[-2].index("both") == lines[-3].index("relay")
    assert "relay via vps (infeasible) " in lines[-3]
    switched_off = {**on(peer("phone", 9, path=RELAY, punch=punch)), "punch": status()["punch"]}
    assert "random ports" not in "".join(status_lines(switched_off, PLAIN))


def on(*peers: dict[str, Any]) -> dict[str, Any]:
    """A node that punches."""
    shown = status(*peers)
    shown["punch"] |= {"enabled": True}
    return shown


@pytest.mark.parametrize(
    ("punch", "words"),
    [
        ({"state": "idle", "text": "goes direct when used"}, "relay via vps; goes direct when used "),
        ({"state": "running", "probes": 61, "planned": 1750}, "relay via vps (trying: 61 of 1,750 ports) "),
        (
            {"state": "running", "probes": 3, "strategy": "anchor_walk"},
            "relay via vps (trying: anchor and walk, 3 packets) ",
        ),
        ({"state": "running"}, "relay via vps; asking what it is behind "),
        ({"state": "failed", "retry_s": 119.0}, "relay via vps (failed; tried again in 1 min) "),
        ({"state": "failed"}, "relay via vps (failed; tried again when used) "),
        ({"state": "off"}, "relay via vps; not tried "),
        ({"state": "something new"}, "relay via vps "),
    ],
)
def test_what_punching_does_stands_beside_the_relay(punch: dict[str, Any], words: str) -> None:
    shown = on(peer("phone", 9, path=RELAY, punch={**peer("vps", 1)["punch"], **punch}))
    assert words in status_lines(shown, PLAIN)[5]
    shown["punch"] |= {"enabled": False}
    assert "relay via vps; punching is off " in status_lines(shown, PLAIN)[5]


def test_a_punched_path_says_by_what() -> None:
    punch = {**peer("vps", 1)["punch"], "state": "succeeded", "strategy": "sandwich"}
    assert "direct 203.0.113.9:27182 (by sandwich search) " in status_lines(on(peer("phone", 9, punch=punch)), PLAIN)[5]


@pytest.mark.parametrize(
    ("strategy", "seen", "words"),
    [
        (None, 30.0, ""),
        (None, 31.0, ", silent for 31 s"),
        ("sandwich", 56.0, ""),
        ("sandwich", 96.0, ", silent for 1 min"),
    ],
)
def test_a_peer_that_is_silent_for_too_long_does_not_look_alive(strategy: str | None, seen: float, words: str) -> None:
    punch = {**peer("vps", 1)["punch"], "state": "succeeded" if strategy else "idle", "strategy": strategy}
    line = status_lines(on(peer("vps", 2, seen_s=seen, punch=punch)), PLAIN)[5]
    assert ("silent" in line) == bool(words)
    assert words in line


def test_nats_are_shown_once_known() -> None:
    nat = peer("vps", 1)["nat"]
    hard = {**nat, "type": "NAT4", "mapping": "apdm", "filtering": "apdf", "allocation": "sequential", "step": -2}
    shown = on(peer("vps", 2, nat={**nat, "type": "open"}), peer("phone", 9, nat=hard), peer("nas", 3))
    lines = status_lines(shown, PLAIN)
    assert "NAT" in lines[4].split()
    at = lines[4].index("NAT")
    assert [line[at : at + 8].strip() for line in lines[5:8]] == ["open", "NAT4 -2", ""]
    shown["self"]["nat"] = {**hard, "label": None}
    assert "NAT: NAT4 symmetric, ports count by -2" in status_lines(shown, PLAIN)
    shown["self"]["nat"] = {**hard, "label": "as measured"}
    assert "NAT: as measured" in status_lines(shown, PLAIN)


def test_a_peer_on_its_way() -> None:
    lines = status_lines(status(peer("vps", 2, state="connecting", path=NONE, rtt_ms=None)), PLAIN)
    assert lines[-2] == "- vps   10.222.7.2  connecting, last heard from 0 s ago"
    assert lines[-1] == "- not reached"


def test_a_member_not_met_since_the_start_is_said_to_be() -> None:
    shown = status(peer("vps", 2, state="connecting", path=NONE, rtt_ms=None, seen_s=None))
    assert status_lines(shown, PLAIN)[-2].endswith("connecting, not met since this node started 2 h 14 min ago")
    shown["self"] |= {"uptime_s": 3.0}
    assert status_lines(shown, PLAIN)[-2].endswith("connecting")


def test_unknown_is_left_open() -> None:
    bare = status(peer("vps", 2, ipv4=None, ipv6=None, rtt_ms=None, jitter_ms=None, loss=None))
    bare["self"] |= {"ipv4": None, "ipv6": None, "dev": None}
    text = "\n".join(status_lines(bare, PLAIN))
    assert "None" not in text
    assert "no address yet" in text
    assert "no device" in text


@pytest.mark.parametrize("width", range(8, 140, 7))
def test_it_fits_any_terminal(width: int) -> None:
    canvas = Canvas(Pen(colour=False), width, plain=False)
    table = status_lines(home(), canvas)[4:]
    assert all(columns(line) <= width for line in table)


def test_a_narrow_terminal_keeps_peer_and_path() -> None:
    lines = status_lines(home(), Canvas(Pen(colour=False), 40, plain=True))
    assert lines[4].split() == ["peer", "path"]
    assert "relay via vps" in lines[6]


def test_foreign_names_cannot_steer_the_terminal() -> None:
    evil = peer("vps", 2, name="a\x1b]0;x\x07\n\u202e", path={**RELAY, "via": ["\x1b[2J"]})
    evil["punch"] = {**evil["punch"], "text": "\r\x9bx"}
    snapshot = status(evil, problems=[{"code": "x\x1b", "text": "t\x08", "fix": "\x00f", "since_s": 1.0}])
    snapshot["network"]["name"] = "net\x1b[31m"
    text = "".join(status_lines(snapshot, PLAIN))
    assert all(character.isprintable() for character in text)
    assert "\u202e" not in text


def test_rates_are_differences() -> None:
    before, after = (
        (10.0, status(peer("vps", 2, rx_bytes=1000, tx_bytes=500))),
        status(peer("vps", 2, rx_bytes=3000, tx_bytes=400), peer("nas", 3)),
    )
    found = rates(before, (12.0, after))
    assert list(found.values()) == [(1000.0, 0.0)]
    assert rates(None, (12.0, after)) == {}
    assert rates((12.0, after), (12.0, after)) == {}
    lines = status_lines(after, PLAIN, found)
    assert "1.0 kB/s" in lines[5]
    assert lines[4].split()[-3:] == ["in", "out", "since"]


def test_the_command_prints_the_view(node: FakeNode, capsys: Capture) -> None:
    assert main(["status"]) == 0
    out, err = capsys.readouterr()
    assert "relay via vps" in out
    assert err == ""


def test_json_is_the_snapshot_and_nothing_else(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["peers"][0]["name"] = "a\x9b\u202e"
    assert main(["status", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == node.snapshot
    assert out.isascii()
    assert out.count("\n") == 1


def test_no_node_is_exit_3(capsys: Capture, tmp_path: object) -> None:
    assert main(["status", "--socket", f"{tmp_path}/absent"]) == 3
    assert "fix: start one: overlay join" in capsys.readouterr().err


def test_a_name_that_is_none_is_exit_2(capsys: Capture) -> None:
    assert main(["status", "-n", "a/b"]) == 2


def test_watching_as_json_is_one_object_a_line_until_ctrl_c(node: FakeNode) -> None:
    argv = [sys.executable, "-m", "overlay", "status", "--watch", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == node.snapshot | {"changes": []}
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
        assert process.returncode == 0
        assert err == ""


CHANGE = {
    "at": "2026-01-01T14:03:21.500+00:00",
    "event": "path",
    "peer": "phone",
    "text": "phone: via vps -> direct 1.2.3.4:5\x1b[2J",
}


def test_watching_without_a_terminal_is_a_line_a_change(node: FakeNode, capsys: Capture) -> None:
    node.changes, node.watched_s = [CHANGE, {**CHANGE, "text": "nas left"}], 0.0
    assert main(["status", "--watch"]) == 3
    out, err = capsys.readouterr()
    assert out.count("relay via vps") == 1
    assert out.splitlines()[-2:] == [
        "14:03:21 phone: via vps -> direct 1.2.3.4:5\N{REPLACEMENT CHARACTER}[2J",
        "14:03:21 nas left",
    ]
    assert "the node ended" in err


def test_the_last_changes_stand_below_the_table() -> None:
    lines = watch_lines(home(), [CHANGE], Canvas(Pen(colour=False), 30, plain=True), {})
    assert lines[-2] == "what changed"
    assert lines[-1] == "14:03:21 phone: via vps -> ..."


def test_watching_on_a_terminal_gives_the_screen_back(node: FakeNode) -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "overlay", "status", "--watch"]
    with subprocess.Popen(argv, stdout=theirs, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        said = b""
        while b"relay via vps" not in said:
            said += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        time.sleep(0.05)
        said += os.read(ours, 65536)
    os.close(ours)
    assert said.startswith(b"\x1b[?1049h")
    assert said.rstrip().endswith(b"\x1b[?1049l")
