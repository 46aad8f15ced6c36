"""Direct ways that need no punching: LAN, IPv6 outside, public endpoints, a forwarded port."""

from __future__ import annotations

from overlay.lab import Lab, LabNode
from tests.kit.mesh import mesh, pings, throughput


def test_two_at_home_talk_directly_though_their_friend_is_far() -> None:
    with mesh("lan", meet="vps") as (lab, nodes):
        ben = nodes["anna"].wait_peer("ben", kind="direct", timeout=15)
        assert ben["path"]["endpoint"].startswith("192.168.1.3:")
        assert pings(lab, "anna", nodes["ben"].address())


def test_ipv6_alone_outside_carries_both_inside() -> None:
    with mesh("ipv6", meet="vps", version=6) as (lab, nodes):
        assert nodes["anna"].wait_peer("vps", kind="direct")["path"]["endpoint"].startswith("[2001:db8::10]:")
        for version in (4, 6):
            assert pings(lab, "anna", nodes["vps"].address(version=version))
            assert pings(lab, "anna", nodes["ben"].address(version=version))
        assert throughput(lab, "vps", "anna", nodes["anna"].address()) > 100


def test_two_public_hosts_leave_the_one_that_introduced_them() -> None:
    with Lab("switch") as lab:
        one = LabNode(lab, "one")
        two = LabNode(lab, "two", peers=(lab.address("one"),))
        three = LabNode(lab, "three", peers=(lab.address("one"),))
        for node in (one, two, three):
            node.up()
        two.wait_peer("three", kind="direct")
        three.wait_peer("two", kind="direct")
        one.stop()
        assert pings(lab, "two", three.address())


def test_a_forwarded_port_is_advertised_and_dialled() -> None:
    """anna's router forwards a port by hand; nobody but her record knows."""
    with Lab("port-restricted") as lab:
        forward = (
            "table ip forwarded { chain arriving { type nat hook prerouting priority dstnat; policy accept;\n"
            f'iifname "internet" udp dport 40001 dnat to {lab.address("anna")}:27182\n}} }}\n'
            "insert rule inet lab forward ct status dnat accept\n"
        )
        lab.run("router-a", ["nft", "-f", "-"], stdin=forward.replace("} }", "}\n}"))
        vps = LabNode(lab, "vps")
        server = lab.address("vps")
        anna = LabNode(lab, "anna", peers=(server,), options=("--advertise", f"{lab.address('router-a')}:40001"))
        ben = LabNode(lab, "ben", peers=(server,))
        for node in (vps, anna, ben):
            node.up()
        path = ben.wait_peer("anna", kind="direct", timeout=15)["path"]
        assert path["endpoint"] == f"{lab.address('router-a')}:40001"
        kinds = {each["address"]: each["kind"] for each in anna.status()["self"]["endpoints"]}
        assert kinds[f"{lab.address('router-a')}:40001"] == "given"
        assert pings(lab, "ben", anna.address())


def test_a_relay_without_a_device_still_carries() -> None:
    with Lab("relay-only") as lab:
        vps = LabNode(lab, "vps", options=("--no-tun",))
        anna = LabNode(lab, "anna", peers=(lab.address("vps", "left"),))
        ben = LabNode(lab, "ben", peers=(lab.address("vps", "right"),))
        for node in (vps, anna, ben):
            node.up()
        anna.wait_peer("ben", kind="relay")
        assert pings(lab, "anna", ben.address())
        assert vps.status()["self"]["dev"] is None
        assert "overlay" not in lab.run("vps", ["ip", "-br", "link"]).stdout
