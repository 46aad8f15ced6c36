from __future__ import annotations

import json
from typing import Any

import pytest

from overlay.cli import main
from overlay.cli.journal import from_first, told
from overlay.cli.ways import carried_words
from tests.kit.contract import WHY, faults
from tests.overlay.control.fake import NONE, FakeNode

Capture = pytest.CaptureFixture[str]

FAILED = {
    "state": "failed",
    "strategy": "birthday",
    "attempts": 2,
    "probes": 1750,
    "planned": 1750,
    "reason": "no_hit",
    "text": "no port of theirs was met",
    "retry_s": 119.0,
}
TOLD = {
    "text": "1,750 ports were tried and none was met",
    "fix": ["enable UPnP on the router", "ask the provider"],
    "attempts": ["18366.50 s  attempt 1: we ask", "18367.75 s    we: NAT3; they: NAT4\x1b[2J"],
}


def phone(node: FakeNode, **punch: Any) -> dict[str, Any]:
    """The relayed peer of the fake node, its punching as told; the engine is on."""
    node.snapshot["punch"] |= {"enabled": True}
    found: dict[str, Any] = node.snapshot["peers"][1]
    found["punch"] |= {"state": "idle", **punch}
    return found


def said(capsys: Capture) -> list[str]:
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_a_failure_with_all_that_is_known(node: FakeNode, capsys: Capture) -> None:
    phone(node, **FAILED)["nat"] |= {"type": "NAT4", "mapping": "apdm", "allocation": "uniform"}
    node.snapshot["self"]["nat"] |= {"type": "NAT3", "mapping": "eim", "filtering": "apdf"}
    node.told = TOLD
    assert main(["why", "phone"]) == 0
    assert said(capsys) == [
        "phone (10.222.7.9)",
        "path relay via vps",
        "because 1,750 ports were tried and none was met",
        "here NAT3 port restricted",
        "there NAT4 symmetric, ports are random",
        "tried 2 times, last by birthday search, 1,750 packets of ours",
        "ended failed: no hit",
        "again in 1 min; at once: overlay nat --again",
        "",
        "What happened, oldest first, in seconds from the first line:",
        "0.00 s attempt 1: we ask",
        "1.25 s we: NAT3; they: NAT4\N{REPLACEMENT CHARACTER}[2J",
        "",
        "What would help, the easiest first:",
        "1. enable UPnP on the router",
        "2. ask the provider",
    ]
    assert node.asked[-1] == {"do": "why", "peer": node.snapshot["peers"][1]["id"]}


