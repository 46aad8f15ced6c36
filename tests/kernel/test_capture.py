"""What leaves a host, captured datagram by datagram: nothing in it can be read."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from overlay.lab import Lab, LabNode, Process
from tests.kit.mesh import pings

MARK = b"overlay-test-marker"
NETWORK = "quarrelsome-badgers"
SECRET = "a very singular secret"


def capture(lab: Lab, host: str, device: str) -> tuple[Process, Path]:
    """tcpdump on `device` of `host`, which sees single datagrams because segmentation is off there."""
    lab.run(host, ["ethtool", "-K", device, "tx-udp-segmentation", "off", "gso", "off", "gro", "off"])
    file = lab.folder(host) / f"{device}.pcap"
    process = lab.spawn(
        host, ["tcpdump", "-i", device, "-w", str(file), "-U", "-s", "0", "--immediate-mode", "-Z", "root"]
    )
    process.wait_for("listening")
    return process, file


def finish(process: Process, file: Path) -> bytes:
    """The capture once no more comes, its writer ended."""
    size = -1
    while size != file.stat().st_size:
        size = file.stat().st_size
        time.sleep(0.3)
    process.send(signal.SIGINT)
    assert process.wait() == 0
    return file.read_bytes()


def spoken(nodes: list[LabNode]) -> list[bytes]:
    """Everything that must not be seen: names, ids, keys' ids, addresses inside, the marker."""
    words = [MARK, NETWORK.encode(), SECRET.encode()]
    for node in nodes:
        own = node.status()["self"]
        words += [own["name"].encode(), own["id"].encode(), bytes.fromhex(own["id"]), own["ipv4"].encode()]
        words += [bytes(int(part) for part in own["ipv4"].split(".")), own["ipv6"].encode()]
    return words


def test_nothing_readable_leaves_a_host() -> None:
    with Lab("two-nat") as lab:
        vps = LabNode(lab, "vps", network=NETWORK, secret=SECRET)
        others = [
            LabNode(lab, host, network=NETWORK, secret=SECRET, peers=(lab.address("vps"),)) for host in ("anna", "ben")
        ]
        for node in others:
            node.options = ["--name", f"{node.host}-the-great"]
        capturing = [capture(lab, "anna", "home-a"), capture(lab, "vps", "internet")]
        for node in (vps, *others):
            node.up()
        others[0].wait_peer("ben-the-great", kind="relay")
        to = others[1].address()
        assert pings(lab, "anna", to, "-s", "1000", "-p", MARK[:16].hex())
        send = f"import socket;s=socket.create_connection(('{to}',7000));s.sendall({MARK!r}*5000)"
        listen = (
            f"import socket;s=socket.create_server(('{to}',7000));print('ready',flush=True);c,_=s.accept()\n"
            "while c.recv(9999): pass"
        )
        server = lab.spawn("ben", ["python3", "-c", listen])
        server.wait_for("ready")
        lab.run("anna", ["python3", "-c", send])
        server.wait()
        assert others[0].command("ping", "ben-the-great", "-c", "1").returncode == 0
        words = spoken([vps, *others])
        for process, file in capturing:
            seen = finish(process, file)
            assert len(seen) > len(MARK) * 5000
            assert [word for word in words if word in seen] == []


def test_no_two_datagrams_begin_alike_beyond_their_header() -> None:
    """No constant of the network: past the type bytes and the labels, first bytes of frames differ."""
    with Lab("direct") as lab:
        process, file = capture(lab, "anna", "wire")
        anna = LabNode(lab, "anna", network=NETWORK, secret=SECRET)
        ben = LabNode(lab, "ben", network=NETWORK, secret=SECRET, peers=(lab.address("anna"),))
        anna.up()
        for _ in range(3):
            ben.up()
            ben.wait_peer("anna")
            ben.stop()
        finish(process, file)
        hellos = [payload for payload in udp_payloads(file) if payload[:2] in (b"\x04\x01", b"\x04\x05")]
        fresh = {payload[8:40] for payload in hellos} | {payload[-16:] for payload in hellos}
        tries = {payload[4:8] for payload in hellos}
        assert len(tries) >= 3
        assert len(fresh) >= 2 * 3


def udp_payloads(file: Path) -> list[bytes]:
    """The UDP payloads of a capture of Ethernet frames."""
    from scapy.layers.inet import UDP
    from scapy.utils import PcapReader

    with PcapReader(str(file)) as packets:
        return [bytes(packet[UDP].payload) for packet in packets if UDP in packet]
