"""The node's ear: a Unix socket for its own user and root, which no client can hurt the node through."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketListener, SocketStream

from overlay.config.paths import secure_folder
from overlay.control import protocol
from overlay.control.protocol import Json
from overlay.errors import AlreadyRunning, NotPermitted, OverlayError

Answer = Callable[[Json], AsyncIterator[object]]
"""`answer(request)`: the replies, each a dict or a Struct; an OverlayError raised becomes an error reply."""

MOST_CONNECTIONS = 32
_BACKLOG = 128
"""Connections that may wait to be accepted, so that those over the limit hear that the node is busy."""
REQUEST_S = 5.0
"""A connection that has not asked by then is closed."""
SEND_S = 10.0
"""So is one that has not read a reply by then."""

_LOG = logging.getLogger(__name__)

_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, TimeoutError)
"""The client went away, or might as well have."""


class ControlSocket:
    """A bound socket; `serve` answers on it, `close` takes it away."""

    def __init__(self, path: Path) -> None:
        """Bind `path`, mode 0600, in a folder that only this user writes; what a dead node left there is removed.

        Raises:
            AlreadyRunning: a living node listens there.
            NotPermitted: the folder may not be used.
            OverlayError: it cannot be bound (code `socket`).
        """
        self.path = path
        secure_folder(path.parent, 0o755)
        lock = _lock(path)
        try:
            self._socket = _bind(path)
        except OSError as error:
            os.close(lock)
            text = f"the control socket {path} cannot be made: {error.strerror or error}"
            raise OverlayError(text, "name another with --socket", code="socket") from None
        self._lock: int | None = lock
        self._connections = 0

    async def serve(self, answer: Answer) -> None:
        """Answer until cancelled."""
        async with await SocketListener.from_socket(self._socket) as listener, anyio.create_task_group() as tasks:
            while True:
                try:
                    stream = await listener.accept()
                except anyio.BrokenResourceError:  # out of descriptors: the next may find one
                    await anyio.sleep(0.1)
                    continue
                self._connections += 1
                tasks.start_soon(self._talk, stream, answer)

    def close(self) -> None:
        """Stop listening and remove the socket; the lock file stays, so that nobody can hold a removed one."""
        if self._lock is None:
            return
        self.path.unlink(missing_ok=True)
        self._socket.close()
        os.close(self._lock)
        self._lock = None

    async def _talk(self, stream: SocketStream, answer: Answer) -> None:
        try:
            async with stream:
                if not _is_ours(stream):
                    return
                if self._connections > MOST_CONNECTIONS:
                    await _send(stream, protocol.error_reply(OverlayError("the node is busy", "try again")))
                else:
                    await _answer_one(stream, answer)
        except _GONE:
            pass
        finally:
            self._connections -= 1


async def _answer_one(stream: SocketStream, answer: Answer) -> None:
    try:
        with anyio.fail_after(REQUEST_S):
            request = protocol.request(await _line(stream))
        replies = answer(request)
        try:
            async for reply in replies:
                await _send(stream, reply)
        finally:
            if isinstance(replies, AsyncGenerator):
                with anyio.CancelScope(shield=True):
                    await replies.aclose()
    except _GONE:
        raise
    except OverlayError as error:
        await _send(stream, protocol.error_reply(error))
    except Exception:
        _LOG.exception("a command could not be answered")
        await _send(stream, protocol.error_reply(OverlayError("the node failed to answer; its log says why")))


async def _line(stream: SocketStream) -> bytes:
    lines = protocol.Lines(protocol.LONGEST_REQUEST)
    while (line := lines.take()) is None:
        lines.feed(await stream.receive())
    return line


async def _send(stream: SocketStream, reply: object) -> None:
    with anyio.fail_after(SEND_S):
        await stream.send(msgspec.json.encode(reply) + b"\n")


def _is_ours(stream: SocketStream) -> bool:
    """True if our own user or root asks; modes say so already, this holds where they were loosened."""
    raw = stream.extra(SocketAttribute.raw_socket)
    credentials = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())


def _lock(path: Path) -> int:
    """Whoever holds this lock owns the socket beside it, so a socket found by its holder is a dead node's."""
    file = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise NotPermitted(f"{file} cannot be opened: {error.strerror}", f"sudo rm {file}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(f"a node is running at {path}", "overlay leave ends it; overlay status shows it") from None
    return descriptor


def _bind(path: Path) -> socket.socket:
    if path.is_socket():
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener
