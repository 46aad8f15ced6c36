"""What people and scripts are told of NATs and punching, by real nodes behind real NATs."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from overlay.lab import Lab, LabNode
from overlay.lab.node import overlay_argv
from tests.kit.contract import NAT_TOLD, PUNCH, STATUS, WHY, faults

Json = dict[str, Any]

SCENE = "nat3-numgen"


def measured(lab: Lab, host: str, *asked: str) -> Json:
    """`overlay nat --server` on a host without a node."""
    servers = [f"{lab.address(each)}:27182" for each in asked or ("vps", "vps2")]
    done = lab.run(host, [*overlay_argv(), "nat", "--json", "--server", *servers])
    told = json.loads(done.stdout)
    assert faults(told, NAT_TOLD) == []
    found: Json = told["nat"]
    return found


def comes_to_say(node: LabNode, words: str, *command: str) -> None:
    """A command says so within 20 s: what was measured meanwhile may have the engines ask each other again."""
    until = time.monotonic() + 20
    while words not in (told := node.command(*command).stdout):
        assert time.monotonic() < until, told
        time.sleep(0.1)


def test_from_nat_to_why() -> None:
    with Lab(SCENE) as lab:
        nodes = {
            host: LabNode(lab, host, peers=() if host == "vps" else (lab.address("vps"),))
            for host in lab.scenario.hosts
        }
        for host in ("vps", "vps2"):
            nodes[host].up()
        assert measured(lab, "anna")["type"] == "NAT3"
        assert measured(lab, "vps2", "vps")["type"] == "open"
        hard = measured(lab, "ben")
        assert (hard["type"], hard["allocation"], hard["step"]) == ("NAT4", "sequential", 1)

        anna, ben = nodes["anna"], nodes["ben"]
        anna.up()
        ben.up()
        anna.wait_until("both NATs are known", _know_both, timeout=20)
        comes_to_say(anna, "; goes direct when used", "status")
        comes_to_say(anna, "1. overlay ping ben --until-direct", "why", "ben")

        assert anna.command("ping", "ben", "--until-direct", "-c", "15").returncode == 0
        assert re.search(r"ben .* direct 198\.51\.100\.22:\d+ \(by \w+", anna.command("status").stdout)
        why = anna.json("why", "ben")
        assert faults(why, WHY) == []
        assert "direct" in why["text"]
        assert why["attempts"]
        assert faults(anna.json("punch"), PUNCH) == []
        assert faults(anna.json("nat", "--again"), NAT_TOLD) == []
        assert faults(anna.status(), STATUS) == []
        assert anna.command("wait", "ben", "--direct", "--timeout", "1").returncode == 0


def _know_both(status: Json) -> bool:
    """Each side's NAT is known, and nothing was tried yet."""
    peers: dict[str, Json] = {peer["name"]: peer for peer in status["peers"]}
    ben = peers.get("ben")
    if ben is None or status["self"]["nat"]["type"] != "NAT3" or ben["nat"]["type"] != "NAT4":
        return False
    return bool(ben["punch"]["state"] == "idle" and ben["path"]["kind"] == "relay")
