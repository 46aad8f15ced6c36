"""The six verbs every machine has.

A machine is a room without windows: it knows only what it is handed and acts only by what it returns. It gets time
as `now` (seconds, CLOCK_BOOTTIME in the shell, virtual in a world) and dice as `entropy`; it never awaits, opens,
logs, reads a clock or holds another machine's hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

Fact = TypeVar("Fact", contravariant=True)
Command = TypeVar("Command", covariant=True)
Event = TypeVar("Event", covariant=True)


class Machine(Protocol, Generic[Fact, Command, Event]):
    """An inner room; edge machines (node, engine, session) also have `receive`."""

    def tell(self, fact: Fact, *, now: float) -> None:
        """Hand over what is known now."""

    def next_timeout(self) -> float | None:
        """The moment `handle_timeout` wants to be called at, or None."""

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due at `now`."""

    def commands(self) -> Iterator[Command]:
        """Drain what is to be done, oldest first."""

    def events(self) -> Iterator[Event]:
        """Drain what happened, oldest first."""
