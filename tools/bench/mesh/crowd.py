"""Thirty real processes on one machine, each told of one other.

m0 <-- m1 <-- m2 <-- ...    until every one has all others; then idle; then one leaves
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
from datetime import datetime
from pathlib import Path

from overlay.errors import NotRunning, OverlayError
from overlay.lab import Lab, LabNode, Process
from tools.bench.mesh.scenes import home, met
from tools.natlab.star import at, star

PATIENCE = 120.0
"""Seconds in which all must have reached all."""
SETTLE = 30.0
"""Seconds from then on until idling is measured: searches and detection come to their end."""
ETHERNET = 14
"""Bytes of a frame before the IP header (IEEE 802.3)."""
_POLL = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1 << 20


def crowd(*, members: int, idle_seconds: float) -> dict[str, float]:
    """Seconds until all reach all; idle: CPU %, bytes a second sent and resident MiB a node; a leave known to all."""
    with Lab(star({f"m{number}": "" for number in range(members)})) as lab:
        nodes = [
            LabNode(lab, host, peers=(lab.address(f"m{number - 1}"),) if number else ())
            for number, host in enumerate(lab.scenario.hosts)
        ]
        began = time.monotonic()
        for node in nodes:
            node.start()
        all_reached(nodes)
        found = {"crowd_s": time.monotonic() - began}
        time.sleep(min(SETTLE, idle_seconds))
        found |= _idle(lab, nodes, idle_seconds)
        found["leave_s"] = _left(nodes)
    return found


def all_reached(nodes: list[LabNode], *, patience: float = PATIENCE) -> None:
    """Wait until every node has every other one connected.

    Nodes are asked only once what they print says so: on two cores, thirty that are asked all the time do little else.

    Raises:
        OverlayError: somebody lacks somebody when patience ends.
    """
    until, lacking = time.monotonic() + patience, list(nodes)
    while lacking:
        lacking = [node for node in lacking if _met(node) < len(nodes) - 1 or _connected(node) < len(nodes) - 1]
        if lacking and time.monotonic() > until:
            short = ", ".join(f"{node.host} has {_connected(node)}" for node in lacking)
            raise OverlayError(f"not all reach all after {patience:g} s: {short}")
        time.sleep(_POLL)


def _met(node: LabNode) -> int:
    """How many others a `join --json` has said to be here."""
    lines = node.process.out.splitlines() if node.process else []
    return len({json.loads(line)["peer"] for line in lines if '"event": "peer_up"' in line and line.endswith("}")})


def _connected(node: LabNode) -> int:
    with contextlib.suppress(NotRunning):
        return sum(peer["state"] == "connected" for peer in node.status()["peers"])
    return 0


def _idle(lab: Lab, nodes: list[LabNode], seconds: float) -> dict[str, float]:
    pids = [node.process.pid for node in nodes if node.process]
    began, cpu, sent = time.monotonic(), [cpu_seconds(pid) for pid in pids], [_sent(lab, node) for node in nodes]
    time.sleep(seconds)
    took = time.monotonic() - began
    busy = [100 * (cpu_seconds(pid) - before) / took for pid, before in zip(pids, cpu, strict=True)]
    rates = [(_sent(lab, node) - before) / took for node, before in zip(nodes, sent, strict=True)]
    return {
        "crowd_cpu": statistics.median(busy),
        "crowd_bytes": statistics.median(rates),
        "crowd_bytes_max": max(rates),
        "crowd_mib": statistics.median(resident_mib(pid) for pid in pids),
    }


def _sent(lab: Lab, node: LabNode) -> int:
    """Bytes that a host sent, from the IP header on."""
    folder = f"/sys/class/net/{at(node.host)}/statistics"
    said = lab.run(node.host, ["cat", f"{folder}/tx_bytes", f"{folder}/tx_packets"]).stdout.split()
    return int(said[0]) - ETHERNET * int(said[1])


def _left(nodes: list[LabNode]) -> float:
    """Seconds from the moment the last member is told to end until the last of the others says that it left."""
    *others, leaving = nodes
    began = time.time()
    if leaving.process is not None:
        leaving.process.stop()
    return max(gone_at(node.process, leaving.host, patience=20.0) for node in others) - began


def noticed() -> float:
    """Seconds from SIGKILL of a member, under a ping a tenth of a second, until its peer says that it fell silent."""
    with met(home("", "")) as (lab, nodes):
        lab.spawn("anna", ["ping", "-i", "0.1", nodes["ben"].address()])
        time.sleep(2.0)
        began = time.time()
        if nodes["ben"].process is not None:
            nodes["ben"].process.kill()
        return gone_at(nodes["anna"].process, "ben", patience=60.0) - began


def gone_at(process: Process | None, peer: str, *, patience: float) -> float:
    """Wall time at which a `join --json` said that `peer` is gone.

    Raises:
        OverlayError: it did not in time.
    """
    until = time.monotonic() + patience
    while process is not None and time.monotonic() < until:
        for line in process.out.splitlines():
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if said.get("event") == "peer_gone" and said.get("peer") == peer:
                    return datetime.fromisoformat(said["at"]).timestamp()
        time.sleep(_POLL)
    raise OverlayError(f"nobody said that {peer} is gone in {patience:g} s")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far (proc(5), stat, fields 14 and 15)."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB
