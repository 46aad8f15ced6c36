"""One member in or out a second, for half an hour: what grows in one that stays.

stays <-- pool of hosts, by dice: in if it is out, every fourth as somebody new; else out, every other by SIGKILL
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

from msgspec import Struct

from overlay.errors import OverlayError
from overlay.lab import Lab, LabNode
from tools.bench.mesh.crowd import resident_mib
from tools.natlab.star import star

POOL = 12
"""Hosts that come and go."""
BEAT = 1.0
"""Seconds from one change to the next."""
WARM_SHARE = 1 / 6
"""Of the whole time (5 of 30 minutes), after which nothing may grow."""


class Held(Struct, frozen=True):
    """What a node has at one moment."""

    mib: float
    files: int
    """Open file descriptors, sockets left out."""
    sockets: int
    disk: int
    """Bytes in its state folder."""


def churn(*, minutes: float, seed: int) -> dict[str, float]:
    """Growth in per cent after the first sixth: memory, open files, sockets, the state folder; and what there was."""
    dice = random.Random(seed)
    with Lab(star({"stays": "", **{f"h{number}": "" for number in range(POOL)}})) as lab:
        stays = LabNode(lab, "stays")
        process = stays.up()
        pool = [LabNode(lab, f"h{number}", peers=(lab.address("stays"),)) for number in range(POOL)]
        looks = []
        began = time.monotonic()
        beats = int(minutes * 60 / BEAT)
        for beat in range(beats):
            time.sleep(max(0.0, began + beat * BEAT - time.monotonic()))
            _change(dice.choice(pool), beat)
            looks.append(held(process.pid, stays.state_dir))
            if not process.running:
                raise OverlayError(f"the node that stays ended: {process.err[-500:]}")
    return growth(looks)


def growth(looks: list[Held]) -> dict[str, float]:
    """Largest of the last sixth against the largest of the first."""
    part = max(1, int(len(looks) * WARM_SHARE))
    found = {}
    for name in ("mib", "files", "sockets", "disk"):
        first, last = (max(getattr(look, name) for look in some) for some in (looks[:part], looks[-part:]))
        found[f"churn_{name}"] = 100 * (last - first) / max(1, first)
        found[f"churn_{name}_last"] = float(last)
    return found


def held(pid: int, state: Path) -> Held:
    """Look at a process and its folder."""
    links = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{entry}"))
        except FileNotFoundError:
            continue
    sockets = sum(link.startswith("socket:") for link in links)
    disk = sum(path.stat().st_size for path in list(state.rglob("*")) if path.is_file())
    return Held(mib=resident_mib(pid), files=len(links) - sockets, sockets=sockets, disk=disk)


def _change(node: LabNode, beat: int) -> None:
    if node.process is None or not node.process.running:
        if beat % 4 == 0:
            shutil.rmtree(node.state_dir, ignore_errors=True)
        node.start()
    elif beat % 2:
        node.process.kill()
    else:
        node.process.send(signal.SIGTERM)
