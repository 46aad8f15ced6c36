from __future__ import annotations

import json
from typing import Any

import pytest

from overlay.cli import main
from tests.kit.contract import NAT, PEER, PUNCH, faults
from tests.overlay.control.fake import IDS, FakeNode, status

Capture = pytest.CaptureFixture[str]


def asked(node: FakeNode) -> list[dict[str, Any]]:
    return [request for request in node.asked if request["do"] == "punch"]


def test_budget_counters_and_a_table(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["punch"] |= {
        "enabled": True,
        "entries_live": 12,
        "probes_sent": 4310,
        "probes_received": 7,
        "measured": 50,
    }
    vps, phone = node.snapshot["peers"][:2]
    vps["punch"] |= {"state": "succeeded", "strategy": "anchor_walk", "probes": 41, "attempts": 1}
    phone["punch"] |= {"state": "failed", "reason": "no_hit", "attempts": 3, "retry_s": 600.0}
    phone["nat"] |= {"type": "NAT4", "allocation": "uniform"}
    assert main(["punch"]) == 0
    assert capsys.readouterr().out == (
        "punching is on; nat3_nat4 auto, nat4_nat4 off\n"
        "  budget    12 of 1,000 NAT table entries in use; at most 100 packets a second\n"
        "  counters  4,310 probes sent, 7 received; 50 packets to measure our own NAT\n"
        "\n"
        "peer   NAT          path                      punching\n"
        "vps    ?            direct 203.0.113.9:27182  succeeded by anchor and walk, 41 packets\n"
        "phone  NAT4 random  relay via vps             failed: no hit, 3 attempts, again in 10 min\n"
    )
    assert asked(node) == []


def test_idle_says_what_it_waits_for(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["punch"] |= {"enabled": True}
    phone = node.snapshot["peers"][1]
    for state, reason, words in [
        ("idle", None, "goes direct when used"),
        ("idle", "idle", "goes direct when used"),
        ("idle", "peer_busy", "not now: their engine is busy"),
        ("off", "peer_off", "switched off on their side"),
        ("infeasible", "infeasible", "infeasible: no search would end in time"),
    ]:
        phone["punch"] |= {"state": state, "reason": reason}
        assert main(["punch"]) == 0
        assert capsys.readouterr().out.endswith(f"relay via vps             {words}\n")


def test_setting_a_kind_says_that_it_takes_both_sides(node: FakeNode, capsys: Capture) -> None:
    own = node.snapshot["self"]["name"]
    assert main(["punch", "set", "nat4_nat4=auto", "phone"]) == 0
    assert f"do the same on phone: overlay punch set nat4_nat4=auto {own}\n" in capsys.readouterr().out
    assert main(["punch", "set", "nat4_nat4=auto"]) == 0
    assert "do the same on every other device" in capsys.readouterr().out
    assert main(["punch", "set", "nat4_nat4=off"]) == 0
    assert "both sides" not in capsys.readouterr().out


def test_alone(node: FakeNode, capsys: Capture) -> None:
    node.snapshot = status()
    assert main(["punch"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("punching is off;")
    assert out.endswith("nobody else is here yet\n")


def test_as_json_it_is_what_status_says(node: FakeNode, capsys: Capture) -> None:
    assert main(["punch", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert faults(told, PUNCH) == []
    assert faults(told["peers"], [{"id": str, "name": str, "nat": NAT, "punch": PEER["punch"]}]) == []


@pytest.mark.parametrize("action", ["on", "off"])
def test_switching(node: FakeNode, capsys: Capture, action: str) -> None:
    assert main(["punch", action]) == 0
    assert asked(node) == [{"do": "punch", "action": action, "key": None, "value": None, "peer": None}]
    out = capsys.readouterr().out
    assert out.startswith(f"done: punching is {action}, until the node stops\n")
    assert f"punching is {action};" in out


@pytest.mark.parametrize(
    ("words", "key", "value", "peer"),
    [
        (["nat4_nat4=auto"], "nat4_nat4", "auto", None),
        (["nat4-nat4=always", "phone"], "nat4_nat4", "always", IDS["phone"]),
        (["nat3_nat4 = off", "10.222.7.9"], "nat3_nat4", "off", IDS["phone"]),
        (["max_pps=50"], "max_pps", 50, None),
        (["punch.max_entries=200"], "max_entries", 200, None),
    ],
)
def test_setting(node: FakeNode, capsys: Capture, words: list[str], key: str, value: object, peer: str | None) -> None:
    assert main(["punch", "set", *words, "--json"]) == 0
    assert asked(node) == [{"do": "punch", "action": "set", "key": key, "value": value, "peer": peer}]
    told = json.loads(capsys.readouterr().out)
    assert peer is not None or told[key] == value


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["of"], "did you mean off?"),
        (["dance"], "punch knows no 'dance'"),
        (["set"], "KEY=VALUE"),
        (["set", "nat4_nat4"], "KEY=VALUE"),
        (["set", "nat4_nat=auto"], "did you mean nat4_nat4?"),
        (["set", "nat4_nat4=alway"], "did you mean always?"),
        (["set", "nat4_nat4="], "one of auto, always, off"),
        (["set", "max_pps=0"], "a whole number from 1 to 1000"),
        (["set", "max_pps=many"], "a whole number from 1 to 1000"),
        (["set", "max_pps=5", "phone"], "for all peers together"),
        (["set", "nat4_nat4=auto", "phone", "nas"], "KEY=VALUE"),
        (["off", "phone"], "overlay punch set nat3_nat4=off PEER"),
    ],
)
def test_slips_are_exit_2_with_a_hint(node: FakeNode, capsys: Capture, words: list[str], hint: str) -> None:
    assert main(["punch", *words]) == 2
    assert hint in capsys.readouterr().err
    assert asked(node) == []


def test_a_peer_that_is_none(node: FakeNode) -> None:
    assert main(["punch", "set", "nat4_nat4=auto", "zoe"]) == 6
    assert asked(node) == []
