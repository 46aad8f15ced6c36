"""What the terminal can do: colour, width, characters."""

from __future__ import annotations

import os
import unicodedata
from typing import NamedTuple, Self, TextIO

_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}


class Pen:
    """Paints text, or leaves it alone."""

    def __init__(self, *, colour: bool) -> None:
        self.colour = colour

    @classmethod
    def of(cls, stream: TextIO) -> Self:
        """A pen for `stream`: colour on a terminal only, and never with NO_COLOR (no-color.org)."""
        wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(colour=wanted)

    def __call__(self, text: str, *looks: str) -> str:
        codes = [str(_CODES[look]) for look in looks if look]
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self.colour and codes and text else text


class Canvas(NamedTuple):
    """Where a view is drawn."""

    pen: Pen
    width: int | None
    """Columns; None where lines may be as long as they like."""
    plain: bool
    """ASCII only."""

    @classmethod
    def of(cls, stream: TextIO) -> Self:
        """The canvas that `stream` is."""
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        return cls(Pen.of(stream), size(stream)[0] if stream.isatty() else None, not encoding.startswith("utf"))


def size(stream: TextIO) -> tuple[int, int]:
    """Columns and lines of the terminal behind `stream`; 80 by 24 if it does not say."""
    try:
        found = os.get_terminal_size(stream.fileno())
    except OSError:
        return 80, 24
    return found.columns or 80, found.lines or 24


def columns(text: str) -> int:
    """How many columns `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def cut(text: str, width: int, canvas: Canvas) -> str:
    """`text` in at most `width` columns."""
    if columns(text) <= width:
        return text
    mark = "..." if canvas.plain else "\N{HORIZONTAL ELLIPSIS}"
    while text and columns(text) + len(mark) > width:
        text = text[:-1]
    return text + mark
