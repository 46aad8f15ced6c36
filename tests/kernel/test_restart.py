"""Real nodes behind real NATs: one is killed and comes back, one leaves, one leaves and joins again at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from overlay.lab import Lab, LabNode
from overlay.lab.node import Json
from tools.natlab import COMMAND

SCENE = "nat3-seq-up"


@contextmanager
def met() -> Iterator[dict[str, LabNode]]:
    """vps, and anna and ben who dial it and see each other."""
    with Lab(SCENE, userspace_nat=COMMAND) as lab:
        nodes = {"vps": LabNode(lab, "vps")}
        nodes["vps"].up()
        for host in ("anna", "ben"):
            nodes[host] = LabNode(lab, host, peers=(lab.address("vps", "internet"),))
            nodes[host].start()
        for host, other in (("anna", "ben"), ("ben", "anna")):
            nodes[host].wait_up()
            nodes[host].wait_peer(other, timeout=15)
        yield nodes


def go_direct(nodes: dict[str, LabNode]) -> None:
    assert nodes["anna"].command("ping", "ben", "--until-direct", "-c", "30").returncode == 0


def crash(node: LabNode) -> None:
    assert node.process is not None
    node.process.send(signal.SIGKILL)
    node.process.wait()


def test_a_punched_peer_that_is_killed_and_comes_back_is_reached_and_goes_direct_again() -> None:
    with met() as nodes:
        anna, ben = nodes["anna"], nodes["ben"]
        go_direct(nodes)
        crash(ben)
        time.sleep(1.0)
        ben.up()
        ben.wait_peer("anna", timeout=10)
        assert "3 received" in anna.command("ping", "ben", "-c", "3").stdout
        go_direct(nodes)


def test_leaving_is_known_behind_the_relay_at_once() -> None:
    def is_gone(status: Json) -> bool:
        return [peer["state"] for peer in status["peers"] if peer["name"] == "ben"] == ["gone"]

    with met() as nodes:
        assert nodes["ben"].command("leave").returncode == 0
        for host in ("vps", "anna"):
            nodes[host].wait_until("ben is gone", is_gone, timeout=1.5)


def test_who_left_may_join_at_once() -> None:
    with Lab("direct") as lab:
        node = LabNode(lab, next(iter(lab.scenario.hosts)))
        for _ in range(3):
            node.up()
            assert node.command("leave").returncode == 0
        node.up()
        assert node.command("status").returncode == 0
