"""`--debug-keys` on a real node: a capture of its link opens, and nobody else may read the file."""

from __future__ import annotations

import stat

from overlay.lab import Lab, LabNode
from tests.kernel.test_capture import capture, finish
from tests.kit.mesh import pings
from tools.dissect.capture import sightings
from tools.dissect.conversation import Conversation
from tools.dissect.keys import KeyRing


def test_a_capture_opens_with_the_keys_of_one_node() -> None:
    with Lab("direct") as lab:
        keys = lab.folder("anna") / "keys"
        anna = LabNode(lab, "anna", options=("--debug-keys", str(keys)))
        ben = LabNode(lab, "ben", peers=(lab.address("anna"),))
        capturing = capture(lab, "anna", next(iter(lab.scenario.hosts["anna"].links)))
        for node in (anna, ben):
            node.up()
        ben.wait_peer("anna", kind="direct")
        assert pings(lab, "ben", anna.address())
        ours, theirs = anna.address(), ben.address()
        problems = {problem["code"] for problem in anna.status()["problems"]}
        assert "debug_keys" in problems
        assert not ben.status()["problems"]
        finish(*capturing)
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        said = list(Conversation(KeyRing.read(keys)).lines(sightings(capturing[1])))
    assert any(f"{theirs} > {ours} ICMP echo-request" in line for line in said)
    assert any(f"{ours} > {theirs} ICMP echo-reply" in line for line in said)
    assert any(" control " in line and ": Ping(" in line for line in said)
    assert any(" stun " in line and "request" in line for line in said)
    assert not any(" slice 1 of 1" in line for line in said)
