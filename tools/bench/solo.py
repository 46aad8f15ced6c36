"""What only we are asked: relay, start, idle, commands, garbage."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from overlay.lab import Lab, LabNode
from overlay.lab.node import overlay_argv
from tools.bench.traffic import tcp

_TICKS = os.sysconf("SC_CLK_TCK")
_DROP = "table inet sink {\nchain arriving { type filter hook prerouting priority raw; meta l4proto udp drop\n}\n}\n"
_ROOT = Path(__file__).resolve().parents[2]


def relayed_tcp(*, seconds: int) -> float:
    """Gbit/s of one TCP stream from anna to ben through one relay; there is no other way between them."""
    with Lab("relay-only") as lab:
        vps, anna, ben = _three(lab, left="left", right="right")
        for node in (vps, anna, ben):
            node.up()
        anna.wait_peer("ben", kind="relay")
        ben.wait_peer("anna", kind="relay")
        return tcp(lab, ben.address(), seconds=seconds)


def start_to_ping() -> float:
    """Seconds from the start of three nodes (two of them behind NATs) to the first ping that came back by the relay."""
    with Lab("two-nat") as lab:
        vps, anna, ben = _three(lab)
        began = time.monotonic()
        for node in (vps, anna, ben):
            node.start()
        said = ben.wait_up()
        address = said.get("ipv4") or ben.address()
        script = f"until ping -q -c1 -i0.01 -w5 {address}; do sleep 0.01; done"
        lab.run("anna", ["sh", "-c", script], timeout=20)
        return time.monotonic() - began


def _three(lab: Lab, *, left: str = "", right: str = "") -> tuple[LabNode, LabNode, LabNode]:
    return (
        LabNode(lab, "vps"),
        LabNode(lab, "anna", peers=(lab.address("vps", left),)),
        LabNode(lab, "ben", peers=(lab.address("vps", right),)),
    )


def idle(*, seconds: int, settle: float = 15.0) -> dict[str, float]:
    """A node with one direct peer and nothing to do: resident MiB, CPU %, datagrams a minute (sent + received)."""
    with Lab("direct") as lab:
        anna, ben = LabNode(lab, "anna"), LabNode(lab, "ben", peers=(lab.address("anna"),))
        process = anna.up()
        ben.up()
        anna.wait_peer("ben", kind="direct")
        time.sleep(settle)
        before, cpu_before, began = _datagrams(process.pid), _cpu_seconds(process.pid), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        return {
            "idle_mib": _resident_mib(process.pid),
            "idle_cpu": 100 * (_cpu_seconds(process.pid) - cpu_before) / took,
            "idle_datagrams": 60 * (_datagrams(process.pid) - before) / took,
        }


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _cpu_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def _datagrams(pid: int) -> int:
    """UDP datagrams in and out of the process's whole network namespace, IPv4 and IPv6 (proc/net/snmp, snmp6)."""
    names, values = (line.split() for line in Path(f"/proc/{pid}/net/snmp").read_text().splitlines() if "Udp: " in line)
    ipv4 = dict(zip(names, values, strict=True))
    ipv6 = dict(line.split() for line in Path(f"/proc/{pid}/net/snmp6").read_text().splitlines())
    wanted = [ipv4["InDatagrams"], ipv4["OutDatagrams"], ipv6["Udp6InDatagrams"], ipv6["Udp6OutDatagrams"]]
    return sum(int(count) for count in wanted)


def command_times(*, count: int = 11) -> dict[str, float]:
    """Seconds from Enter to text, medians: `overlay --help`, and `overlay status` beside a running node."""
    with Lab("direct") as lab:
        node = LabNode(lab, "anna")
        node.up()
        status = lab.inside("anna", [*overlay_argv(), "status", "--socket", str(node.socket)])
        return {"help_s": _median_time([*overlay_argv(), "--help"], count), "status_s": _median_time(status, count)}


def _median_time(argv: list[str], count: int) -> float:
    times = []
    for _ in range(count):
        began = time.monotonic()
        subprocess.run(argv, check=True, capture_output=True)
        times.append(time.monotonic() - began)
    return statistics.median(times)


def under_garbage(*, seconds: int, rate: int = 20_000) -> dict[str, float]:
    """Gbit/s of one TCP stream: calm, beside a stranger who floods another host, and while ben's port is flooded.

    The flood is `rate` datagrams of garbage a second (`garbage_rate`: what the stranger really kept up). The other
    host drops them: what the stream loses then is the stranger's own work on this machine.
    """
    with Lab("stranger") as lab:
        anna, ben = LabNode(lab, "anna"), LabNode(lab, "ben", peers=(lab.address("anna"),))
        anna.up()
        ben.up()
        anna.wait_peer("ben", kind="direct")
        to, port = ben.address(), ben.status()["self"]["port"]
        lab.run("sink", ["nft", "-f", "-"], stdin=_DROP)
        found = {"garbage_calm": tcp(lab, to, seconds=seconds)}
        for name, target in (("garbage_elsewhere", "sink"), ("garbage_stormy", "ben")):
            argv = ["-m", "tools.bench.garbage", lab.address(target), str(port), str(rate), str(seconds + 2)]
            flood = lab.spawn("stranger", [sys.executable, *argv], env={"PYTHONPATH": str(_ROOT)})
            time.sleep(0.5)
            found[name] = tcp(lab, to, seconds=seconds)
            flood.wait(timeout=seconds + 10)
            found["garbage_rate"] = float(flood.out) / (seconds + 2)
        return found
