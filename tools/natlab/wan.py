"""`python -m tools.natlab.wan DEVICE PLAN.json SOCKET`: a wide-area network on a TUN, until it is ended.

    iif ROUTE--> [wan0] read --> wide: lost, queued, delayed --> write [wan0] --main table--> out

The TUN has no offloads, so the kernel cuts super-packets before they get here: what is lost are datagrams. Whoever
connects to SOCKET sends one line, a Plan as JSON to follow or nothing, and is sent the counters as one line of JSON.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import socket
import sys
import time
from pathlib import Path

import msgspec
import pytun

from tools.natlab.wide import Plan, Wide

BURST = 64
"""Packets read between two looks at the clock."""
LARGEST = 65535
PRIORITY = -10
"""It stands for the network, which is not slowed down by its hosts' load."""
PATIENCE = 1.0
"""Seconds that whoever connects has to say its line."""


def run(device: str, plan: Plan, path: Path) -> None:
    """Carry for ever."""
    handle = pytun.TunTapDevice(device, pytun.IFF_TUN | pytun.IFF_NO_PI)
    fd: int = handle.fileno()
    os.set_blocking(fd, False)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    gc.disable()
    wide = Wide(plan)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        print("ready", flush=True)
        while True:
            due = wide.next_due()
            patience = None if due is None else max(0.0, due - time.monotonic())
            readable = select.select([fd, listener.fileno()], [], [], patience)[0]
            carry(fd, wide, waits=fd in readable)
            if listener.fileno() in readable:
                answer(listener, wide)


def carry(fd: int, wide: Wide, *, waits: bool) -> None:
    """Take a burst at most, and send what is due."""
    read, write, put = os.read, os.write, wide.put
    if waits:
        now = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            for _ in range(BURST):
                put(read(fd, LARGEST), now=now)
    for packet in wide.due(now=time.monotonic()):
        with contextlib.suppress(OSError):
            write(fd, packet)


def answer(listener: socket.socket, wide: Wide) -> None:
    """Hear one line, and tell the counters."""
    with contextlib.suppress(OSError), listener.accept()[0] as client:
        client.settimeout(PATIENCE)
        with client.makefile("rwb") as lines:
            line = lines.readline().strip()
            if line:
                wide.become(msgspec.json.decode(line, type=Plan))
            lines.write(msgspec.json.encode(wide.counts()) + b"\n")


if __name__ == "__main__":
    run(sys.argv[1], msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=Plan), Path(sys.argv[3]))
