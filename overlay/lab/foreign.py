"""Mappings that somebody else makes on a router: a fresh socket each, at random moments (Poisson).

Run on the router itself, `python -m overlay.lab.foreign ADDRESS RATE SEED`: what it sends leaves through the same
translation as what it forwards. The target has nothing on port 9 (discard, RFC 863).
"""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import time

from overlay.lab.scenario import Scenario

DISCARD = 9


def target(scenario: Scenario, router: str) -> str:
    """Whom the strangers behind `router` talk to: the first other box on its outside segment.

    Raises:
        KeyError: there is nobody.
    """
    outside = scenario.routers[router].outside
    for name, box in scenario.boxes().items():
        if name != router and outside in box.links:
            return scenario.address(name, outside)
    raise KeyError(f"nobody else is on {outside}")


def send(address: str, rate: float, dice: random.Random) -> None:
    """Make `rate` mappings a second, for ever."""
    due = time.monotonic()
    while True:
        due += dice.expovariate(rate)
        time.sleep(max(0.0, due - time.monotonic()))
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"", (address, DISCARD))


if __name__ == "__main__":
    send(sys.argv[1], float(sys.argv[2]), random.Random(sys.argv[3]))
