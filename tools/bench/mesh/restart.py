"""A member that ended and comes back: how long until its first ping passes the relay."""

from __future__ import annotations

import signal
import time

from overlay.lab import Lab, LabNode
from tools.bench.mesh.scenes import HARD, home, met


def after(how: signal.Signals) -> float:
    """Seconds from the start of ben, who had ended by `how`, to the first answer of anna, both behind NATs."""
    with met(home(HARD, HARD)) as (lab, nodes):
        to = nodes["anna"].address()
        time.sleep(2.0)
        _end(nodes["ben"], how)
        time.sleep(1.0)
        return first_ping(lab, nodes["ben"], to)


def first_ping(lab: Lab, node: LabNode, to: str) -> float:
    """Start `node`; seconds until a ping of its host to `to` is answered.

    Raises:
        OverlayError: none is in 20 s.
    """
    script = f"until ping -q -c1 -i0.01 -w5 {to}; do sleep 0.01; done"
    began = time.monotonic()
    node.start()
    lab.run(node.host, ["sh", "-c", script], timeout=20)
    return time.monotonic() - began


def _end(node: LabNode, how: signal.Signals) -> None:
    if node.process is not None:
        node.process.send(how)
        node.process.wait(timeout=5)
