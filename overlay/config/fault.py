"""A fault in the settings: where, which key, what was expected, and the nearest thing that would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from overlay.logs import clean


class Fault(Struct, frozen=True, kw_only=True):
    """One fault; `str()` is the line a person reads."""

    where: str
    """A file's path, `command line` or `environment`."""
    line: int | None = None
    """From 1, in a file."""
    key: str
    """As its person wrote it: `node.port`, `--port`, `OVERLAY_PORT`; empty for the whole file."""
    text: str
    """What is wrong, or the value that is."""
    expected: str = ""
    nearest: str = ""
    """The valid name nearest to the wrong one."""

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        said = ": ".join(part for part in (place, self.key, self.text) if part)
        said += f"; expected {self.expected}" if self.expected else ""
        said += f"; did you mean {self.nearest}?" if self.nearest else ""
        return clean(said)


def shown(value: object) -> str:
    """`value` as it would stand in the file, short enough for a line."""
    try:
        text = msgspec.json.encode(value, enc_hook=str).decode()
    except (TypeError, ValueError, msgspec.MsgspecError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(word: str, candidates: Iterable[str]) -> str:
    """The candidate most like `word`; empty if none is."""
    found: list[Any] = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return str(found[0]) if found else ""


def nearest_key(key: str, keys: Iterable[str]) -> str:
    """The dotted key whose last part is most like that of `key`: a slip of spelling, or a table forgotten."""
    by_last: dict[str, str] = {}
    for other in keys:
        by_last.setdefault(other.rpartition(".")[2], other)
    return by_last.get(nearest(key.rpartition(".")[2], by_last), "")
