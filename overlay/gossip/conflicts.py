"""Rival claims and foul play, in words for people; each is told when it begins, changes or ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from overlay.gossip.addresses import Bindings
from overlay.gossip.events import Conflict, ConflictOver
from overlay.gossip.record import Record
from overlay.values import NodeId

TOLD = 4
"""Conflicts, and rivals of each, that are told by name."""
FLOOD = 64
"""New ids, or claims, of one neighbour that found no room before a person is told."""


def address_text(bindings: Bindings, called: Callable[[NodeId], str]) -> str:
    """Which addresses several members claim, and whose they are; empty for none."""
    texts = [
        f"{address} is claimed by {', '.join(map(called, claims[:TOLD]))}; it is {called(claims[0])}'s"
        for address, claims in bindings.rivals(TOLD)
    ]
    return "; ".join(texts)


def name_text(own: Record, name: str) -> str:
    """That another has our name too; empty if none has."""
    return "" if name == own.name else f"{own.name} is another member's name too: here it is {name}"


def clone_text(clone: Record | None) -> str:
    """That a copy of this device is running; empty if none is."""
    if clone is None:
        return ""
    where = next((f" at {each.address}" for each in clone.endpoints if each.kind != "local"), "")
    return f"another device runs with the identity of this one: it calls itself {clone.name}{where}"


def flood_text(refused: dict[NodeId, int], called: Callable[[NodeId], str]) -> str:
    """Who brings more unknown members than are believed; empty if nobody does."""
    who = _worst(refused, called)
    return who and f"{who} brings unknown members faster than they are believed; those beyond wait or stay unknown"


def claims_text(refused: dict[NodeId, int], called: Callable[[NodeId], str]) -> str:
    """Who goes on saying that members are gone that are there; empty if nobody does."""
    who = _worst(refused, called)
    return who and f"{who} says, or passes on, that members are gone that are there; it is believed seldom now"


def _worst(refused: dict[NodeId, int], called: Callable[[NodeId], str]) -> str:
    worst = sorted((node for node, count in refused.items() if count >= FLOOD), key=lambda node: -refused[node])
    return ", ".join(map(called, worst[:TOLD]))


class Conflicts:
    """What was told."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def news(self, now_there: dict[str, str]) -> Iterator[Conflict | ConflictOver]:
        """What differs from what was told last; `now_there`: code -> text, empty for none."""
        there = {code: text for code, text in now_there.items() if text}
        before, self._told = self._told, there
        for code, text in there.items():
            if before.get(code) != text:
                yield Conflict(code, text)
        for code in before:
            if code not in there:
                yield ConflictOver(code)
