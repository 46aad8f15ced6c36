"""The secret: read from one of its sources, never expanded, never shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from overlay.config.schema import Config
from overlay.errors import NotPermitted, UsageError

_LONGEST = 64 * 1024
"""Bytes; a longer file is a slip, not a secret."""

_FIX = "give --secret-file F, OVERLAY_SECRET, or run it in a terminal, where it is asked for"


def read_secret(config: Config, *, stdin: BinaryIO | None = None, ask: Callable[[], str] | None = None) -> str:
    """The secret that `config` holds or points to, else what `ask` gets; as it stands there.

    Bringing it to NFC without its last newline is `overlay.identity.secret_bytes`' affair, for all sources alike.

    `ask` is None where there is no terminal; `stdin` is read for the file `-`.

    Raises:
        UsageError: there is none, it is empty or no UTF-8, or its file cannot be read.
        NotPermitted: its file may not be read.
    """
    if config.secret:
        return _given(config.secret, "the secret")
    if config.secret_file == "-" and stdin is not None:
        return _decoded(stdin.read(_LONGEST + 1), "the secret on stdin")
    if config.secret_file:
        return _decoded(_file(Path(config.secret_file)), f"the secret in {config.secret_file}")
    if ask is None:
        raise UsageError("no secret is given", _FIX, code="no_secret")
    return _given(ask(), "the secret")


def readable_by_others(config: Config) -> bool:
    """True if users besides its owner and group may read the secret's file."""
    if config.secret_file in ("", "-"):
        return False
    try:
        return bool(os.stat(config.secret_file).st_mode & 0o004)
    except OSError:
        return False


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST + 1)
    except PermissionError:
        raise NotPermitted(f"the secret file {path} may not be read", f"sudo chown {os.geteuid()} {path}") from None
    except OSError as error:
        raise UsageError(f"the secret file {path} cannot be read: {error.strerror}", _FIX, code="no_secret") from None


def _decoded(raw: bytes, what: str) -> str:
    if len(raw) > _LONGEST:
        raise UsageError(f"{what} is longer than {_LONGEST} bytes", _FIX)
    try:
        return _given(raw.decode(), what)
    except UnicodeDecodeError:
        raise UsageError(f"{what} is not UTF-8", _FIX) from None


def _given(secret: str, what: str) -> str:
    if not secret.removesuffix("\n"):
        raise UsageError(f"{what} is empty", _FIX, code="no_secret")
    return secret
