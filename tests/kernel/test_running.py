"""A node that runs for a while: reread config, watched status, an idle hour in short."""

from __future__ import annotations

import json
import signal
import time

import pytest

from overlay.lab import Lab, LabNode
from tests.kit.contract import STATUS, faults
from tests.kit.mesh import mesh, pings, throughput


def test_a_hangup_rereads_the_config_and_a_wrong_one_changes_nothing() -> None:
    with Lab("relay-only") as lab:
        file = lab.folder("vps") / "node.toml"
        file.write_text("[relay]\nenabled = true\n")
        vps = LabNode(lab, "vps", options=("--config", str(file)))
        anna = LabNode(lab, "anna", peers=(lab.address("vps", "left"),))
        ben = LabNode(lab, "ben", peers=(lab.address("vps", "right"),))
        for node in (vps, anna, ben):
            node.up()
        anna.wait_peer("ben", kind="relay")
        assert vps.process is not None
        file.write_text("[relay]\nenabled = 7\n")
        vps.process.send(signal.SIGHUP)
        time.sleep(0.3)
        assert pings(lab, "anna", ben.address())
        file.write_text("[relay]\nenabled = false\n")
        vps.process.send(signal.SIGHUP)
        anna.wait_until(
            "cut off from ben",
            lambda status: any(p["name"] == "ben" and p["path"]["kind"] == "none" for p in status["peers"]),
            timeout=15,
        )
        assert vps.process.running


def test_watching_tells_anew_as_long_as_somebody_reads() -> None:
    with mesh("direct", meet="anna") as (lab, nodes):
        argv = [*nodes["anna"].argv()[:1], "status", "--watch", "--json", "--socket", str(nodes["anna"].socket)]
        watching = lab.spawn("anna", argv)
        watching.wait_for('"peers"')
        time.sleep(2.5)
        watching.send(signal.SIGINT)
        assert watching.wait() in (0, 130)
        lines = [json.loads(line) for line in watching.out.splitlines()]
        assert len(lines) >= 2
        assert [fault for line in lines for fault in faults(line, STATUS)] == []


def test_without_segmentation_offload_traffic_passes_all_the_same() -> None:
    with Lab("direct") as lab:
        for host in ("anna", "ben"):
            lab.run(host, ["ethtool", "-K", "wire", "tx-udp-segmentation", "off", "gso", "off", "gro", "off"])
        anna = LabNode(lab, "anna")
        ben = LabNode(lab, "ben", peers=(lab.address("anna"),))
        anna.up()
        ben.up()
        anna.wait_peer("ben", kind="direct")
        assert throughput(lab, "anna", "ben", ben.address()) > 100


def test_a_smaller_link_on_the_way_is_found_and_obeyed() -> None:
    with Lab("direct") as lab:
        for host in ("anna", "ben"):
            lab.run(host, ["ip", "link", "set", "wire", "mtu", "1280"])
        anna = LabNode(lab, "anna")
        ben = LabNode(lab, "ben", peers=(lab.address("anna"),))
        anna.up()
        ben.up()
        anna.wait_peer("ben", kind="direct")
        assert throughput(lab, "anna", "ben", ben.address()) > 100


@pytest.mark.slow
def test_keepalives_hold_a_nat_open_that_forgets_after_half_a_minute() -> None:
    with mesh("two-nat", meet="vps") as (lab, nodes):
        for router in ("router-a", "router-b"):
            keys = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout"
            lab.run(router, ["sh", "-c", f"echo 30 > {keys}; echo 30 > {keys}_stream"])
        time.sleep(40)
        assert pings(lab, "vps", nodes["anna"].address())
        assert pings(lab, "ben", nodes["anna"].address())
        assert nodes["vps"].wait_peer("anna", kind="direct")["path"]["since_s"] > 38
