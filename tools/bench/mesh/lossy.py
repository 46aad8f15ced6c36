"""TCP over ways that lose: us beside the raw way and wireguard-go, in one scene, one after the other.

anna ---- [wan: delay, random loss, a queue] ---- ben
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from overlay.lab import Lab, LabNode
from punch.sim.link import Link
from tools.bench.contenders import WireguardGo, search
from tools.bench.mesh.stream import Stream, mbit
from tools.natlab.star import Network, star

SETTLE = 2.0
"""Seconds of a stream that do not count."""
QUEUE_RATE, QUEUE_PACKETS = 20e6, 100
"""The shared queue: bits a second, and packets that wait."""
WARM = 5.0
"""Seconds in which two streams find their shares."""
_ONE_WAY = {"far": 0.02, "near": 0.0}
_COUNT = """table inet bench { chain arriving { type filter hook prerouting priority raw; policy accept;
iifname "wire" meta l4proto udp @th,64,8 6 counter
iifname "wire" meta l4proto udp @th,64,8 6 @th,72,1 1 counter
}
}
"""
"""Data frames (protocol section 2: type 6), and of those the ones whose index has its highest bit set: parity."""


@contextmanager
def far_apart(link: Link, *, packets: int = 0, seed: int) -> Iterator[tuple[Lab, str]]:
    """Two members with `link` between them, their path direct; yields ben's address inside."""
    with Lab(star({"anna": "", "ben": ""})) as lab:
        network = Network(lab, Link(delay=link.delay), seed=seed)
        anna, ben = LabNode(lab, "anna"), LabNode(lab, "ben", peers=(lab.address("anna"),))
        anna.up()
        ben.up()
        anna.wait_peer("ben", kind="direct")
        ben.wait_peer("anna", kind="direct")
        network.between("anna", "ben", link, packets=packets)
        yield lab, ben.address()


def ratios(where: str, loss: float, control: str, *, seconds: float, seed: int) -> dict[str, float]:
    """Mbit/s of one stream over `loss`: raw, inside, and inside wireguard-go; `where`: far (40 ms) or near."""
    name = f"{where}_{control}_{100 * loss:g}"
    with far_apart(Link(delay=_ONE_WAY[where], loss=loss), seed=seed) as (lab, to):
        found = {f"{name}/raw": _one(lab, lab.address("ben"), seconds, control)}
        found[f"{name}/overlay"] = _one(lab, to, seconds, control)
        wireguard = search("wireguard-go", "wireguard")
        if wireguard:
            with WireguardGo(wireguard).tunnel(lab) as inside:
                found[f"{name}/wireguard-go"] = _one(lab, inside, seconds, control)
    return found


def _one(lab: Lab, to: str, seconds: float, control: str) -> float:
    return mbit(Stream(lab, to, seconds=seconds + SETTLE, C=control).report(), after=SETTLE)


def shared(*, seconds: float, seed: int) -> dict[str, float]:
    """Per cent that our stream has of what it and a raw one beside it get through one tail-drop queue."""
    link = Link(delay=_ONE_WAY["far"], rate=QUEUE_RATE)
    with far_apart(link, packets=QUEUE_PACKETS, seed=seed) as (lab, to):
        streams = [Stream(lab, each, seconds=seconds + WARM, C="cubic") for each in (to, lab.address("ben"))]
        ours, raw = (mbit(stream.report(), after=WARM) for stream in streams)
    return {"share": 100 * ours / (ours + raw), "share_sum": ours + raw}


def clean(*, seconds: float) -> dict[str, float]:
    """Per cent of the bytes of data frames that are parity where nothing is lost, and Mbit/s of that stream.

    The devices cut what is sent at once, so that every datagram is seen (`ethtool -K`).
    """
    with Lab("direct") as lab:
        for host in ("anna", "ben"):
            lab.run(host, ["ethtool", "-K", "wire", "tx-udp-segmentation", "off"])
        anna, ben = LabNode(lab, "anna"), LabNode(lab, "ben", peers=(lab.address("anna"),))
        anna.up()
        ben.up()
        anna.wait_peer("ben", kind="direct")
        lab.run("ben", ["nft", "-f", "-"], stdin=_COUNT)
        speed = mbit(Stream(lab, ben.address(), seconds=seconds, C="cubic").report(), after=1.0)
        time.sleep(0.2)
        counted = re.findall(r"bytes (\d+)", lab.run("ben", ["nft", "list", "table", "inet", "bench"]).stdout)
    data, parity = (int(each) for each in counted)
    return {"parity": 100 * parity / max(1, data), "clean_mbit": speed}
