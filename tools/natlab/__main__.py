"""`python -m tools.natlab NAT.json`: translates on a TUN until it is ended; NAT.json is an overlay.lab UserspaceNat.

SIGHUP: every mapping is forgotten, as if the router had restarted.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from pathlib import Path

import msgspec
import pytun

from overlay.lab.entries import UserspaceNat
from tools.natlab.translate import Translator

EVERY = 0.1
"""Seconds between two writings of the counters."""
BURST = 64
"""Packets translated between two looks at the clock."""
LARGEST = 65535


def run(told: UserspaceNat) -> None:
    """Translate for ever."""
    handle = pytun.TunTapDevice(told.device, pytun.IFF_TUN | pytun.IFF_NO_PI)
    fd: int = handle.fileno()
    os.set_blocking(fd, False)
    translator = Translator(told)
    readable = select.poll()
    readable.register(fd, select.POLLIN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    print("ready", flush=True)
    due = time.monotonic()
    while True:
        now = time.monotonic()
        if signal.sigtimedwait({signal.SIGHUP}, 0) is not None:
            translator.forget()
        if now >= due:
            write(Path(told.counters), msgspec.json.encode(translator.entries(now=now)))
            due = now + EVERY
        if readable.poll((due - now) * 1000):
            translate(fd, translator, now=time.monotonic())


def translate(fd: int, translator: Translator, *, now: float) -> None:
    """Take what waits, a burst at most."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(BURST):
            passed = translator.handle(os.read(fd, LARGEST), now=now)
            if passed is not None:
                with contextlib.suppress(OSError):
                    os.write(fd, passed)


def write(path: Path, text: bytes) -> None:
    """Replace a file, so that a reader finds the old or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(text)
    fresh.replace(path)


if __name__ == "__main__":
    run(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=UserspaceNat))
