"""Who gives way where a neighbour asked for all it may: so that nobody behind it takes its link from the others.

eve ----+
ann --- hub --- we      the circuits that hub asked us for are shared by those that asked hub: eve, ann

Who asked the neighbour is its own word, and so it answers for whoever it names: no neighbour gets more by it.
"""

from __future__ import annotations

from collections.abc import Iterable

from overlay.relay.circuits import Circuit
from overlay.values import NodeId


def giver(source: NodeId, behind: tuple[NodeId, ...]) -> NodeId:
    """Who asked the neighbour that asks us; `behind`: the relays behind us, that neighbour last (none: the source)."""
    return behind[-2] if len(behind) > 1 else source


def gives_way(circuits: Iterable[Circuit], newcomer: NodeId) -> Circuit | None:
    """Of the circuits of one neighbour, oldest first, the one to end for another that `newcomer` gave it.

    It is the oldest of the source with most, behind whoever gave most; None: that one has no more than `newcomer`
    would have.
    """
    shares: dict[NodeId, list[Circuit]] = {}
    for circuit in circuits:
        shares.setdefault(giver(circuit.source, circuit.crossed), []).append(circuit)
    largest = max(shares.values(), key=len, default=[])
    if len(largest) <= len(shares.get(newcomer, ())) + 1:
        return None
    sources: dict[NodeId, list[Circuit]] = {}
    for circuit in largest:
        sources.setdefault(circuit.source, []).append(circuit)
    return max(sources.values(), key=len)[0]
