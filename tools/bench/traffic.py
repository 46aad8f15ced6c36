"""What is sent through a tunnel: one function a figure."""

from __future__ import annotations

import json
import re
import statistics
from typing import Any

from overlay.lab import Lab

PORT = 5201


def tcp(lab: Lab, to: str, *, seconds: int, streams: int = 1) -> float:
    """Gbit/s that arrive at `to` on ben from anna in `streams` TCP streams."""
    report = _iperf3(lab, to, ["-P", str(streams)], seconds)
    return float(report["end"]["sum_received"]["bits_per_second"]) / 1e9


def udp200(lab: Lab, to: str, *, seconds: int) -> float:
    """Datagrams of 200 B a second that arrive at `to` on ben while anna sends as fast as it can."""
    report = _iperf3(lab, to, ["-u", "-b", "0", "-l", "200", "--get-server-output"], seconds)
    total = report["server_output_json"]["end"]["sum"]
    return float(total["packets"] - total["lost_packets"]) / float(total["seconds"])


def ping(lab: Lab, to: str, *, count: int = 300) -> float:
    """Median round trip in microseconds of pings from anna to `to`, one each 5 ms."""
    said = lab.run("anna", ["ping", "-i", "0.005", "-c", str(count), "-W", "1", to], timeout=60, check=False).stdout
    times = [float(found) for found in re.findall(r"time=([0-9.]+) ms", said)]
    return statistics.median(times) * 1000


def _iperf3(lab: Lab, to: str, options: list[str], seconds: int) -> dict[str, Any]:
    server = lab.spawn("ben", ["iperf3", "-s", "-1", "-B", to, "-p", str(PORT), "-J"])
    argv = ["iperf3", "-c", to, "-p", str(PORT), "-t", str(seconds), "-J", "--connect-timeout", "3000", *options]
    _listening(lab, to)
    report: dict[str, Any] = json.loads(lab.run("anna", argv, timeout=seconds + 30).stdout)
    server.stop()
    return report


def _listening(lab: Lab, to: str) -> None:
    """Wait for the server's socket (with -J it says nothing before the end)."""
    script = f"until ss -Hltn 'sport = :{PORT}' | grep -q .; do sleep 0.02; done"
    lab.run("ben", ["sh", "-c", script], timeout=5)
