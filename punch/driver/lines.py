"""Lines of a file descriptor as they come, from a terminal, a pipe or a file."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

MOST = 1 << 20
"""Bytes without an end of line after which they are thrown away."""


async def stdin_lines(descriptor: int = 0) -> AsyncIterator[str]:
    """Each line of stdin, without its end.

    A thread reads, since neither files nor terminals can be awaited everywhere; it reads the descriptor itself, so that
    nobody waits for it at the end.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        data = b"-"
        while data:
            try:
                data = os.read(descriptor, 65536)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(queue.put_nowait, data)
            except RuntimeError:  # the loop has ended
                return

    threading.Thread(target=read, daemon=True, name="lines").start()
    rest = b""
    while data := await queue.get():
        *lines, rest = (rest + data).split(b"\n")
        rest = rest if len(rest) <= MOST else b""
        for line in lines:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
