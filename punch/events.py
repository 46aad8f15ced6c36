"""What happened in the engine."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from punch.values import Endpoint, NatProfile, PeerId, SocketId

State = Literal["idle", "running", "succeeded", "failed", "infeasible", "off"]
"""Of one peer's attempts (contract, `punch.state`)."""


class ProfileChanged(Struct, frozen=True):
    """What is known of our own NAT changed: the record should say so."""

    profile: NatProfile


class ReflexiveFound(Struct, frozen=True):
    """Our main socket is seen from outside at this endpoint."""

    endpoint: Endpoint


class HoleOpened(Struct, frozen=True):
    """A probe of `peer` came through: it is reached from `via` at `endpoint`. `via` is no longer the engine's."""

    peer: PeerId
    via: SocketId
    endpoint: Endpoint
    lifetime: float | None
    """Seconds a mapping lives without traffic on the stricter side, if known."""


class AttemptStarted(Struct, frozen=True):
    """An attempt for `peer` began."""

    peer: PeerId
    number: int
    """How many there were for this peer, this one counted."""
    strategy: str


class AttemptEnded(Struct, frozen=True):
    """It ended: `reason` is a fixed word, `text` for people."""

    peer: PeerId
    state: State
    reason: str
    text: str


Event = ProfileChanged | ReflexiveFound | HoleOpened | AttemptStarted | AttemptEnded


class PeerView(Struct, frozen=True, kw_only=True):
    """One peer's punching as `status` and `why` show it."""

    state: State
    strategy: str = ""
    attempts: int = 0
    probes: int = 0
    """Packets of the present or last attempt that drew from the budget, ours."""
    planned: int = 0
    """Ports the present search may try at most."""
    reason: str = ""
    text: str = ""
    fix: tuple[str, ...] = ()
    """What would help, the easiest first."""
    retry: float | None = None
    """When it is tried again by itself."""
    journal: tuple[str, ...] = ()
    """Of the last attempts, oldest first: what was measured, tried, ended because."""
    remote: NatProfile | None = None
    """What the peer said of its NAT."""


class BudgetView(Struct, frozen=True, kw_only=True):
    """The budget as `punch` shows it."""

    probes_sent: int
    """Packets of attempts: probes, holes, samples, refreshes, answers."""
    probes_received: int
    entries_live: int
    """Destinations touched in the last 30 s and not answered."""
    rate: float
    """Packets a second allowed now."""
    measured: int = 0
    """Packets that only measured our own NAT: under the same ceilings, counted apart."""
