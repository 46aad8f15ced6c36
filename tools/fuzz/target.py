"""What a target is."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from msgspec import Struct

Feed = Callable[[bytes], None]
"""Takes one input; raises only when the house is at fault."""


class Target(Struct, frozen=True):
    """A parser, or a machine that is fed bytes."""

    name: str
    corpus: Callable[[], Sequence[bytes]]
    """Valid inputs."""
    room: Callable[[], Feed]
    """A fresh feeder; machines remember what they were fed, so each block of inputs gets its own."""
    polish: Callable[[bytes, random.Random], bytes] | None = None
    """Mends what an outer check would stop every input at (a MAC, say), now and then."""


def refusing(parse: Callable[[bytes], object], *refusals: type[Exception]) -> Callable[[], Feed]:
    """The room of a pure parser that says no with one of `refusals`."""

    def feed(data: bytes) -> None:
        try:
            parse(data)
        except refusals:
            return

    return lambda: feed
