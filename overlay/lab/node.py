"""`overlay join` on a host of the lab, and the commands that talk to it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from overlay.control.client import ask
from overlay.errors import NotRunning, OverlayError
from overlay.lab.process import Process
from overlay.lab.stage import Lab

Json = dict[str, Any]
"""One parsed JSON object."""

_POLL_S = 0.05


def overlay_argv() -> list[str]:
    """How this interpreter's `overlay` is run."""
    script = Path(sys.executable).parent / "overlay"
    if script.exists():
        return [str(script)]
    return [sys.executable, "-m", "overlay"]


class LabNode:
    """One `overlay join`, with state and socket of its own."""

    def __init__(
        self,
        lab: Lab,
        host: str,
        *,
        network: str = "lab",
        secret: str = "seven quiet herons cross the bay",
        peers: Iterable[str] = (),
        options: Iterable[str] = (),
        label: str = "node",
    ) -> None:
        """A node of `network` on `host`, dialling `peers`; `label` tells several nodes of one host apart."""
        self.lab = lab
        self.host = host
        self.network = network
        self.secret = secret
        self.peers = list(peers)
        self.options = list(options)
        self.state_dir = lab.folder(host) / label
        self.socket = lab.folder(host) / f"{label}.sock"
        self.process: Process | None = None

    def argv(self) -> list[str]:
        """The whole command, without the secret: that comes in OVERLAY_SECRET."""
        argv = [*overlay_argv(), "join", "--network", self.network, "--json", "--name", self.host]
        argv += ["--state-dir", str(self.state_dir), "--socket", str(self.socket)]
        for peer in self.peers:
            argv += ["--peer", peer]
        return argv + self.options

    def start(self) -> Process:
        """Start the node; returns at once."""
        self.process = self.lab.spawn(self.host, self.argv(), env={"OVERLAY_SECRET": self.secret})
        return self.process

    def up(self, *, timeout: float = 15.0) -> Process:
        """Start the node and wait until it answers on its socket.

        Raises:
            OverlayError: it ended or was not up in time.
        """
        process = self.start()
        self.wait_up(timeout=timeout)
        return process

    def wait_up(self, *, timeout: float = 15.0) -> Json:
        """The first line of `join --json`, once it is up."""
        if self.process is None:
            raise OverlayError(f"{self.host}: not started")
        line: Json = json.loads(self.process.wait_for('"event": "up"', timeout=timeout))
        return line

    def command(self, *argv: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run `overlay ARGV...` beside the node, whatever its exit code."""
        full = [*overlay_argv(), *argv, "--socket", str(self.socket)]
        return self.lab.run(self.host, full, timeout=timeout, check=False)

    def json(self, *argv: str, timeout: float = 30.0) -> Json:
        """Run `overlay ARGV... --json` and parse its one object.

        Raises:
            OverlayError: it failed, or said something else than JSON.
        """
        done = self.command(*argv, "--json", timeout=timeout)
        try:
            answer: Json = json.loads(done.stdout)
        except ValueError:
            raise OverlayError(f"overlay {' '.join(argv)}: no JSON: {done.stdout!r} {done.stderr!r}") from None
        return answer

    def status(self) -> Json:
        """What `overlay status --json` shows, asked on the node's socket without a process of its own.

        Raises:
            OverlayError: it does not answer.
        """
        return ask(self.socket, {"do": "status"})

    def peer(self, name: str) -> Json | None:
        """The peer called `name` as `status` shows it, if it is there."""
        peers: list[Json] = self.status()["peers"]
        return next((peer for peer in peers if peer["name"] == name), None)

    def wait_until(self, what: str, holds: Callable[[Json], bool], *, timeout: float = 10.0) -> Json:
        """The first status for which `holds`; `what` names it in the error.

        Raises:
            OverlayError: it did not come to hold within `timeout` seconds; the last status is told.
        """
        until = time.monotonic() + timeout
        status: Json = {}
        while True:
            with contextlib.suppress(NotRunning):
                status = self.status()
                if holds(status):
                    return status
            if time.monotonic() > until or not (self.process and self.process.running):
                raise OverlayError(f"{self.host}: not {what} in {timeout:g} s: {json.dumps(status)}\n{self.said}")
            time.sleep(_POLL_S)

    def wait_peer(self, name: str, *, kind: str = "", timeout: float = 10.0) -> Json:
        """Wait until peer `name` is connected (by a path of this kind); returns it."""

        def connected(status: Json) -> bool:
            return any(
                peer["name"] == name and peer["state"] == "connected" and kind in ("", peer["path"]["kind"])
                for peer in status["peers"]
            )

        status = self.wait_until(f"connected to {name} {kind}", connected, timeout=timeout)
        peers: list[Json] = status["peers"]
        return next(peer for peer in peers if peer["name"] == name)

    @property
    def said(self) -> str:
        """What the running `join` said so far, both streams."""
        return f"{self.process.out}\n{self.process.err}" if self.process else ""

    def address(self, *, version: int = 4) -> str:
        """Its overlay address."""
        return str(self.status()["self"][f"ipv{version}"])

    def stop(self) -> int:
        """End it politely; returns its exit code."""
        return self.process.stop() if self.process else 0
