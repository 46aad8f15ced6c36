"""A wide-area network on a TUN: what it is told is what real packets meet; and NATs that lose their table."""

from __future__ import annotations

import json
import re
import time

import pytest

from overlay.lab import Lab
from punch.sim.link import Link
from punch.sim.model import NatModel
from tests.kit.mesh import pings
from tools.natlab import COMMAND
from tools.natlab.forget import forget
from tools.natlab.star import Network, star


def round_trip(lab: Lab, to: str) -> float:
    said = lab.run("anna", ["ping", "-c5", "-i0.05", "-W1", to]).stdout
    return float(re.findall(r"= [0-9.]+/([0-9.]+)/", said)[0])


def test_delay_loss_mtu_and_cuts_are_what_was_told() -> None:
    with Lab(star({"anna": "", "ben": "masquerade", "vps": ""})) as lab:
        network = Network(lab)
        vps = lab.address("vps")
        network.between("anna", "vps", Link(delay=0.02))
        assert 40 <= round_trip(lab, vps) < 60
        network.between("anna", "vps", Link(delay=0.0, loss=0.2))
        said = lab.run("anna", ["ping", "-c400", "-i0.002", "-W1", vps], check=False).stdout
        received = int(re.findall(r"(\d+) received", said)[0])
        assert 200 < received < 310, "0.64 of 400"
        network.between("anna", "vps", Link(delay=0.0, mtu=1300))
        assert pings(lab, "anna", vps, "-s", "1272", "-M", "do")
        assert lab.run("anna", ["ping", "-c1", "-W1", "-s1273", "-Mdo", vps], check=False).returncode == 1
        network.deafen("vps", "anna")
        assert lab.run("anna", ["ping", "-c1", "-W1", vps], check=False).returncode == 1
        assert network.counted("anna", "vps")["passed"] > 0
        assert network.counted("vps", "anna")["cut"] == 1
        network.heal("anna", "vps")
        assert pings(lab, "anna", vps)
        assert pings(lab, "ben", vps)


def test_a_rate_holds_for_real_streams() -> None:
    with Lab(star({"anna": "", "ben": ""})) as lab:
        Network(lab, Link(delay=0.005, rate=20e6), packets=100)
        server = lab.spawn("ben", ["iperf3", "-s", "-1", "--forceflush"])
        server.wait_for("listening")
        report = json.loads(lab.run("anna", ["iperf3", "-c", lab.address("ben"), "-t", "2", "-J"]).stdout)
        assert 10e6 < report["end"]["sum_received"]["bits_per_second"] < 20e6


@pytest.mark.parametrize("nat", ["masquerade", NatModel()], ids=["netfilter", "userspace"])
def test_a_nat_that_forgets_lets_in_nobody_it_knew(nat: str | NatModel) -> None:
    with Lab(star({"anna": nat, "vps": ""}), userspace_nat=COMMAND) as lab:
        Network(lab)
        assert pings(lab, "anna", lab.address("vps"))
        ask = "import socket; s = socket.socket(2, 2); s.bind(('', 5000)); s.sendto(b'x', ('198.51.100.18', 7000))"
        lab.run("anna", ["python3", "-c", ask])
        time.sleep(0.25)
        assert lab.entries("router-anna").alive == 1
        forget(lab, "router-anna")
        time.sleep(0.25)
        assert lab.entries("router-anna").alive == 0
