"""What a row is: one round of it, and what it must reach."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from tools.bench.mesh.table import Goal


class Settings(Struct, frozen=True, kw_only=True):
    """What the person chose."""

    rounds: int | None = None
    seconds: float = 12.0
    game_seconds: float = 120.0
    idle_seconds: float = 60.0
    minutes: float = 30.0
    members: int = 30


Figures = dict[str, float]
Run = Callable[[Settings, int], Figures]
"""One round: settings and its seed -> figures."""


class Row(Struct, frozen=True, kw_only=True):
    """One row."""

    name: str
    about: str
    rounds: int
    run: Run
    goals: tuple[Goal, ...]
    beside: tuple[str, ...] = ()
    """Figures told without a goal."""
