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
    jitter_ms: float | None = None
    """Mean deviation of its round trips; None: too few were measured."""


class Stated(Struct, frozen=True):
    """What routing reads in a member's record."""

    links: tuple[Listed, ...]
    """Through whom it can be reached, at costs of 0..MAX_COST: nobody else's word makes a link to it."""
    relay: bool
    """It carries for others."""


class Candidate(Struct, frozen=True):
    """A neighbour that may carry to a target."""

    relay: NodeId
    cost_ms: float
    """Of the whole way, weighed: our link, and what records say of the rest or what was measured over it."""
    through: tuple[NodeId, ...]
    """The relays as the records have it, `relay` first; the first one alone where nothing is known of the rest."""
    stated_ms: float | None = None
    """What records say it costs, measured or not; None: they know no way."""
