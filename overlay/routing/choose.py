"""Which links of ours the record names: relays, the cheapest first, and some that lead where the others do not.

cheapest relays ... | two that neither list nor are listed by any of those: the other side of a bridge | others
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from overlay.routing.costs import cost
from overlay.routing.values import Listed, Neighbour
from overlay.values import NodeId

STEPS = 2
"""Links from a neighbour to those who count as near it."""
MAX_LINKS = 8
"""Links that a record names (protocol section 8)."""
APART = 2
"""Of these, for relays that know none of the rest: without them a mesh of two halves would fall apart in the records
where its bridge has eight nearer neighbours."""


def own_links(
    neighbours: Iterable[Neighbour],
    *,
    before: Sequence[Listed] = (),
    lists: Callable[[NodeId], Sequence[NodeId]] = lambda node: (),
) -> tuple[Listed, ...]:
    """The links our record names: relays first, then the cheapest, eight at most, each with its cost.

    `before` is what it named last: costs near the old ones stay, and equal links keep their order. `lists` tells whom
    a member's own record names, but for us.
    """
    old = dict(before)
    place = {node: index for index, (node, _) in enumerate(before)}
    ranked = sorted(
        (
            (not n.relay, cost(n.rtt_ms, n.loss, n.jitter_ms, before=old.get(n.id)), place.get(n.id, len(place)), n.id)
            for n in neighbours
        ),
        key=lambda entry: entry[:3],
    )
    links = [(node, steps) for _, steps, _, node in ranked]
    if len(links) > MAX_LINKS:
        relays = sum(not entry[0] for entry in ranked)
        links = _spread(links[:relays], lists) + links[relays:]
    return tuple(links[:MAX_LINKS])


def _spread(relays: list[Listed], lists: Callable[[NodeId], Sequence[NodeId]]) -> list[Listed]:
    """The same relays, with up to two that stand apart moved among the first eight."""
    near, rest = relays[: MAX_LINKS - APART], relays[MAX_LINKS - APART :]
    reached = _reached((node for node, _ in near), lists)
    apart: list[Listed] = []
    for link in rest:
        node = link[0]
        if len(apart) < APART and node not in reached and not any(other in reached for other in lists(node)):
            apart.append(link)
            reached |= _reached((node,), lists)
    return near + apart + [link for link in rest if link not in apart]


def _reached(nodes: Iterable[NodeId], lists: Callable[[NodeId], Sequence[NodeId]]) -> set[NodeId]:
    """These, those whom they list, and those whom these list: on this side of any bridge. One step alone would find
    somebody apart in every crowd, another one whenever a record changes."""
    reached = dict.fromkeys(nodes)
    for _ in range(STEPS):
        reached |= dict.fromkeys(other for node in reached for other in lists(node))
    return set(reached)
