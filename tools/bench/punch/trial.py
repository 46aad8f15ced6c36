"""One run of one pair, as it was measured."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from overlay.lab import Lab
from tools.bench.punch.rows import Row

SETTLE = 3.0
"""Seconds between both sides' joining and the first ping."""


class Trial(Struct, frozen=True, kw_only=True):
    """Of one contender; None: not to be had of it."""

    success: bool
    """The row's outcome came about in time."""
    seconds: float | None
    """From the first relayed ping to direct on both sides (infeasible: from both profiles known to the verdict)."""
    packets: float | None
    """Of both sides, since the first ping: what drew from the budget; of rivals, what went to no public host."""
    in_all: float | None = None
    """The same since they started: what they are behind was measured before anybody wanted the path."""
    entries: tuple[int, int] | None = None
    """Most UDP entries alive at once because of anna (at router-a) and of ben (at router-b), those to vps too."""
    lost: int = 0
    """Pings that were not answered."""
    said: str = ""
    """What ended it, if it failed."""


class Contender(Protocol):
    """Anybody who can be put on the three hosts of a scenario."""

    name: str

    def joined(self, lab: Lab, row: Row) -> AbstractContextManager[str]:
        """vps, anna and ben up, anna and ben seeing each other by vps; yields ben's address inside."""
