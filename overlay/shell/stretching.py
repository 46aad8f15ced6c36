"""The secret becomes a key in a thread of its own, while the rest of the program is still being read from disk."""

from __future__ import annotations

import threading

from overlay.identity import stretch


class Stretching:
    """Argon2id under way: 64 MiB and some 80 ms of one CPU, without the interpreter's lock."""

    def __init__(self, network: str, secret: str) -> None:
        """Begin."""
        self._stretched = b""
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(network, secret), name="stretch", daemon=True)
        self._thread.start()

    def result(self) -> bytes:
        """The stretched secret, 32 bytes; blocks until it is there. Raises what went wrong, MemoryError say."""
        self._thread.join()
        if self._fault is not None:
            raise self._fault
        return self._stretched

    def _run(self, network: str, secret: str) -> None:
        try:
            self._stretched = stretch(network, secret)
        except BaseException as fault:
            self._fault = fault
