"""Finding the node's socket, and asking it: blocking, standard library only."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

from overlay.config.names import file_stem
from overlay.config.paths import socket_folders
from overlay.control import protocol
from overlay.control.protocol import Json
from overlay.errors import NoReply, NotPermitted, NotRunning, OverlayError, UsageError

ANSWER_S = 5.0
"""By then a living node has answered a status."""

_START = "start one: overlay join -n NAME"

LIVE, DEAD, FORBIDDEN = "live", "dead", "forbidden"


def find(network: str | None, path: Path | None, *, environ: Mapping[str, str], command: str) -> Path:
    """The socket of the one node meant: that at `path`, that of `network`, or the only one running here.

    `command` is what its person ran, for the fix.

    Raises:
        UsageError: several nodes run here; they are listed.
        NotRunning: none does.
        NotPermitted: one does, of another user.
    """
    uid = os.geteuid()
    folders = socket_folders(environ, uid)
    if path is not None:
        states = {path: look(path)}
    elif network:
        states = {each: look(each) for each in (folder / f"{file_stem(network)}.sock" for folder in folders)}
    else:
        states = _all(folders)
    live = [each for each, state in states.items() if state == LIVE]
    if len(live) == 1:
        return live[0]
    if live:
        raise UsageError(
            f"several nodes run here: {', '.join(f'{each.stem} ({each})' for each in live)}",
            "choose one: -n NAME or --socket PATH",
            code="several",
        )
    if FORBIDDEN in states.values():
        place = next(each for each, state in states.items() if state == FORBIDDEN)
        raise NotPermitted(f"the node at {place} belongs to another user", f"sudo {command}")
    wanted = f" for network {network}" if network else f" at {path}" if path else " here"
    raise NotRunning(f"no node is running{wanted}", _START)


def look(path: Path) -> str:
    """Whether a node listens at `path`: LIVE, DEAD or FORBIDDEN (another user's)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except PermissionError:
            return FORBIDDEN
        except (TimeoutError, BlockingIOError):  # its backlog is full: alive, if not well
            return LIVE
        except OSError:
            return DEAD
    return LIVE


def ask(path: Path, request: Json, *, timeout: float = ANSWER_S) -> Json:
    """The one reply to `request`.

    Raises:
        OverlayError: what the node said, or as for `stream`.
    """
    with contextlib.closing(stream(path, request, silence=timeout)) as replies:
        for reply in replies:
            return reply
    raise NotRunning("the node ended before it answered", _START)


def stream(path: Path, request: Json, *, silence: float | None) -> Generator[Json, None, None]:
    """All replies to `request`, as they come; ends with the answer, or with the node.

    Raises:
        NotRunning: no node listens.
        NotPermitted: it is another user's.
        NoReply: `silence` seconds passed without a reply.
        OverlayError: what the node said.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(silence)
        lines = protocol.Lines(protocol.LONGEST_REPLY)
        try:
            _connect(connection, path, ANSWER_S if silence is None else silence)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # why it hung up can still be read
                connection.sendall(protocol.encode(request))
            while data := connection.recv(1 << 18):
                lines.feed(data)
                while (line := lines.take()) is not None:
                    yield _told(line)
        except TimeoutError:
            raise NoReply(f"the node at {path} does not answer", "is it stopped? otherwise end it and join") from None
        except OSError as error:
            raise _mishap(path, error) from None


def _connect(connection: socket.socket, path: Path, within: float) -> None:
    """Connect, waiting for room in the node's backlog: a full one is EAGAIN on Unix sockets, not a wait."""
    until = time.monotonic() + within
    while True:
        try:
            return connection.connect(str(path))
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError from None
            time.sleep(0.01)


@contextlib.contextmanager
def process_at(path: Path) -> Iterator[int | None]:
    """A descriptor of the process that listens at `path` (pidfd_open(2)), for `wait_end`; None if it cannot be had."""
    descriptor = None
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        probe.connect(str(path))
        pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        if pid not in (0, os.getpid()):
            descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def wait_end(path: Path, within: float, process: int | None = None) -> bool:
    """Wait until nobody listens at `path`, and `process` is gone with its device and its locks; False if that takes
    longer than `within` seconds."""
    until = time.monotonic() + within
    while look(path) != DEAD:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    if process is None:
        return True
    ended, _, _ = select.select([process], [], [], max(0.0, until - time.monotonic()))
    return bool(ended)


def _told(line: bytes) -> Json:
    reply = protocol.decode(line)
    if error := protocol.error_of(reply):
        raise error
    return reply


def _mishap(path: Path, error: OSError) -> OverlayError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermitted(f"the node at {path} belongs to another user", "sudo overlay ...")
    return NotRunning(f"no node is running at {path}: {error.strerror or error}", _START)


def _all(folders: list[Path]) -> dict[Path, str]:
    """Every socket there, and how it is; a folder that may not be looked into is FORBIDDEN itself."""
    states: dict[Path, str] = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except PermissionError:
            states[folder] = FORBIDDEN
        except OSError:
            continue
        else:
            states |= {folder / name: look(folder / name) for name in names if name.endswith(".sock")}
    return states
