"""An event loop that lets a plane take its turns inside the wait for events, at a tenth of what a callback costs.

    asyncio --select--> wait for plane's files, and for asyncio's own as one of them
       ^                  |
       |                  +-- plane's file ready: its turn, and wait on
       +------------------+-- asyncio's file ready, or a turn gave the hall something, or time is up

A lone packet finds the caches cold; the way through asyncio's queue then takes as long as its way through the plane.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import selectors
from collections.abc import Callable, Mapping
from typing import Any

BUSY = 32
"""Turns after which asyncio is asked whether it has something to do, however busy the plane is."""


class TurnsLoop(asyncio.SelectorEventLoop):
    """An asyncio loop with files that are looked after before all others."""

    def __init__(self) -> None:
        self._turns = _Turns(self.time, self._failed)
        super().__init__(self._turns)

    def add_turns(self, fileno: int, act: Callable[[], bool]) -> None:
        """Call `act` whenever the file is readable; it says whether it left asyncio something to do.

        What it raises goes to the loop's exception handler.
        """
        self._turns.add(fileno, act)

    def remove_turns(self, fileno: int) -> None:
        """Leave the file alone."""
        self._turns.remove(fileno)

    def _failed(self, error: Exception) -> None:
        self.call_exception_handler({"message": "a turn of the plane failed", "exception": error})


class _Turns(selectors.BaseSelector):
    """asyncio's selector inside a wider one."""

    def __init__(self, time: Callable[[], float], failed: Callable[[Exception], None]) -> None:
        self._time = time
        self._failed = failed
        self._inner = selectors.EpollSelector()
        self._outer = select.epoll()
        self._outer.register(self._inner.fileno(), select.EPOLLIN)
        self._acts: dict[int, Callable[[], bool]] = {}

    def add(self, fileno: int, act: Callable[[], bool]) -> None:
        if fileno not in self._acts:
            self._outer.register(fileno, select.EPOLLIN)
        self._acts[fileno] = act

    def remove(self, fileno: int) -> None:
        if self._acts.pop(fileno, None) is not None:
            with contextlib.suppress(OSError):  # a file that was closed left by itself
                self._outer.unregister(fileno)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let turns be taken until asyncio has something to do; its own events."""
        poll, find = self._outer.poll, self._acts.get
        end = 0.0 if timeout is None else self._time() + timeout
        for _ in range(BUSY):
            asked = False
            for fileno, _ in poll(timeout):
                act = find(fileno)
                try:
                    if act is None or act():
                        asked = True
                except Exception as error:
                    self._failed(error)
                    asked = True
            if asked:
                break
            if timeout is not None:
                timeout = end - self._time()
                if timeout <= 0:
                    break
        return self._inner.select(0)

    # --- asyncio's own ---

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.get_key(fileobj)

    def close(self) -> None:
        self._outer.close()
        self._inner.close()
