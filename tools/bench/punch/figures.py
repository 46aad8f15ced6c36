"""The single figures: how long detection takes 40 ms from the server, and what a punched path loses of its speed."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from overlay.errors import OverlayError
from overlay.lab import Lab
from overlay.lab.scenario import Host, Router, Scenario, Segment
from tools.bench.punch.ours import joined
from tools.bench.punch.rows import Row
from tools.bench.punch.table import number
from tools.bench.punch.watch import HOSTS
from tools.bench.targets import PUNCH_TARGETS, Figures
from tools.bench.traffic import tcp

ROUND_TRIP = 0.04
"""Seconds from us to the STUN server and back."""
STUN_PORT = 3478
_ROOT = Path(__file__).resolve().parents[3]
OUTSIDE = ("198.51.100.10", "198.51.100.11")
_HOMES = {
    "anna": ("203.0.113.0/28", "203.0.113.1", "203.0.113.2"),
    "ben": ("192.0.2.0/28", "192.0.2.1", "192.0.2.2"),
}
"""Prefix, router and host of each home."""


def measure(note: Callable[[str], None], *, rounds: int = 5, seconds: int = 3) -> Figures:
    """Medians of all figures."""
    samples: dict[str, list[float]] = {}
    for _ in range(rounds):
        for nat in ("masquerade", "masquerade fully-random"):
            samples.setdefault("detection_s", []).append(detection(nat))
        for name, nat in (("tcp_punched", "masquerade"), ("tcp_open", "none")):
            samples.setdefault(name, []).append(direct_tcp(nat, seconds=seconds))
    found = {name: statistics.median(values) for name, values in samples.items()}
    note(json.dumps(samples))
    return found


def detection(nat: str) -> float:
    """Seconds until `python -m punch detect` knew enough to choose by, behind such a router, one server far away."""
    with Lab(scene(nat)) as lab:
        argv = [sys.executable, "-m", "tools.bench.punch.slow", *OUTSIDE, str(STUN_PORT), str(ROUND_TRIP)]
        lab.spawn("vps", argv, env={"PYTHONPATH": str(_ROOT)}).wait_for("ready")
        argv = [sys.executable, "-m", "punch", "detect", "--json", "--server", f"{OUTSIDE[0]}:{STUN_PORT}"]
        found = json.loads(lab.run("anna", argv).stdout)
        if found["profile"]["mapping"] == "unknown":
            raise OverlayError(f"nothing was detected: {found}")
        return float(found["enough"])


def direct_tcp(nat: str, *, seconds: int) -> float:
    """Gbit/s of one TCP stream from anna to ben, direct: through two NATs, or through the same routers untranslated."""
    row = Row(name="throughput", title="", scenario="")
    with Lab(scene(nat)) as lab, joined(lab, row) as nodes:
        lab.spawn("anna", ["ping", "-n", "-i", "0.2", nodes["ben"].address()])
        for host, other in zip(HOSTS, reversed(HOSTS), strict=True):
            nodes[host].wait_peer(other, kind="direct", timeout=30)
        return tcp(lab, nodes["ben"].address(), seconds=seconds)


def scene(nat: str) -> Scenario:
    """vps with two addresses, and two homes of public addresses, so that both ways of routing differ in `nat` alone."""
    segments = {"internet": Segment(ipv4="198.51.100.0/24")}
    hosts = {"vps": Host(links={"internet": OUTSIDE})}
    routers = {}
    for number_, (name, (prefix, gateway, address)) in enumerate(_HOMES.items()):
        segments[f"home-{name}"] = Segment(ipv4=prefix)
        hosts[name] = Host(links={f"home-{name}": (address,)}, gateway=f"router-{name}")
        links = {"internet": (f"198.51.100.{21 + number_}",), f"home-{name}": (gateway,)}
        routers[f"router-{name}"] = Router(links=links, outside="internet", nat=nat)  # type: ignore[arg-type]
    return Scenario(title="Throughput and detection.", segments=segments, hosts=hosts, routers=routers)


def lines(found: Figures) -> list[str]:
    """One line a figure: measured, floor, aim, which is met."""
    out = []
    for target in PUNCH_TARGETS:
        value = target.value(found)
        met = "not measured" if value is None else target.verdict(value)
        out.append(f"{target.title:58}{number(value):>10}{target.floor:>8g}{target.aim:>8g}  {met}")
    return out
