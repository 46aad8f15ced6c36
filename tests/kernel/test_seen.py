"""What people see of a mesh of real nodes: trace, why, status --watch, the lines of join, a capture of a restart."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator

import pytest

from overlay.lab import Lab, LabNode
from tests.kernel.test_capture import capture, finish
from tests.kit.contract import TRACE, WHY, faults
from tests.kit.mesh import Nodes, mesh, pings
from tools.dissect.capture import sightings
from tools.dissect.conversation import Conversation
from tools.dissect.keys import KeyRing

Meshed = tuple[Lab, Nodes]


@pytest.fixture(scope="module")
def relayed() -> Iterator[Meshed]:
    """anna and ben, whom two nodes may carry for."""
    with mesh("two-relays", meet="vps") as joined:
        joined[1]["anna"].wait_peer("ben", kind="relay")
        yield joined


def test_trace_names_every_hop_with_its_round_trip(relayed: Meshed) -> None:
    anna = relayed[1]["anna"]
    told = anna.json("trace", "ben")
    assert faults(told, TRACE) == []
    *relays, ben = told["hops"]
    assert {relay["name"] for relay in relays} <= {"vps", "spare"}
    assert relays[0]["endpoint"].endswith(":27182")
    assert ben["name"] == "ben"
    assert all(0.0 < hop["rtt_ms"] < 2000.0 for hop in told["hops"])
    lines = anna.command("trace", "ben").stdout.splitlines()
    assert lines[0].startswith("ben (10.")
    assert lines[-1].split()[1] == "ben"
    (direct,) = anna.json("trace", "vps")["hops"]
    assert direct["name"] == "vps"


def test_why_names_the_relay_and_the_one_not_taken(relayed: Meshed) -> None:
    anna = relayed[1]["anna"]
    told = anna.json("why", "ben")
    assert faults(told, WHY) == []
    states = {each["name"]: each["state"] for each in told["relays"]}
    assert sorted(states.values()) == ["carries", "spare"]
    used = next(way for way in told["ways"] if way["state"] == "used")
    assert states[used["via"][0]] == "carries"
    assert "carried  via " in anna.command("why", "ben").stdout
    assert ", not " in anna.command("why", "ben").stdout


def test_watching_tells_a_change_at_once_and_join_told_the_same(relayed: Meshed) -> None:
    lab, nodes = relayed
    anna = nodes["anna"]
    watching = lab.spawn("anna", [*anna.argv()[:1], "status", "--watch", "--json", "--socket", str(anna.socket)])
    watching.wait_for('"schema"')
    guest = LabNode(
        lab, "ben", label="guest", peers=(lab.address("vps", "right"),), options=("--no-tun", "--name", "zoe")
    )
    guest.up()
    anna.wait_peer("zoe")
    began = time.monotonic()
    guest.stop()
    watching.wait_for('"text": "zoe left"', timeout=5.0)
    assert time.monotonic() - began < 4.0
    changes = [each["text"] for line in watching.out.splitlines() for each in json.loads(line)["changes"]]
    assert any(text.startswith("zoe is here: ") for text in changes)
    said = [json.loads(line)["text"] for line in (anna.process.out if anna.process else "").splitlines()]
    assert [text for text in said if text == "zoe left"] == ["zoe left"]
    assert not [a for a, b in itertools.pairwise(said) if a == b]
    assert anna.peer("zoe")
    assert "left" in anna.command("status").stdout
    watching.kill()


def test_a_capture_of_a_restart_shows_that_the_session_was_resumed() -> None:
    with Lab("direct") as lab:
        keys = lab.folder("anna") / "keys"
        anna = LabNode(lab, "anna", options=("--debug-keys", str(keys)))
        ben = LabNode(lab, "ben", peers=(lab.address("anna"),))
        for node in (anna, ben):
            node.up()
        ben.wait_peer("anna", kind="direct")
        time.sleep(1.5)  # tickets are written within a second
        ben.stop()
        capturing = capture(lab, "anna", next(iter(lab.scenario.hosts["anna"].links)))
        ben.up()
        ben.wait_peer("anna", kind="direct")
        assert pings(lab, "ben", anna.address())
        theirs, ours = ben.address(), anna.address()
        finish(*capturing)
        said = list(Conversation(KeyRing.read(keys)).lines(sightings(capturing[1])))
    assert any(" r1 " in line and "by the ticket" in line for line in said)
    assert any(" r2 " in line and "resumed" in line for line in said)
    assert not any(" m1 " in line for line in said)
    assert any(f"{theirs} > {ours} ICMP echo-request" in line for line in said)
