"""Small packets at a steady pace, as games and voice send them: how many are missing at the other end.

python -m tools.bench.mesh.game receive ADDRESS PORT             ends with the sender; prints the numbers that came
python -m tools.bench.mesh.game send ADDRESS PORT SECONDS
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

from overlay.lab import Lab, LabNode
from punch.sim.link import Link
from tools.natlab.star import Network, star

SIZE = 200
"""Bytes of payload."""
PACE = 50
"""Packets a second."""
LOSS = 0.02
DELAY = 0.02
WARM = 5.0
"""Seconds in which a node may still be learning what its path loses."""
PORT = 5400
PATIENCE = 2.0
"""Seconds without a packet after which it is over."""
_ROOT = Path(__file__).resolve().parents[3]


def lost_inside(*, seconds: float, seed: int) -> dict[str, float]:
    """Per cent of the packets between two members that are lost over a path that loses 2 %, both directions at once.

    `game` counts all of them, `game_warm` those after the first seconds, `game_path` what the path really lost.
    """
    with Lab(star({"anna": "", "ben": ""})) as lab:
        network = Network(lab, Link(delay=DELAY, loss=LOSS), seed=seed)
        anna, ben = LabNode(lab, "anna"), LabNode(lab, "ben", peers=(lab.address("anna"),))
        anna.up()
        ben.up()
        anna.wait_peer("ben", kind="direct")
        ben.wait_peer("anna", kind="direct")
        missing = _exchanged(lab, {"anna": anna.address(), "ben": ben.address()}, seconds)
        counts = [network.counted("anna", "ben"), network.counted("ben", "anna")]
    sent = 2 * int(seconds * PACE)
    late = [number for number in missing if number >= WARM * PACE]
    lost = sum(each.get("loss", 0) for each in counts)
    return {
        "game": 100 * len(missing) / sent,
        "game_warm": 100 * len(late) / max(1.0, sent - 2 * WARM * PACE),
        "game_path": 100 * lost / max(1, lost + sum(each.get("passed", 0) for each in counts)),
    }


def _exchanged(lab: Lab, addresses: dict[str, str], seconds: float) -> list[int]:
    """Send both ways; the numbers that did not come, of both."""
    module, env = [sys.executable, "-m", "tools.bench.mesh.game"], {"PYTHONPATH": str(_ROOT)}
    ears = [lab.spawn(host, [*module, "receive", to, str(PORT)], env=env) for host, to in addresses.items()]
    for ear in ears:
        ear.wait_for("ready")
    for host, to in zip(addresses, reversed(addresses.values()), strict=True):
        lab.spawn(host, [*module, "send", to, str(PORT), f"{seconds:g}"], env=env)
    missing = []
    for ear in ears:
        ear.wait(timeout=seconds + 30)
        came = set(json.loads(ear.out.splitlines()[-1]))
        missing += [number for number in range(int(seconds * PACE)) if number not in came]
    return missing


def receive(address: str, port: int) -> list[int]:
    """The numbers of the packets that came, from the first until none came for a while."""
    came = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind((address, port))
        print("ready", flush=True)
        ear.settimeout(30.0)
        try:
            while True:
                came.append(int.from_bytes(ear.recv(2048)[:4]))
                ear.settimeout(PATIENCE)
        except TimeoutError:
            return came


def send(address: str, port: int, seconds: float) -> None:
    """Send at the pace."""
    began = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        for number in range(int(seconds * PACE)):
            time.sleep(max(0.0, began + number / PACE - time.monotonic()))
            mouth.sendto(number.to_bytes(4) + bytes(SIZE - 4), (address, port))


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        print(json.dumps(receive(sys.argv[2], int(sys.argv[3]))), flush=True)
    else:
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
