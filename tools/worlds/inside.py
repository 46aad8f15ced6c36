"""What the invariants look at inside a node: the one place that opens its drawers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from overlay.node.rooms import Rooms
from overlay.relay.commands import Forward
from overlay.shell.virtual import VirtualNode
from overlay.values import Label, NodeId
from punch.events import BudgetView

_LEAVES = (str, bytes, bytearray, memoryview, int, float, bool, type(None))
_SHARED = ("Setup", "Identity", "NetworkKeys", "Random", "SystemRandom", "MemoryPlane", "MemoryTun")
"""Kinds of things that are not a node's own tables."""


def rooms(node: VirtualNode) -> Rooms:
    """The rooms of a node."""
    return node.node._rooms


def forwards(node: VirtualNode) -> Mapping[Label, Forward]:
    """What it carries for others."""
    return rooms(node).forwards


def changes(node: VirtualNode) -> int:
    """Counts the changes of its plane's tables."""
    return node.plane._movers.tables.version


def records(node: VirtualNode) -> int:
    """How many records it holds."""
    return len(rooms(node).gossip._members)


def when_held(node: VirtualNode, held: Callable[[NodeId, int], None]) -> None:
    """Call `held` with the id and the sequence of every record that the node holds, and takes from now on."""
    members: Any = rooms(node).gossip._members
    put = members.put

    def heard(record: Any, *rest: Any, **more: Any) -> Any:
        held(record.id, record.sequence)
        return put(record, *rest, **more)

    for each in members.all():
        held(each.record.id, each.record.sequence)
    setattr(members, "put", heard)  # noqa: B010


def budget(node: VirtualNode, *, now: float) -> tuple[BudgetView, int, int]:
    """What the engine spends, and its ceilings: entries, packets a second."""
    punching = rooms(node).paths.punching
    return punching.budget(now=now), punching.config.max_entries, punching.config.max_pps


def drops(node: VirtualNode) -> dict[str, int]:
    """Everything it dropped, by reason."""
    inside = rooms(node)
    tables = (inside.drops, inside.session.drops, inside.relay.drops, inside.paths.drops, inside.gossip.drops)
    counts: dict[str, int] = {}
    for table in (*tables, inside.paths.punching.drops, inside.partial.drops, node.plane._movers.tables.drops):
        for reason, count in table.items():
            counts[reason] = counts.get(reason, 0) + count
    return counts


def weigh(node: VirtualNode) -> dict[str, int]:
    """Entries in the node's tables, by where they are; `all` of them together."""
    sizes: dict[str, int] = {}
    seen: dict[int, None] = {}
    stack: list[tuple[str, Any]] = [("node", rooms(node)), ("plane", node.plane._movers.tables)]
    while stack:
        where, thing = stack.pop()
        if isinstance(thing, _LEAVES) or id(thing) in seen or callable(thing):
            continue
        seen[id(thing)] = None
        children = list(_children(where, thing))
        if isinstance(thing, dict | list | tuple | set | frozenset) or hasattr(thing, "popleft"):
            sizes[where] = sizes.get(where, 0) + len(thing)
        stack += children
    sizes["all"] = sum(sizes.values())
    return sizes


def _children(where: str, thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, dict):
        for value in thing.values():
            yield where, value
    elif isinstance(thing, list | tuple | set | frozenset) or hasattr(thing, "popleft"):
        for value in thing:
            yield where, value
    elif type(thing).__module__.startswith(("overlay.", "punch.")) and type(thing).__name__ not in _SHARED:
        for name in _fields(thing):
            if (value := getattr(thing, name, None)) is not None:
                yield f"{type(thing).__name__}.{name}", value


def _fields(thing: Any) -> Iterator[str]:
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots
    yield from getattr(thing, "__dict__", ())
    yield from getattr(thing, "__struct_fields__", ())
