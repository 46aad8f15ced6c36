"""The engine's journal of a peer as people read it.

18366.50 s  we ask them                   0.00 s  we ask them
18366.61 s    we: NAT4 ...; they: ...     0.11 s    we: NAT4 ...; they: ...
18366.61 s  ended: off (...), 0 packets   0.11 s  ended: ..., 0 packets
18396.61 s  we ask them                   (2 times more, the last at 60.11 s)
"""

from __future__ import annotations

import re
from itertools import groupby

from punch.detect.words import spoken

_STAMP = re.compile(r"([0-9]+\.[0-9]+) s  (.*)", re.DOTALL)
"""How a line of the journal begins: seconds of the node's clock, which nobody reads."""
_INSIDE = ("  ", "ended")
"""How a line begins that belongs to the attempt above it."""


def from_first(lines: list[str]) -> list[str]:
    """The journal with seconds counted from its first line."""
    stamps = [_STAMP.fullmatch(line) for line in lines]
    began = next((float(stamp[1]) for stamp in stamps if stamp), 0.0)
    return [
        f"{float(stamp[1]) - began:.2f} s  {stamp[2]}" if stamp else line
        for line, stamp in zip(lines, stamps, strict=True)
    ]


def told(lines: list[str]) -> list[str]:
    """The lines of `from_first` with fixed words spelled out, and an attempt told once that came again and again."""
    shown: list[str] = []
    for _, same in groupby(_attempts(lines), key=lambda attempt: [_text(line) for line in attempt[1:]] or attempt):
        attempts = list(same)
        shown += [line.replace(text := _text(line), spoken(text)) for line in attempts[0]]
        if len(attempts) > 1:
            count = "once more" if len(attempts) == 2 else f"{len(attempts) - 1} times more, the last"
            shown.append(f"(the same {count} at {attempts[-1][-1].partition('  ')[0]})")
    return shown


def _attempts(lines: list[str]) -> list[list[str]]:
    """The journal cut where an attempt begins."""
    found: list[list[str]] = []
    for line in lines:
        if found and _text(line).startswith(_INSIDE):
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _text(line: str) -> str:
    """A line without its time."""
    stamp = _STAMP.fullmatch(line)
    return stamp[2] if stamp else line
