"""A process started in the lab, and what it has said so far."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from pathlib import Path

from overlay.errors import OverlayError

_POLL_S = 0.01
"""How often output and end are looked at while waiting."""


class Process:
    """A started process whose stdout and stderr grow in files."""

    def __init__(self, argv: list[str], *, log: Path, env: dict[str, str]) -> None:
        """Start `argv`; `log` gets stdout, and `log` + `.err` stderr. It leads a session of its own."""
        self.argv = argv
        self._out = log
        self._err = log.with_suffix(".err")
        with log.open("wb") as out, self._err.open("wb") as err:
            self._popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, start_new_session=True
            )
        self.started = time.monotonic()
        """Monotonic seconds at which it was started."""

    @property
    def pid(self) -> int:
        """Its process id (`ip netns exec` becomes the program it runs, so this is the program's own)."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self._popen.poll() is None

    @property
    def out(self) -> str:
        """Its stdout so far."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        """Its stderr so far."""
        return self._err.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str, *, timeout: float = 10.0) -> str:
        """The first line of stdout or stderr that contains `text`.

        Raises:
            OverlayError: it ended, or `timeout` seconds passed, without saying so.
        """
        until = time.monotonic() + timeout
        while True:
            ended = not self.running
            for line in [*self.out.splitlines(), *self.err.splitlines()]:
                if text in line:
                    return line
            if ended or time.monotonic() > until:
                raise OverlayError(f"{self._named()} did not say {text!r}{self._said()}")
            time.sleep(_POLL_S)

    def wait(self, *, timeout: float = 10.0) -> int:
        """Its exit code, once it ends by itself.

        Raises:
            OverlayError: it still runs after `timeout` seconds.
        """
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise OverlayError(f"{self._named()} still runs after {timeout:g} s{self._said()}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.running:
            self._popen.send_signal(number)

    def stop(self, *, timeout: float = 5.0) -> int:
        """End it politely (SIGTERM), by force after `timeout` seconds; returns its exit code."""
        self.send(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._popen.wait(timeout)
        return self.kill()

    def kill(self) -> int:
        """End it at once (SIGKILL)."""
        self.send(signal.SIGKILL)
        return self._popen.wait()

    def _named(self) -> str:
        return " ".join(self.argv[4:] if self.argv[:3] == ["ip", "netns", "exec"] else self.argv)

    def _said(self) -> str:
        state = "" if self.running else f" (ended with {self._popen.returncode})"
        return f"{state}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"
