"""Who carries to a peer, best first; which links of ours the record names.

Only the target vouches: a relay that it lists counts before any that it does not. Ties go to the order in which
neighbours are handed over, so that no choice hangs on the bytes of a key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from overlay.routing.costs import STEP, cost, cost_ms, weighed_ms
from overlay.routing.values import Listed, Neighbour, Target
from overlay.values import NodeId

MAX_LINKS = 8
"""Links that a record names (protocol section 8)."""


def relay_candidates(
    target: Target,
    neighbours: Sequence[Neighbour],
    *,
    denied: Collection[NodeId] = (),
    current: NodeId | None = None,
) -> list[NodeId]:
    """The neighbours that may carry to `target`, the one to ask first in front.

    Relays that the target lists, by the cost of both links together; without any link of the target's known, every
    relay, by the cost of ours. Those in `denied` refused within the last minute. `current` carries now and stays in
    front unless another is cheaper by more than a step.
    """
    able = [n for n in neighbours if n.relay and n.id != target.id and n.id not in denied]
    if target.links:
        theirs = dict(reversed(target.links))
        totals = [(weighed_ms(n.rtt_ms, n.loss) + cost_ms(theirs[n.id]), n.id) for n in able if n.id in theirs]
    else:
        totals = [(weighed_ms(n.rtt_ms, n.loss), n.id) for n in able]
    totals.sort(key=lambda total: total[0])
    ranked = [node for _, node in totals]
    for total, node in totals:
        if node == current and total <= STEP * totals[0][0]:
            ranked.remove(node)
            ranked.insert(0, node)
    return ranked


def own_links(neighbours: Iterable[Neighbour], *, before: Sequence[Listed] = ()) -> tuple[Listed, ...]:
    """The links our record names: relays first, then the cheapest, eight at most, each with its cost.

    `before` is what it named last: costs near the old ones stay, and equal links keep their order.
    """
    old = dict(before)
    place = {node: index for index, (node, _) in enumerate(before)}
    ranked = sorted(
        (
            (not n.relay, cost(n.rtt_ms, n.loss, before=old.get(n.id)), place.get(n.id, len(place)), n.id)
            for n in neighbours
        ),
        key=lambda entry: entry[:3],
    )
    return tuple((node, steps) for _, steps, _, node in ranked[:MAX_LINKS])
