"""The cheapest ways to a target, searched backwards over who lists whom.

    target --lists--> X --lists--> Y --lists--> N       a packet goes the other way:  N -> Y -> X -> target
           cost of X->target  Y->X        N->Y

A record is only believed of its own node: X leads to Y where Y lists X, and only nodes that carry lead on.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection, Mapping

from overlay.routing.costs import MAX_COST, STEP
from overlay.routing.values import Stated
from overlay.values import NodeId

MOST_EDGES = 65_536
"""Links looked at in one search: twice what 4,096 honest records hold, so that absurd ones cost no more."""

Chain = tuple[NodeId, "Chain | None"]
"""A node and what follows it on the way to the target."""
_MS = [STEP**steps for steps in range(MAX_COST + 1)]

Found = dict[NodeId, tuple[float, tuple[NodeId, ...]]]
"""First relay -> (weighed milliseconds from it to the target, the relays on the way, itself first)."""


def ways_to(
    target: NodeId,
    members: Mapping[NodeId, Stated],
    starts: Collection[NodeId],
    *,
    links: int,
    avoid: Collection[NodeId] = (),
) -> Found:
    """The cheapest way from each of `starts` to `target` over `links` links at most, through nobody in `avoid`.

    A node is looked at again only where it is reached over fewer links than before, so at most `links` times.
    """
    found: Found = {}
    left = dict.fromkeys(start for start in starts if start != target and start not in avoid)
    shortest: dict[NodeId, int] = dict.fromkeys(avoid, 0)
    """Links of the shortest way a node was looked at by; 0: no way may lead through it."""
    asked: dict[NodeId, tuple[float, int]] = {}
    """Cost and links of the last way to a node that waits to be looked at."""
    order = itertools.count()
    heap: list[tuple[float, int, int, NodeId, Chain | None]] = [(0.0, 0, next(order), target, None)]
    shortest[target] = 1
    looked = 0
    while heap and left and looked < MOST_EDGES:
        cost, length, _, node, chain = heapq.heappop(heap)
        if shortest.get(node, links + 1) <= length:
            continue
        shortest[node] = length
        if node in left:
            del left[node]
            found[node] = (cost, _relays(chain))
        if length == links or (stated := members.get(node)) is None:
            continue
        length += 1
        looked += len(stated.links)
        for other, steps in stated.links:
            further = cost + _MS[steps]
            before = asked.get(other)
            if before is not None and before[0] <= further and before[1] <= length:
                continue
            if shortest.get(other, links + 1) <= length or not ((known := members.get(other)) and known.relay):
                continue
            asked[other] = (further, length)
            heapq.heappush(heap, (further, length, next(order), other, (other, chain)))
    return found


def _relays(chain: Chain | None) -> tuple[NodeId, ...]:
    """The chain laid out, its first node first."""
    relays = []
    while chain is not None:
        node, chain = chain
        relays.append(node)
    return tuple(relays)
