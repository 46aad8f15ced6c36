"""What happened in a world: counted, hashed for comparison, and drawn when a test fails."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Callable, Collection

from msgspec import Struct

from punch.sim.host import Datagram
from punch.values import Endpoint

ARRIVED = "arrived"
"""The outcome of a datagram that its host received; every other word says why it was not."""


class Entry(Struct, frozen=True):
    """One datagram's end, or a remark."""

    at: float
    source: str
    """Host that sent it, or that the remark is about."""
    to: str
    """Host it was for, or its endpoint where no host is there; empty for a remark."""
    outcome: str
    """ARRIVED, a reason for its loss, or the remark."""
    datagram: Datagram | None


def first_bytes(payload: bytes) -> str:
    """A payload as its size and its first bytes."""
    return f"{len(payload)} B {payload[:4].hex()}"


class Journal:
    """The last `keep` things that happened, how often each outcome came, and a digest of all of them."""

    def __init__(self, *, keep: int = 2000, describe: Callable[[bytes], str] = first_bytes) -> None:
        self.describe = describe
        """Says in a word or two what a payload is."""
        self.counts: dict[str, int] = {}
        """Outcome -> datagrams."""
        self._entries: deque[Entry] = deque(maxlen=keep)
        self._hash = hashlib.blake2b(digest_size=16)

    def note(self, at: float, source: str, to: str | Endpoint, datagram: Datagram, outcome: str) -> None:
        """A datagram arrived, or did not; `to`: its host, or its endpoint where no host is there."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        self._entries.append(Entry(at, source, str(to), outcome, datagram))
        self._hash.update(struct.pack("<d", at) + f"{source}>{to} {outcome} ".encode())
        self._hash.update(datagram.payload)

    def remark(self, at: float, name: str, text: str) -> None:
        """Something worth seeing in the diagram, beside `name`."""
        self._entries.append(Entry(at, name, "", text, None))
        self._hash.update(struct.pack("<d", at) + f"{name}: {text}".encode())

    def entries(self) -> list[Entry]:
        """What is kept, oldest first."""
        return list(self._entries)

    def digest(self) -> str:
        """Equal for equal stories: time, ends, outcome and bytes of every datagram since the beginning."""
        return self._hash.hexdigest()

    def mermaid(self, *, last: int = 100, names: Collection[str] = ()) -> str:
        """The last lines as a Mermaid sequence diagram; `names`: only what these hosts sent or were sent.

        Equal lines that follow each other are drawn once, with their number.
        """
        aliases: dict[str, str] = {}
        drawn: list[tuple[tuple[str, str], float, int]] = []
        for entry in self._entries:
            if names and entry.source not in names and entry.to not in names:
                continue
            line = self._line(entry, aliases)
            if drawn and drawn[-1][0] == line:
                drawn[-1] = (line, drawn[-1][1], drawn[-1][2] + 1)
            else:
                drawn.append((line, entry.at, 1))
        heads = [f"participant {alias} as {_plain(name)}" for name, alias in aliases.items()]
        lines = [f"{arrow}: {at:.4f} {text}{_times(times)}" for (arrow, text), at, times in drawn[-last:]]
        return "\n    ".join(["sequenceDiagram", *heads, *lines])

    def _line(self, entry: Entry, aliases: dict[str, str]) -> tuple[str, str]:
        source = aliases.setdefault(entry.source, f"h{len(aliases)}")
        if entry.datagram is None:
            return (f"Note over {source}", _plain(entry.outcome))
        to = aliases.setdefault(entry.to, f"h{len(aliases)}")
        text = _plain(self.describe(entry.datagram.payload))
        if entry.outcome == ARRIVED:
            return (f"{source}->>{to}", text)
        return (f"{source}-x{to}", f"{text} ({_plain(entry.outcome)})")


class Quiet(Journal):
    """A journal for many worlds: it counts outcomes and keeps nothing."""

    def note(self, at: float, source: str, to: str | Endpoint, datagram: Datagram, outcome: str) -> None:
        """A datagram arrived, or did not."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1

    def remark(self, at: float, name: str, text: str) -> None:
        """Nothing is kept."""


def _times(times: int) -> str:
    return f" x{times}" if times > 1 else ""


def _plain(text: str) -> str:
    """Text that Mermaid takes as text: one line, without its separators."""
    return "".join(char if char.isprintable() and char not in ";#" else "." for char in text)
