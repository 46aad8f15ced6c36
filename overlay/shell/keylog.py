"""`--debug-keys FILE`: control and data keys as they are made, so that the dissector opens a capture.

    control 0 aes256gcm 9f..c1 from 5a1c.. to 77e0..
    data    0 aes256gcm 03..7b from 5a1c.. to 77e0..

class, epoch in the header, cipher, 32 bytes of key, who seals with it and who opens: ids in hexadecimal. Whoever has
the file and a capture reads everything said meanwhile; it cannot open what was said before, or make a session.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from overlay.errors import OverlayError
from overlay.node.events import Event, KeysMade
from overlay.values import NodeId


class KeyLog:
    """An open file, 0600; lines are written at once."""

    def __init__(self, path: Path, own: NodeId) -> None:
        """Create or lengthen the file.

        Raises:
            OverlayError: it cannot be written, or others may read it: it is no plain file, another user's, or has a
                second name (code `debug_keys`).
        """
        try:
            self._file = _open(path)
        except OSError as error:
            text = f"the keys cannot be written to {path}: {error.strerror or error}"
            raise OverlayError(text, "name another file, or leave out --debug-keys", code="debug_keys") from None
        self._own = own

    def heard(self, event: Event) -> None:
        """Write the keys, if it tells any."""
        if not isinstance(event, KeysMade):
            return
        made = event.keys
        sends = f"from {self._own.hex()} to {made.peer.hex()}\n"
        takes = f"from {made.peer.hex()} to {self._own.hex()}\n"
        rows = (
            ("control", made.seal_epoch, made.seal_control, sends),
            ("data", made.seal_epoch, made.seal_data, sends),
            ("control", made.open_epoch, made.open_control, takes),
            ("data", made.open_epoch, made.open_data, takes),
        )
        lines = [f"{name} {epoch} {made.cipher} {key.hex()} {ends}" for name, epoch, key, ends in rows]
        with contextlib.suppress(OSError):  # a full disk ends the log, not the node
            os.write(self._file, "".join(lines).encode())

    def close(self) -> None:
        """No key is written any more."""
        os.close(self._file)


def _open(path: Path) -> int:
    """The file, ours alone; a pipe that nobody reads does not hold us up (O_NONBLOCK, open(2))."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags, 0o600)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is no plain file")
        if found.st_uid != os.geteuid():
            raise OSError("it belongs to another user")
        if found.st_nlink != 1:
            raise OSError("it has a second name")
        os.fchmod(file, 0o600)
    except OSError:
        os.close(file)
        raise
    return file
