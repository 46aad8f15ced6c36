"""The stranger: sends garbage to one UDP port at a given rate, half noise, half with a data header that looks right.

python -m tools.bench.garbage ADDRESS PORT DATAGRAMS_A_SECOND SECONDS
"""

from __future__ import annotations

import random
import socket
import struct
import sys
import time

_BURST_S = 0.001


def datagrams(entropy: random.Random, count: int) -> list[bytes]:
    """`count` datagrams of 20-1,400 B; every second one opens like a data frame (protocol section 2)."""
    made = []
    for number in range(count):
        body = entropy.randbytes(entropy.randrange(20, 1400))
        header = struct.pack("<BBBBIQ", 6, 0, 1, 0, entropy.getrandbits(32), entropy.randrange(1, 1 << 20))
        made.append(header + body[16:] if number % 2 else body)
    return made


def flood(address: str, port: int, *, rate: int, seconds: float) -> int:
    """Send; returns how many datagrams left."""
    pool = datagrams(random.Random(1), 2000)
    target = (address, port)
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outlet:
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            due = int(elapsed * rate)
            for number in range(sent, due):
                outlet.sendto(pool[number % len(pool)], target)
            sent = due
            time.sleep(_BURST_S)
    return sent


if __name__ == "__main__":
    _, to_address, to_port, per_second, duration = sys.argv
    print(flood(to_address, int(to_port), rate=int(per_second), seconds=float(duration)))
