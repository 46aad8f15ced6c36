"""The secret leaves the command line that `ps` shows.

/proc/PID/cmdline is the memory from arg_start to arg_end (fields 48 and 49 of /proc/PID/stat), words end with NUL:

overlay join -n home -s quiet-otter      ->      overlay join -n home -s *** NUL NUL NUL ...
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

_MASK = b"***"


def hide(secret: str) -> bool:
    """Overwrite `secret` in this process's command line; False if it still stands there."""
    wanted = secret.encode(errors="surrogateescape")
    sys.argv = [_masked_text(word, secret) for word in sys.argv]
    sys.orig_argv = [_masked_text(word, secret) for word in sys.orig_argv]
    try:
        start, end = _bounds()
        _overwrite(start, end - start, wanted)
        return wanted not in Path("/proc/self/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return False


def masked(words: Iterable[bytes], secret: bytes) -> list[bytes]:
    """Command line words with `secret` masked: as a word of its own, or behind `-s`, `-ds` or `--secret=`."""
    return [_masked_word(word, secret) for word in words]


def _masked_word(word: bytes, secret: bytes) -> bytes:
    before = word.removesuffix(secret)
    if before == word or not re.fullmatch(rb"|--secret=|-[a-z]*s", before):
        return word
    return before + _MASK[: len(secret)]


def _masked_text(word: str, secret: str) -> str:
    raw = _masked_word(word.encode(errors="surrogateescape"), secret.encode(errors="surrogateescape"))
    return raw.decode(errors="surrogateescape")


def _bounds() -> tuple[int, int]:
    """Where the command line begins and ends in this process's memory."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(fields[45]), int(fields[46])  # the part after the name begins with field 3


def _overwrite(start: int, size: int, secret: bytes) -> None:
    import ctypes  # only `join -s` pays for it

    line = ctypes.string_at(start, size)
    new = b"\0".join(masked(line.split(b"\0"), secret))
    ctypes.memmove(start, new.ljust(size, b"\0"), size)
