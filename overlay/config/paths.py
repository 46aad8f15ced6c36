"""Where a node keeps its files and its socket (contract, Commands; names as in protocol section 10).

         root, service               everybody else
state    /var/lib/overlay/NETWORK    $XDG_STATE_HOME/overlay/NETWORK         (~/.local/state)
config   /etc/overlay/NETWORK.toml   $XDG_CONFIG_HOME/overlay/NETWORK.toml   (~/.config)
socket   /run/overlay/NETWORK.sock   $XDG_RUNTIME_DIR/overlay/NETWORK.sock   (/tmp/overlay-UID)
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from overlay.config.names import file_stem
from overlay.errors import AlreadyRunning, NotPermitted, OverlayError

SYSTEM_SOCKETS = Path("/run/overlay")
TEMPORARY = Path("/tmp")
_SYSTEM_STATE = Path("/var/lib/overlay")
_SYSTEM_CONFIG = Path("/etc/overlay")

_ANOTHER = "name another with --state-dir or --socket"


def state_dir(network: str, environ: Mapping[str, str], uid: int) -> Path:
    """The folder of `network`'s identity, memory and log."""
    base = _SYSTEM_STATE if uid == 0 else _xdg(environ, "XDG_STATE_HOME", ".local/state")
    return base / file_stem(network)


def config_file(network: str, environ: Mapping[str, str], uid: int) -> Path:
    """The config read without -c, if it is there."""
    base = _SYSTEM_CONFIG if uid == 0 else _xdg(environ, "XDG_CONFIG_HOME", ".config")
    return base / f"{file_stem(network)}.toml"


def socket_path(network: str, environ: Mapping[str, str], uid: int) -> Path:
    """Where a node of this user listens for commands."""
    folder = SYSTEM_SOCKETS if uid == 0 else user_sockets(environ, uid)
    return folder / f"{file_stem(network)}.sock"


def user_sockets(environ: Mapping[str, str], uid: int) -> Path:
    """The folder of a user's own sockets."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return Path(runtime) / "overlay" if runtime.startswith("/") else TEMPORARY / f"overlay-{uid}"


def socket_folders(environ: Mapping[str, str], uid: int) -> list[Path]:
    """The folders in which commands look for nodes, in this order.

    A folder under /tmp counts only if it is the user's own: anybody could have made one with a false node in it.
    """
    own = user_sockets(environ, uid)
    if own.parent == TEMPORARY and own.exists() and own.lstat().st_uid != uid:
        return [SYSTEM_SOCKETS]
    return [SYSTEM_SOCKETS, own]


def secure_folder(folder: Path, mode: int = 0o700) -> None:
    """Make `folder` if it is missing (missing ones above it 0755), and make sure that only this user writes there.

    Raises:
        NotPermitted: it may not be made, belongs to another user, or others may write to it.
        OverlayError: it cannot be made, or not be written to (code `folder`).
    """
    try:
        folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = not folder.exists()
        folder.mkdir(mode=mode, exist_ok=True)
        if new:
            folder.chmod(mode)  # whatever the umask: others must see that the node is not theirs
        found = folder.stat()
    except PermissionError:
        raise NotPermitted(f"the folder {folder} may not be made or looked into", _grant(folder)) from None
    except OSError as error:
        raise OverlayError(f"the folder {folder} cannot be made: {error.strerror}", _ANOTHER, code="folder") from None
    if found.st_uid != os.geteuid():
        raise NotPermitted(f"the folder {folder} belongs to user {found.st_uid}", _grant(folder))
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise NotPermitted(f"others may write to the folder {folder}", f"chmod go-w {folder}")
    if not os.access(folder, os.W_OK):
        raise OverlayError(f"the folder {folder} is read-only", _ANOTHER, code="folder")


def hold(folder: Path) -> int:
    """Lock a state folder until this process (and what it forked) ends; returns the descriptor that holds it.

    Raises:
        AlreadyRunning: another node lives in it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(
            f"a node with the state folder {folder} is running", "overlay leave, or another --state-dir"
        ) from None
    return descriptor


def _grant(folder: Path) -> str:
    return f"run it as root: sudo overlay ..., or own the folder: sudo chown -R {os.geteuid()} {folder}"


def _xdg(environ: Mapping[str, str], name: str, fallback: str) -> Path:
    """The XDG base directory, which counts only if absolute (XDG Base Directory Specification)."""
    base = environ.get(name, "")
    return Path(base if base.startswith("/") else Path.home() / fallback) / "overlay"
