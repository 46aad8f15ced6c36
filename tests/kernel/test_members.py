"""Members find each other and come back: introductions, restarts, several networks, equal names."""

from __future__ import annotations

import signal
import time

from overlay.lab import Lab, LabNode
from tests.kit.mesh import everybody_sees_everybody, mesh, pings


def test_a_chain_of_introductions_ends_with_all_knowing_all() -> None:
    with Lab("switch") as lab:
        hosts = list(lab.scenario.hosts)
        nodes = {
            host: LabNode(lab, host, peers=(lab.address(before),) if before else ())
            for host, before in zip(hosts, [None, *hosts], strict=False)
        }
        for node in nodes.values():
            node.up()
        everybody_sees_everybody(nodes)
        for node in nodes.values():
            assert node.status()["network"]["members"] == len(hosts)
        addresses = {node.address() for node in nodes.values()}
        assert len(addresses) == len(hosts)
        assert pings(lab, hosts[-1], nodes[hosts[0]].address())


def test_a_restart_without_peer_finds_its_way_back() -> None:
    with mesh("two-nat", meet="vps") as (lab, nodes):
        before = nodes["ben"].status()["self"]
        assert nodes["ben"].stop() == 0
        nodes["ben"].peers = []
        nodes["ben"].up()
        nodes["ben"].wait_peer("anna")
        after = nodes["ben"].status()["self"]
        assert (before["id"], before["ipv4"], before["ipv6"]) == (after["id"], after["ipv4"], after["ipv6"])
        assert pings(lab, "ben", nodes["anna"].address())


def test_killed_at_any_moment_it_starts_again_as_the_same() -> None:
    with mesh("direct", meet="anna") as (lab, nodes):
        ben = nodes["ben"]
        identity = ben.status()["self"]["id"]
        for moment in (0.0, 0.1, 0.2, 0.3, 0.5):
            assert ben.process is not None
            ben.process.kill()
            ben.start()
            time.sleep(moment)
        ben.wait_up()
        ben.wait_peer("anna")
        assert ben.status()["self"]["id"] == identity
        assert pings(lab, "ben", nodes["anna"].address())


def test_two_networks_on_one_host_keep_apart() -> None:
    with Lab("direct") as lab:
        nodes = {}
        for network in ("home", "work"):
            for host, peers in (("anna", ()), ("ben", (lab.address("anna"),))):
                node = LabNode(lab, host, network=network, secret=f"of {network}", peers=peers, label=network)
                nodes[network, host] = node
        nodes["home", "anna"].up()
        port = nodes["home", "anna"].status()["self"]["port"]
        nodes["work", "anna"].up()
        other = nodes["work", "anna"].status()["self"]
        assert other["port"] not in (port, port + 1)
        nodes["work", "ben"].peers = [f"{lab.address('anna')}:{other['port']}"]
        for network in ("home", "work"):
            nodes[network, "ben"].up()
            nodes[network, "ben"].wait_peer("anna")
            assert pings(lab, "ben", nodes[network, "anna"].address())
        assert nodes["home", "anna"].status()["self"]["dev"] != other["dev"]
        assert nodes["home", "anna"].address().split(".")[1] != nodes["work", "anna"].address().split(".")[1]


def test_the_right_node_is_chosen_among_several() -> None:
    with Lab("direct") as lab:
        for network in ("home", "work"):
            folder = lab.folder("anna") / "run" / "overlay"
            node = LabNode(lab, "anna", network=network, label=network)
            node.socket = folder / f"{network}.sock"
            node.up()
        user = {"XDG_RUNTIME_DIR": str(lab.folder("anna") / "run")}
        overlay = node.argv()[0]
        unclear = lab.run("anna", [overlay, "status"], check=False, env=user)
        assert unclear.returncode == 2
        assert "home" in unclear.stderr
        assert "work" in unclear.stderr
        assert lab.run("anna", [overlay, "status", "-n", "work"], check=False, env=user).returncode == 0
        none = lab.run("anna", [overlay, "status", "-n", "nowhere"], check=False, env=user)
        assert none.returncode == 3


def test_of_two_equal_names_one_is_shown_with_a_number() -> None:
    with Lab("switch") as lab:
        one = LabNode(lab, "one")
        twins = [LabNode(lab, host, peers=(lab.address("one"),)) for host in ("two", "three")]
        one.up()
        for twin in twins:
            twin.options = ["--name", "home"]
            twin.up()
        one.wait_until(
            "aware of both", lambda status: sorted(peer["name"] for peer in status["peers"]) == ["home", "home-2"]
        )


def test_a_term_signal_is_a_polite_leave() -> None:
    with mesh("direct", meet="anna") as (_, nodes):
        process = nodes["ben"].process
        assert process is not None
        process.send(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        nodes["anna"].wait_until(
            "rid of ben", lambda status: [peer["state"] for peer in status["peers"]] == ["gone"], timeout=2
        )


def test_an_address_of_ones_own_choice_is_held() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna")
        anna.up()
        prefix = ".".join(anna.address().split(".")[:2])
        ben = LabNode(lab, "ben", peers=(lab.address("anna"),), options=("--ip", f"{prefix}.7.7"))
        ben.up()
        assert ben.address() == f"{prefix}.7.7"
        anna.wait_peer("ben")
        assert pings(lab, "anna", f"{prefix}.7.7")
