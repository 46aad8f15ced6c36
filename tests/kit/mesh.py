"""Whole meshes in the lab, up and connected, for kernel tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from overlay.lab import Lab, LabNode

Nodes = dict[str, LabNode]


@contextmanager
def mesh(scenario: str, *, meet: str, options: tuple[str, ...] = (), version: int = 4) -> Iterator[tuple[Lab, Nodes]]:
    """Every host of `scenario` joined, all dialling host `meet`, all seeing each other."""
    with Lab(scenario) as lab:
        nodes: Nodes = {}
        for host, box in lab.scenario.hosts.items():
            shared = next((s for s in box.links if s in lab.scenario.hosts[meet].links), "")
            address = lab.address(meet, shared, version=version)
            peer = f"[{address}]" if version == 6 else address
            nodes[host] = LabNode(lab, host, peers=() if host == meet else (peer,), options=options)
            nodes[host].start()
        for node in nodes.values():
            node.wait_up()
        everybody_sees_everybody(nodes)
        yield lab, nodes


def everybody_sees_everybody(nodes: Nodes, *, timeout: float = 15.0) -> None:
    """Wait until each node is connected to each other one."""
    for host, node in nodes.items():
        for other in nodes:
            if other != host:
                node.wait_peer(other, timeout=timeout)


def pings(lab: Lab, host: str, address: str, *options: str) -> bool:
    """True if the system's ping from `host` gets an answer within a few tries."""
    argv = ["ping", "-c", "1", "-i", "0.1", "-w", "4", *options, address]
    return lab.run(host, argv, check=False).returncode == 0


def throughput(lab: Lab, sender: str, receiver: str, address: str, *, seconds: int = 1) -> float:
    """Mbit/s of one TCP stream from host `sender` to `address` of host `receiver`."""
    server = lab.spawn(receiver, ["iperf3", "-s", "-1", "-B", address, "--forceflush"])
    server.wait_for("listening")
    argv = ["iperf3", "-c", address, "-t", str(seconds), "-J", "--connect-timeout", "3000"]
    report = json.loads(lab.run(sender, argv, timeout=seconds + 20).stdout)
    return float(report["end"]["sum_received"]["bits_per_second"]) / 1e6


def problems(node: LabNode) -> list[str]:
    """The codes of the problems that `status` shows."""
    return [problem["code"] for problem in node.status()["problems"]]


def run_python(lab: Lab, host: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a few lines of Python on `host`."""
    return lab.run(host, [sys.executable, "-c", code, *arguments])
