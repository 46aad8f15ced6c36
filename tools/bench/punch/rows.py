"""The pairs that are measured, what each must reach at least, and what we aim at."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Outcome = Literal["direct", "bounded", "infeasible", "off"]
"""direct: it must get there; bounded: it may; infeasible: it says so and sends nothing; off: it sends nothing."""

PATIENCE = 45.0
"""Seconds from the first ping after which a run has failed: the first attempt, and the one after 30 s."""


class Bound(Struct, frozen=True):
    """A row's bound: seconds and packets of both sides."""

    median_s: float
    p95_s: float
    packets: float


class Goal(Struct, frozen=True, kw_only=True):
    """What must be reached, and what we aim at."""

    floor: Bound
    aim: Bound


class Row(Struct, frozen=True, kw_only=True):
    """One pair of NATs, in a scenario with the hosts vps, anna and ben."""

    name: str
    title: str
    scenario: str
    goal: Goal | None = None
    options: tuple[str, ...] = ()
    """Of `overlay join` on anna and ben."""
    outcome: Outcome = "direct"
    patience: float = PATIENCE


_EASY = Goal(floor=Bound(0.8, 1.5, 20), aim=Bound(0.4, 1.5, 8))
_COUNTING = Goal(floor=Bound(2, 4, 120), aim=Bound(1, 4, 60))
_BLOCK = Goal(floor=Bound(3, 6, 400), aim=Bound(1.5, 6, 150))
_UNIFORM = Goal(floor=Bound(6, 16, 900), aim=Bound(3.5, 16, 500))
_BOTH = Goal(floor=Bound(4, 10, 300), aim=Bound(2, 10, 150))
_TRY_BOTH = ("--nat4-nat4", "auto")

ROWS = (
    Row(name="nat3-nat3", title="NAT3 - NAT3", scenario="nat3-nat3", goal=_EASY),
    Row(name="nat1-uniform", title="NAT1 - NAT4 uniform", scenario="nat1-uniform", goal=_EASY),
    Row(name="seq+1", title="NAT3 - NAT4 sequential +1", scenario="nat3-seq-up", goal=_COUNTING),
    Row(name="seq-1", title="NAT3 - NAT4 sequential -1", scenario="nat3-seq-down", goal=_COUNTING),
    Row(name="seq+2", title="NAT3 - NAT4 sequential +2, 5 foreign/s", scenario="nat3-seq-two", goal=_COUNTING),
    Row(name="seq-busy", title="NAT3 - NAT4 sequential, 100 foreign/s", scenario="nat3-seq-busy", goal=_COUNTING),
    Row(name="block", title="NAT3 - NAT4 block of 1,024", scenario="nat3-block", goal=_BLOCK),
    Row(name="uniform", title="NAT3 - NAT4 uniform (userspace NAT)", scenario="nat3-uniform", goal=_UNIFORM),
    Row(name="fully-random", title="NAT3 - NAT4 uniform (netfilter)", scenario="mixed-nat", goal=_UNIFORM),
    Row(name="seq-seq", title="NAT4 - NAT4 sequential", scenario="seq-seq", options=_TRY_BOTH, goal=_BOTH),
    Row(
        name="seq-seq-busy",
        title="NAT4 - NAT4 sequential, 100 foreign/s each",
        scenario="seq-seq-busy",
        options=_TRY_BOTH,
        goal=_BOTH,
    ),
    Row(
        name="block-seq",
        title="NAT4 block - NAT4 sequential",
        scenario="block-seq",
        options=_TRY_BOTH,
        outcome="bounded",
    ),
    Row(
        name="infeasible",
        title="NAT4 - NAT4 uniform",
        scenario="two-nat",
        options=_TRY_BOTH,
        outcome="infeasible",
        goal=Goal(floor=Bound(1, 1, 0), aim=Bound(1, 1, 0)),
        patience=10.0,
    ),
    Row(
        name="off",
        title="NAT3 - NAT4, punching off",
        scenario="mixed-nat",
        options=("--punch", "off"),
        outcome="off",
        goal=Goal(floor=Bound(0, 0, 0), aim=Bound(0, 0, 0)),
        patience=6.0,
    ),
)
