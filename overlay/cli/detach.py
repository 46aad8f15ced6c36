"""`-d`: the node becomes a child of nobody before any key exists; the parent waits until it is up.

parent --fork--> middle --setsid, fork--> node     stdin /dev/null, stdout and stderr: LOG
  | <------------- {"pid": 1234} ----------- |
  | <------------- {"up": "..."} ----------- |     or {"error": {...}}, or silence: it died
returns the line                           goes on
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

from overlay.errors import OverlayError


class Report:
    """The child's end of the pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe
        _tell(pipe, {"pid": os.getpid()})

    def up(self, line: str) -> None:
        """The node is up: the parent prints `line` and returns 0."""
        self._end({"up": line})

    def failed(self, error: OverlayError) -> None:
        """The node cannot come up: the parent raises the same; nothing if it has reported already."""
        told = {"text": error.text, "fix": error.fix, "code": error.code, "exit_code": error.exit_code}
        self._end({"error": told})

    def _end(self, message: dict[str, object]) -> None:
        if self._pipe is not None:
            _tell(self._pipe, message)
            os.close(self._pipe)
            self._pipe = None


def _tell(pipe: int, message: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent was killed: the node goes on
        os.write(pipe, json.dumps(message).encode() + b"\n")


def detach(log: Path) -> Report | str:
    """Fork: the node gets a Report, the parent, once the node is up, the line to print.

    Raises:
        OverlayError: in the parent: what the node told, or that it died; before the fork: `log` cannot be written.
    """
    descriptor = _open(log)
    receive, send = os.pipe()
    child = os.fork()
    if child:
        os.close(send)
        os.close(descriptor)
        os.waitpid(child, 0)
        return _wait(receive, log)
    os.close(receive)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.umask(0o077)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (descriptor, 1), (descriptor, 2)):
        os.dup2(source, target)
    return Report(send)


def _open(log: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(log, flags, 0o600)
    except OSError as error:
        raise OverlayError(f"the log {log} cannot be written: {error.strerror}", "name another --state-dir") from None


def _wait(receive: int, log: Path) -> str:
    pid = 0
    try:
        with open(receive, encoding="utf-8") as lines:
            for line in lines:
                message = json.loads(line)
                if "up" in message:
                    return str(message["up"])
                if "error" in message:
                    told = message["error"]
                    raise OverlayError(told["text"], told["fix"], code=told["code"], exit_code=told["exit_code"])
                pid = message["pid"]
    except KeyboardInterrupt:
        if pid:
            os.kill(pid, signal.SIGTERM)
        raise
    raise OverlayError("the node ended before it was up", f"see {log}", code="died")
