"""The engine's only door to the world: real UDP sockets, clock and network around an `Engine` (asyncio through anyio).

    detecting  what NAT am I behind          knocking, hello  two hosts that exchange lines get a hole
                     \\                        /
                      loop  an engine between inputs and outputs
                     /     |        \\
              sockets   network    names, lines

simulating runs the matrix of punch.sim on several cores.

    from punch.driver import detect
    print(detect(["stun.example.org"]).words)
"""

from punch.driver.detecting import Detected, detect, detecting
from punch.driver.knocking import Hole, KnockFailed, knock
from punch.driver.lines import stdin_lines
from punch.driver.loop import Driver, clock
from punch.driver.names import resolve

__all__ = [
    "Detected",
    "Driver",
    "Hole",
    "KnockFailed",
    "clock",
    "detect",
    "detecting",
    "knock",
    "resolve",
    "stdin_lines",
]
