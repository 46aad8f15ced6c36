"""One name, one member: equal names get numbers (protocol section 8)."""

from __future__ import annotations

from collections.abc import Iterable

from overlay.values import NodeId

MAX_LABEL = 63
"""RFC 1035 section 2.3.4: characters of a DNS label."""


def unique_names(members: Iterable[tuple[NodeId, str]]) -> dict[NodeId, str]:
    """What each member is called here: of equal names the smallest id keeps the bare one, the next are `-2`, `-3` ..

    Names are compared as DNS does, without case. A number that is somebody's own name (`home-2`) is left out. The
    answer depends on the members alone, never on the order they came in, so that all nodes agree.
    """
    groups: dict[str, list[tuple[NodeId, str]]] = {}
    for node, name in members:
        groups.setdefault(name.lower(), []).append((node, name))
    given: dict[NodeId, str] = {}
    taken = dict.fromkeys(groups)
    for key in sorted(groups):
        first, *others = sorted(groups[key])
        given[first[0]] = first[1]
        number = 1
        for node, name in others:
            number, label = _next_free(name, number + 1, taken)
            taken[label.lower()] = None
            given[node] = label
    return given


def _next_free(name: str, number: int, taken: dict[str, None]) -> tuple[int, str]:
    """The first of `name-number`, `name-(number + 1)` .. that nobody has."""
    while True:
        suffix = f"-{number}"
        label = name[: MAX_LABEL - len(suffix)].rstrip("-") + suffix
        if label.lower() not in taken:
            return number, label
        number += 1
