"""A public node carries for two hosts behind NATs; what it refuses; how it all looks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from overlay.lab import Lab, LabNode
from tests.kit.contract import STATUS, faults
from tests.kit.mesh import Nodes, everybody_sees_everybody, mesh, pings, throughput

Three = tuple[Lab, Nodes]


@pytest.fixture(scope="module")
def three() -> Iterator[Three]:
    with mesh("two-nat", meet="vps") as joined:
        yield joined


def test_the_path_goes_by_the_public_node(three: Three) -> None:
    lab, nodes = three
    ben = nodes["anna"].wait_peer("ben", kind="relay")
    assert ben["path"]["via"] == ["vps"]
    assert ben["path"]["hops"] == 2
    assert ben["path"]["endpoint"].startswith(lab.address("vps") + ":")
    assert nodes["vps"].wait_peer("ben", kind="direct")["path"]["endpoint"].startswith(lab.address("router-b") + ":")
    for node in nodes.values():
        assert faults(node.status(), STATUS) == []


@pytest.mark.parametrize("version", [4, 6])
def test_ping_and_tcp_pass_through_the_relay(three: Three, version: int) -> None:
    lab, nodes = three
    to = nodes["ben"].address(version=version)
    assert pings(lab, "anna", to)
    assert throughput(lab, "anna", "ben", to) > 100


def test_the_relay_sees_nothing_of_it_on_its_own_device(three: Three) -> None:
    lab, nodes = three
    device = nodes["vps"].status()["self"]["dev"]
    counted = ["cat", f"/sys/class/net/{device}/statistics/tx_bytes"]
    before = int(lab.run("vps", counted).stdout)
    throughput(lab, "anna", "ben", nodes["ben"].address())
    assert int(lab.run("vps", counted).stdout) - before < 10_000


def test_overlay_ping_names_the_relay(three: Three) -> None:
    done = three[1]["anna"].command("ping", "ben", "-c", "1", "--json")
    pong = json.loads(done.stdout.splitlines()[0])
    assert (pong["path"]["kind"], pong["path"]["via"]) == ("relay", ["vps"])
    spoken = three[1]["anna"].command("ping", "ben", "-c", "1").stdout
    assert "relay" in spoken
    assert "vps" in spoken


def test_waiting_for_a_direct_path_in_vain_is_exit_4(three: Three) -> None:
    assert three[1]["anna"].command("wait", "ben", "--direct", "--timeout", "0.5").returncode == 4


def test_the_first_ping_passes_within_seconds_of_the_start() -> None:
    with mesh("two-nat", meet="vps") as (lab, nodes):
        assert pings(lab, "ben", nodes["anna"].address())
        for node in nodes.values():
            assert node.status()["self"]["uptime_s"] < 10


def test_a_node_that_does_not_relay_refuses_and_the_asker_is_told() -> None:
    with Lab("relay-only") as lab:
        vps = LabNode(lab, "vps", options=("--relay", "off"))
        anna = LabNode(lab, "anna", peers=(lab.address("vps", "left"),))
        ben = LabNode(lab, "ben", peers=(lab.address("vps", "right"),))
        for node in (vps, anna, ben):
            node.up()
        anna.wait_peer("vps", kind="direct")
        ben.wait_peer("vps", kind="direct")
        anna.wait_until("aware of ben", lambda status: any(peer["name"] == "ben" for peer in status["peers"]))
        done = anna.command("ping", "ben", "-c", "1")
        assert done.returncode == 4
        peer = anna.peer("ben")
        assert peer is not None
        assert peer["path"]["kind"] == "none"
        assert peer["state"] == "connecting"
        (problem,) = anna.status()["problems"]
        assert problem["code"] == "relay_off"
        assert "vps" in problem["text"]
        assert "enabled = true" in problem["fix"]


def test_another_relay_takes_over_when_one_dies() -> None:
    with Lab("two-relays") as lab:
        vps = LabNode(lab, "vps")
        spare = LabNode(lab, "spare", peers=(lab.address("vps", "left"),))
        anna = LabNode(lab, "anna", peers=(lab.address("vps", "left"),))
        ben = LabNode(lab, "ben", peers=(lab.address("vps", "right"),))
        nodes = {node.host: node for node in (vps, spare, anna, ben)}
        for node in nodes.values():
            node.up()
        everybody_sees_everybody(nodes)
        via = anna.wait_peer("ben", kind="relay")["path"]["via"]
        assert len(via) == 1
        nodes[via[0]].stop()
        other = "spare" if via == ["vps"] else "vps"

        def by_the_other(status: dict[str, object]) -> bool:
            peers = status["peers"]
            assert isinstance(peers, list)
            return any(peer["name"] == "ben" and peer["path"]["via"] == [other] for peer in peers)

        anna.wait_until(f"relayed by {other}", by_the_other, timeout=15)
        assert pings(lab, "anna", ben.address())


@pytest.mark.parametrize("scenario", ["port-restricted", "double-nat", "mixed-nat"])
def test_other_nats_are_relayed_too(scenario: str) -> None:
    with mesh(scenario, meet="vps") as (lab, nodes):
        assert pings(lab, "anna", nodes["ben"].address())


def test_udp_blocked_is_not_an_end_but_shown() -> None:
    with Lab("udp-blocked") as lab:
        vps = LabNode(lab, "vps")
        anna = LabNode(lab, "anna", peers=(lab.address("vps"),))
        vps.up()
        anna.up()
        anna.wait_until("told of it", lambda status: bool(status["problems"]), timeout=15)
        (problem,) = anna.status()["problems"]
        assert problem["code"] in ("no_peer", "udp_blocked")
        assert problem["fix"]