def test_as_json(node: FakeNode, capsys: Capture) -> None:
    phone(node, **FAILED)
    node.told = TOLD
    assert main(["why", "phone", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert faults(told, WHY) == []
    assert (told["peer"], told["text"]) == ("phone", TOLD["text"])
    assert told["fix"] == "enable UPnP on the router; ask the provider"
    assert told["fixes"] == TOLD["fix"]
    assert told["attempts"] == ["0.00 s  attempt 1: we ask", "1.25 s    we: NAT3; they: NAT4\x1b[2J"]


@pytest.mark.parametrize(
    ("state", "words", "fix"),
    [
        ("idle", "goes direct when used", "overlay ping phone --until-direct"),
        ("running", "61 of 1,750 ports", None),
        ("succeeded", "a hole was opened", None),
        ("infeasible", "no search", None),
        ("off", "switched off", "overlay punch set nat3_nat4=auto phone"),
    ],
)
def test_where_the_engine_is_silent(node: FakeNode, capsys: Capture, state: str, words: str, fix: str | None) -> None:
    phone(node, state=state, probes=61, planned=1750)
    assert main(["why", "phone", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert words in told["text"]
    assert told["fixes"][:1] == ([fix] if fix else [])


def test_asking_is_not_trying(node: FakeNode, capsys: Capture) -> None:
    phone(node, state="running")
    node.told = {"text": "trying", "fix": [], "attempts": []}
    assert main(["why", "phone"]) == 0
    assert "because it is being asked what it is behind" in said(capsys)


def test_off_here_is_said_with_the_switch(node: FakeNode, capsys: Capture) -> None:
    assert main(["why", "phone"]) == 0
    assert "because punching is off here" in said(capsys)
    assert main(["why", "phone"]) == 0
    assert said(capsys)[-1] == "1. overlay punch on"


def test_what_cannot_help_is_not_told_though_punching_is_off(node: FakeNode, capsys: Capture) -> None:
    node.told = {"text": "punching is off here; it would not help either", "fix": ["use IPv6"], "attempts": []}
    assert main(["why", "phone"]) == 0
    assert said(capsys)[-1] == "1. use IPv6"


def test_who_must_set_what_is_said_with_both_names(node: FakeNode, capsys: Capture) -> None:
    phone(node, state="off", reason="off")
    own = node.snapshot["self"]["name"]
    switch = "overlay punch set nat4_nat4=auto"
    there = [f"on their side: {switch}", "on their side: overlay punch on"]
    node.told = {"text": "nat4_nat4 is off on both sides", "fix": [switch, *there, "use IPv6"], "attempts": []}
    assert main(["why", "phone"]) == 0
    assert said(capsys)[-4:] == [
        f"1. {switch} phone",
        f"2. on phone: {switch} {own}",
        "3. on phone: overlay punch on",
        "4. use IPv6",
    ]


def test_a_state_that_is_its_reason_is_said_once(node: FakeNode, capsys: Capture) -> None:
    phone(node, state="infeasible", reason="infeasible")
    assert main(["why", "phone"]) == 0
    assert "ended infeasible: no search would end in time" in said(capsys)


def test_after_a_success_how_it_got_through(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["peers"][0]["punch"] |= {"state": "succeeded", "strategy": "sandwich", "attempts": 1, "probes": 41}
    assert main(["why", "vps"]) == 0
    lines = said(capsys)
    assert lines[1:3] == ["path direct 203.0.113.9:27182", "because it got through by sandwich search"]
    assert "tried once, last by sandwich search, 41 packets of ours" in lines


def test_a_path_that_needed_no_hole(node: FakeNode, capsys: Capture) -> None:
    assert main(["why", "vps"]) == 0
    assert "because no punching was needed: one of its addresses answered" in said(capsys)


def test_who_is_gone_or_not_reached(node: FakeNode, capsys: Capture) -> None:
    assert main(["why", "nas"]) == 0
    assert "because gone, last heard from 3 h ago" in " ".join(capsys.readouterr().out.split())
    node.snapshot["peers"][2] |= {"gone": "silent", "gone_s": 60.0, "seen_s": 90.0}
    assert main(["why", "nas"]) == 0
    assert "fell silent 1 min ago; last heard from 1 min ago" in capsys.readouterr().out
    node.snapshot["peers"][1] |= {"path": NONE, "state": "connecting", "seen_s": None}
    assert main(["why", "phone"]) == 0
    assert "no way to it is known yet\n" in capsys.readouterr().out


def relay(name: str, state: str, here: float, there: float | None, *via: str) -> dict[str, Any]:
    return {"name": name, "via": [name, *via], "state": state, "here_ms": here, "there_ms": there}


def way(state: str, loss: float | None = None, *, via: str = "", rtt: float | None = 20.0) -> dict[str, Any]:
    return {
        "kind": "relay" if via else "direct",
        "endpoint": "203.0.113.4:5",
        "via": [via] if via else [],
        "state": state,
        "rtt_ms": rtt,
        "jitter_ms": 1.0,
        "loss": loss,
        "heard_s": 4.0,
    }


def test_the_relay_chosen_and_the_way_not_taken(node: FakeNode, capsys: Capture) -> None:
    phone(node)
    relays = [
        relay("vps", "carries", 48.0, 12.0),
        relay("nas", "spare", 60.0, 35.0),
        relay("hub", "spare", 100.0, 20.0, "far"),
        relay("pi", "off", 1.0, None),
    ]
    ways = [way("used", 0.001, via="vps"), way("bad", 0.12), way("unproven", rtt=None)]
    node.told |= {"ways": ways, "relays": relays, "far": False}
    assert main(["why", "phone"]) == 0
    lines = said(capsys)
    bad = "bad: loses 12 % where via vps loses 0.1 %, 20.0 ms, last heard 4 s ago"
    assert f"because its direct way is not taken: {bad}" in lines
    carried = "via vps (48.0 ms + 12.0 ms), not nas (95.0 ms), hub and far (120 ms); pi does not carry for others"
    assert f"carried {carried}" in lines
    at = lines.index("Ways known:")
    assert lines[at + 1 : at + 4] == [
        "via vps in use, loses 0.1 %, 20.0 ms",
        f"direct 203.0.113.4:5 {bad}",
        "direct 203.0.113.4:5 not proven: nobody answered there, last heard 4 s ago",
    ]
    assert main(["why", "phone", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ways"] == ways
    assert told["relays"] == relays


@pytest.mark.parametrize(
    ("relays", "kind", "words"),
    [
        ([], "relay", ""),
        ([relay("vps", "carries", 5.0, None)], "relay", "via vps (5.00 ms); no other could"),
        ([relay("vps", "spare", 5.0, None)], "none", "vps (5.00 ms) could carry"),
        (
            [relay("nas", "carries", 5.0, 1.0), relay("vps", "spare", 5.0, None)],
            "relay",
            "via nas (5.00 ms + 1.00 ms), not vps (5.00 ms); kept until another costs a third less",
        ),
        ([relay("vps", "carries", 5.0, 6.0)], "relay", "via vps (5.00 ms + 6.00 ms); no other could"),
        ([relay("vps", "spare", 5.0, 6.0)], "direct", "vps (11.0 ms) could carry, if this way fails"),
        ([relay("vps", "refused", 5.0, None)], "direct", "vps would not within the last minute"),
        (
            [relay(name, "spare", 1.0, 1.0) for name in "abcde"],
            "relay",
            "via a (1.00 ms + 1.00 ms), not b (2.00 ms), c (2.00 ms), d (2.00 ms) and 1 more",
        ),
    ],
)
def test_relays_in_words(relays: list[dict[str, Any]], kind: str, words: str) -> None:
    assert carried_words(relays, kind) == words


def test_a_member_of_a_large_mesh_without_a_way(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["peers"][1] |= {"path": NONE, "seen_s": None}
    node.told |= {"ways": [], "relays": [], "far": True}
    assert main(["why", "phone"]) == 0
    assert "one opens when it is used" in capsys.readouterr().out


def test_a_journal_of_another_make_is_left_as_it_is() -> None:
    assert from_first([]) == []
    assert from_first(["no time", "5.00 s  x"]) == ["no time", "0.00 s  x"]


def test_an_attempt_that_comes_again_and_again_is_told_once() -> None:
    lines = [
        line
        for at in range(3)
        for line in (
            f"{at}.00 s  we ask them",
            f"{at}.10 s    we: x; they: y",
            f"{at}.20 s  ended: off (no), 0 packets",
        )
    ]
    other = ["9.00 s  we ask them", "9.10 s    trying anchor_walk", "9.50 s  ended: no_answer (silence), 4 packets"]
    assert told([*lines, *other]) == [
        "0.00 s  we ask them",
        "0.10 s    we: x; they: y",
        "0.20 s  ended: no, 0 packets",
        "(the same 2 times more, the last at 2.20 s)",
        "9.00 s  we ask them",
        "9.10 s    trying anchor and walk",
        "9.50 s  ended: silence, 4 packets",
    ]
    assert told([]) == []
    assert told(["a", "b"]) == ["a", "b"]


def test_a_peer_that_is_none(node: FakeNode) -> None:
    assert main(["why", "zoe"]) == 6
    assert main(["why"]) == 2
