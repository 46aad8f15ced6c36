"""Ways that go bad under two members: they lose, shrink, turn deaf; and ways that take several hops."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from overlay.lab import Lab, LabNode
from overlay.lab.scenario import Host, Scenario, Segment
from punch.sim.link import Link
from tests.kit.mesh import everybody_sees_everybody, pings, throughput
from tools.bench.mesh import game, lossy
from tools.bench.mesh.gaps import silence
from tools.bench.mesh.scenes import Nodes, go_direct, home, joined
from tools.natlab.star import Network

BRIDGED = Scenario(
    title="Two hosts, and two nodes between them in a row.",
    segments={
        "left": Segment(ipv4="198.51.100.0/28"),
        "middle": Segment(ipv4="198.51.100.16/28"),
        "right": Segment(ipv4="198.51.100.32/28"),
    },
    hosts={
        "near": Host(links={"left": ("198.51.100.1",), "middle": ("198.51.100.17",)}),
        "far": Host(links={"middle": ("198.51.100.18",), "right": ("198.51.100.33",)}),
        "anna": Host(links={"left": ("198.51.100.2",)}),
        "ben": Host(links={"right": ("198.51.100.34",)}),
    },
)


@contextmanager
def bridged() -> Iterator[tuple[Lab, Nodes]]:
    """anna - near - far - ben, none of whom forwards IP, each told of the one before it."""
    with Lab(BRIDGED) as lab:
        told = {
            "near": (),
            "far": (lab.address("near", "middle"),),
            "anna": (lab.address("near", "left"),),
            "ben": (lab.address("far", "right"),),
        }
        nodes = {host: LabNode(lab, host, peers=peers) for host, peers in told.items()}
        for node in nodes.values():
            node.up()
        everybody_sees_everybody(nodes, timeout=20)
        yield lab, nodes


def direct_beside_a_relay(lab: Lab, link: Link) -> tuple[Network, Nodes]:
    """anna and ben, both public, on a direct path, with vps at hand."""
    network = Network(lab, link)
    nodes = joined(lab, ("vps",))
    go_direct(nodes)
    return network, nodes


def test_small_packets_hardly_feel_a_lossy_way() -> None:
    found = game.lost_inside(seconds=20, seed=1)
    assert found["game_path"] > 1.0
    assert found["game_warm"] < found["game_path"] / 2


def test_a_stream_over_a_long_lossy_way_is_faster_than_raw() -> None:
    found = lossy.ratios("far", 0.01, "cubic", seconds=6, seed=1)
    assert found["far_cubic_1/overlay"] > 2 * found["far_cubic_1/raw"]


@pytest.mark.xfail(strict=False, reason="known fault: a stream stops where the MTU of its way shrinks under it")
def test_a_way_that_shrinks_carries_on() -> None:
    with Lab(home("", "", "vps")) as lab:
        network, nodes = direct_beside_a_relay(lab, Link(delay=0.002))
        longest = silence(lab, nodes, lambda: network.between("anna", "ben", Link(delay=0.002, mtu=1300)), after=7.0)
        assert longest < 5.0
        assert pings(lab, "anna", nodes["ben"].address(), "-s", "1300")


def test_one_direction_goes_dead_under_a_stream() -> None:
    with Lab(home("", "", "vps")) as lab:
        network, nodes = direct_beside_a_relay(lab, Link(delay=0.002))
        assert silence(lab, nodes, lambda: network.deafen("anna", "ben"), after=7.0) < 5.0


def test_who_is_heard_but_does_not_hear_is_reached_by_a_relay() -> None:
    with Lab(home("", "", "vps")) as lab:
        network = Network(lab)
        network.deafen("ben", "anna")
        nodes = joined(lab, ("vps",))
        assert pings(lab, "anna", nodes["ben"].address())
        assert nodes["anna"].wait_peer("ben", kind="relay")["path"]["via"] == ["vps"]
        network.heal("anna", "ben")
        go_direct(nodes)


def test_a_bridge_of_two_relays_is_crossed_and_traced_hop_by_hop() -> None:
    with bridged() as (lab, nodes):
        assert pings(lab, "anna", nodes["ben"].address())
        path = nodes["anna"].wait_peer("ben", kind="relay")["path"]
        assert (path["via"], path["hops"]) == (["near", "far"], 3)
        assert throughput(lab, "anna", "ben", nodes["ben"].address()) > 20
        done = nodes["anna"].command("trace", "ben", "--json")
        assert done.returncode == 0, done.stderr
        hops = json.loads(done.stdout)["hops"]
        assert [hop["name"] for hop in hops] == ["near", "far", "ben"]
        assert all(hop["rtt_ms"] is not None for hop in hops)
        spoken = nodes["anna"].command("ping", "ben", "-c", "1")
        assert spoken.returncode == 0
        assert "near" in spoken.stdout


def test_a_bridge_that_breaks_is_told_and_one_that_heals_is_used() -> None:
    with bridged() as (lab, nodes):
        to = nodes["ben"].address()
        assert pings(lab, "anna", to)
        far = nodes["far"].process
        assert far is not None
        far.kill()
        assert not pings(lab, "anna", to, "-w", "1")
        nodes["far"].up()
        assert pings(lab, "anna", to, "-w", "15")


def test_a_relay_carries_no_more_than_its_person_allows() -> None:
    with Lab("relay-only") as lab:
        config = lab.folder("vps") / "node.toml"
        config.write_text("[relay]\nmax_mbit = 10\n")
        vps = LabNode(lab, "vps", options=("--config", str(config)))
        anna = LabNode(lab, "anna", peers=(lab.address("vps", "left"),))
        ben = LabNode(lab, "ben", peers=(lab.address("vps", "right"),))
        for node in (vps, anna, ben):
            node.up()
        anna.wait_peer("ben", kind="relay")
        ben.wait_peer("anna", kind="relay")
        assert 1 < throughput(lab, "anna", "ben", ben.address(), seconds=5) < 15
        assert vps.process is not None
        config.write_text("[relay]\nmax_mbit = 40\n")
        vps.process.send(signal.SIGHUP)
        assert 16 < throughput(lab, "anna", "ben", ben.address(), seconds=5) < 60


def test_a_direct_way_that_loses_much_is_left_and_taken_again() -> None:
    with Lab(home("", "", "vps")) as lab:
        network, nodes = direct_beside_a_relay(lab, Link(delay=0.002))
        lab.spawn("anna", ["ping", "-q", "-i", "0.02", nodes["ben"].address()])
        network.between("anna", "ben", Link(delay=0.002, loss=0.3))
        nodes["anna"].wait_peer("ben", kind="relay", timeout=30)
        network.heal("anna", "ben")
        nodes["anna"].wait_peer("ben", kind="direct", timeout=60)
