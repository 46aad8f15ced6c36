"""A TCP transfer between two hosts of the lab, for machines without iperf3.

python -m overlay.lab.transfer receive ADDRESS PORT          prints {"bytes": .., "seconds": ..} after one sender
python -m overlay.lab.transfer send ADDRESS PORT SECONDS
"""

from __future__ import annotations

import json
import socket
import sys
import time

_CHUNK = 1 << 18


def receive(address: str, port: int) -> dict[str, float]:
    """Take one connection and count it to its end: bytes, and seconds from the first byte to the last."""
    buffer = bytearray(_CHUNK)
    with socket.create_server((address, port)) as listener:
        print("ready", flush=True)
        connection, _ = listener.accept()
        with connection:
            total = connection.recv_into(buffer)
            first = last = time.monotonic()
            while count := connection.recv_into(buffer):
                total += count
                last = time.monotonic()
    return {"bytes": total, "seconds": last - first}


def send(address: str, port: int, seconds: float) -> None:
    """Send zeros for `seconds`."""
    chunk = bytes(_CHUNK)
    with socket.create_connection((address, port), timeout=10) as connection:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            connection.sendall(chunk)


def main(argv: list[str]) -> None:
    """Run one side."""
    if argv[0] == "receive":
        print(json.dumps(receive(argv[1], int(argv[2]))), flush=True)
    else:
        send(argv[1], int(argv[2]), float(argv[3]))


if __name__ == "__main__":
    main(sys.argv[1:])
