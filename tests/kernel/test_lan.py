"""Real nodes on one switch find each other by beacons; nobody else learns anything, and switched off is off."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from overlay.lab import Lab, LabNode
from overlay.shell.discovery import GROUP4, GROUP6, PORT
from tests.kit.mesh import problems, run_python

LISTEN = f"""
import select, socket, struct, sys, time
name, seconds = sys.argv[1], float(sys.argv[2])
index = socket.if_nametoindex(name)
four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
four.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
four.bind(("{GROUP4}", {PORT}))
four.setsockopt(0, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("{GROUP4}") + bytes(4) + struct.pack("=i", index))
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
six.setsockopt(41, socket.IPV6_V6ONLY, 1)
six.bind(("::", {PORT}))
six.setsockopt(41, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "{GROUP6}") + struct.pack("=i", index))
print("listening", flush=True)
until = time.monotonic() + seconds
while (left := until - time.monotonic()) > 0:
    for sock in select.select([four, six], [], [], left)[0]:
        data, source = sock.recvfrom(2048)
        print(len(data), source[1], 6 if sock is six else 4, data.hex(), flush=True)
"""
KNOCK = f"""
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
for number in range(2000):
    sock.sendto(bytes([number & 255]) * (32 if number % 2 else 31), ("{GROUP4}", {PORT}))
"""


def pair(lab: Lab, *options: str, **changed: str) -> tuple[LabNode, LabNode]:
    return LabNode(lab, "anna", options=options), LabNode(lab, "ben", options=options, **changed)


def test_two_on_a_switch_that_nobody_told_each_other_meet_within_two_seconds() -> None:
    with Lab("lan") as lab:
        anna, ben = pair(lab)
        anna.up()
        ben.up()
        began = time.monotonic()
        for node, other in ((anna, "ben"), (ben, "anna")):
            path = node.wait_peer(other, kind="direct", timeout=5)["path"]
            assert path["endpoint"].startswith("192.168.1.")
        assert time.monotonic() - began < 2.0
        assert "3 received" in anna.command("ping", "ben", "-c", "3").stdout


def test_what_goes_over_the_wire_says_nothing_and_comes_from_the_port() -> None:
    with Lab("lan") as lab:
        ear = lab.spawn("ben", ["python3", "-c", LISTEN, lab_device(lab, "ben"), "30"])
        ear.wait_for("listening")
        LabNode(lab, "anna").up()
        time.sleep(3.5)
        ear.stop()
        rows = [line.split() for line in ear.out.splitlines()[1:]]
        beacons = {row[3] for row in rows}
        assert {(row[0], row[1]) for row in rows} == {("32", "27182")}
        assert {row[2] for row in rows} >= {"4"}
        assert len(beacons) == 3, "at 0, 1 and 3 s"
        assert len({each[:32] for each in beacons}) == 3


def test_switched_off_it_neither_speaks_nor_hears_and_sighup_switches_it(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text("[lan]\nenabled = false\n")
    with Lab("lan") as lab:
        anna, ben = pair(lab)
        ben.options = ["-c", str(config)]
        ear = lab.spawn("anna", ["python3", "-c", LISTEN, lab_device(lab, "anna"), "3"])
        ear.wait_for("listening")
        ben.up()
        ear.wait()
        assert ear.out.split() == ["listening"]
        anna.up()
        time.sleep(2.0)
        assert anna.status()["peers"] == ben.status()["peers"] == []
        config.write_text("[lan]\nenabled = true\n")
        assert ben.process is not None
        ben.process.send(signal.SIGHUP)
        anna.wait_peer("ben", kind="direct", timeout=3)


@pytest.mark.slow
def test_no_lan_on_the_command_line_is_off() -> None:
    with Lab("lan") as lab:
        anna, ben = pair(lab, "--no-lan")
        anna.up()
        ben.up()
        time.sleep(2.5)
        assert anna.status()["peers"] == ben.status()["peers"] == []


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{"network": "other"}, {"secret": "another secret of this name, not ours"}])
def test_others_on_the_switch_do_not_meet(changed: dict[str, str]) -> None:
    with Lab("lan") as lab:
        anna, ben = pair(lab, **changed)
        anna.up()
        ben.up()
        time.sleep(3.0)
        assert anna.status()["peers"] == ben.status()["peers"] == []
        alone = "secret" in changed
        assert ("wrong_secret" in problems(anna) + problems(ben)) == alone, "who is alone is told what may be wrong"
        assert anna.status()["drops"].get("guess", 0) <= 2


@pytest.mark.slow
def test_several_nodes_of_one_host_share_the_port() -> None:
    with Lab("lan") as lab:
        first = LabNode(lab, "anna", network="one", label="one")
        second = LabNode(lab, "anna", network="two", label="two")
        other = LabNode(lab, "ben", network="two", label="two")
        for node in (first, second, other):
            node.up()
        second.wait_peer("ben", kind="direct", timeout=3)
        assert first.status()["peers"] == []


@pytest.mark.slow
def test_an_address_that_comes_later_is_a_link_to_speak_on() -> None:
    with Lab("lan") as lab:
        device = lab_device(lab, "anna")
        lab.run("anna", ["ip", "address", "flush", "dev", device])
        anna, ben = pair(lab)
        ben.up()
        anna.up()
        time.sleep(3.5)
        lab.run("anna", ["ip", "address", "add", "192.168.1.2/24", "dev", device])
        anna.wait_peer("ben", kind="direct", timeout=3)


@pytest.mark.slow
def test_a_flood_of_garbage_is_counted_and_does_not_keep_members_apart() -> None:
    with Lab("lan") as lab:
        anna, ben = pair(lab)
        anna.up()
        for _ in range(3):
            run_python(lab, "ben", KNOCK, "192.168.1.3")
        ben.up()
        anna.wait_peer("ben", kind="direct", timeout=3)
        drops = anna.status()["drops"]
        assert drops["beacon_mac"] > 0
        assert drops["beacon_malformed"] > 0


def lab_device(lab: Lab, host: str) -> str:
    """The interface of a host that has one link."""
    lines = lab.run(host, ["ip", "-br", "-4", "address"]).stdout.splitlines()
    return next(line.split()[0].partition("@")[0] for line in lines if "192.168.1." in line)
