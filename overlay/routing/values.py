"""What routing looks at."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import NodeId

Listed = tuple[NodeId, int]
"""A link of a record: 'I can be reached through this node', at a cost in steps of 1.5x."""


class Neighbour(Struct, frozen=True):
    """A member we have a session with and a proven direct way to."""

    id: NodeId
    rtt_ms: float | None
    """Smoothed round trip of the direct way; None: not measured yet."""
    loss: float | None
    """0..1; None: not measured yet, counts as none."""
    relay: bool
    """Its record says that it carries for others."""


class Target(Struct, frozen=True):
    """A member as its record describes it."""

    id: NodeId
    links: tuple[Listed, ...]
    """Whom it lists; empty while nothing is known."""
