"""What the records of all members say of links, and who may carry to one of them, best first.

records --learn, forget--> Stated of each --ways_to, kept until a link changes--> first relay -> cost of the rest
our own links (measured) + that, or what a circuit over it measured ------------> candidates, the cheapest first
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from overlay.routing.costs import MAX_COST, STEP, weighed_ms
from overlay.routing.search import Found, ways_to
from overlay.routing.values import Candidate, Listed, Neighbour, Stated
from overlay.values import NodeId

MAX_HOPS = 8
"""Links of a way at most (protocol section 7)."""
MOST_KEPT = 128
"""Targets whose searches are kept; the one used longest ago gives way."""
MOST_GUESSES = 4
"""Relays tried where no record leads from any of them to the target."""

Kept = tuple[int, tuple[NodeId, ...], Found]


class Roads:
    """Links by record, and the searches over them."""

    def __init__(self, own: NodeId) -> None:
        self._own = own
        self._members: dict[NodeId, Stated] = {}
        self._version = 0
        self._kept: dict[NodeId, Kept] = {}
        self.searches = 0
        """Searches made so far; what is kept makes none."""

    @property
    def version(self) -> int:
        """Counts changes of links."""
        return self._version

    def learn(self, node: NodeId, links: tuple[Listed, ...], *, relay: bool) -> bool:
        """Take what a member's newest record states; whether that changes any way."""
        stated = Stated(tuple((other, min(MAX_COST, max(0, steps))) for other, steps in links), relay)
        if self._members.get(node) == stated:
            return False
        self._members[node] = stated
        self._version += 1
        return True

    def forget(self, node: NodeId) -> None:
        """A member left, or its record is too old."""
        if self._members.pop(node, None) is not None:
            self._version += 1

    def lists(self, node: NodeId) -> tuple[NodeId, ...]:
        """Through whom a member says it can be reached."""
        stated = self._members.get(node)
        return tuple(other for other, _ in stated.links) if stated is not None else ()

    def candidates(
        self,
        target: NodeId,
        around: Sequence[Neighbour],
        *,
        denied: Collection[NodeId] = (),
        current: NodeId | None = None,
        measured: Mapping[NodeId, float] | None = None,
    ) -> list[Candidate]:
        """The neighbours that may carry to `target` for us, the cheapest first.

        Those in `denied` refused or were dead within the last minute. `measured`: weighed milliseconds to the target
        over a first relay, where a circuit over it tells: no record is believed against it. `current` carries now and
        stays in front unless another is cheaper by more than a step. Where no record leads to the target, a few
        relays may know more than we do. Ties go to the order in which neighbours are handed over.
        """
        able = [n for n in around if n.relay and n.id != target and n.id not in denied]
        known, found = measured or {}, self._ways(target, tuple(n.id for n in around if n.relay))
        stated = {n.id: _ms(n) + found[n.id][0] for n in able if n.id in found}
        ranked = [Candidate(node, known.get(node, ms), found[node][1], ms) for node, ms in stated.items()]
        ranked += [Candidate(n.id, known[n.id], (n.id,)) for n in able if n.id in known and n.id not in found]
        if not ranked:
            ranked = sorted((Candidate(n.id, _ms(n), (n.id,)) for n in able), key=_cost)[:MOST_GUESSES]
        ranked.sort(key=_cost)
        for index, each in enumerate(ranked):
            if each.relay == current and each.cost_ms <= STEP * ranked[0].cost_ms:
                ranked.insert(0, ranked.pop(index))
        return ranked

    def onward(
        self,
        target: NodeId,
        around: Sequence[Neighbour],
        *,
        avoid: Collection[NodeId],
        links: int,
        may_search: Callable[[], bool] = lambda: True,
    ) -> list[NodeId]:
        """The neighbours to hand a circuit or a handshake of others on to, the cheapest first.

        Through nobody in `avoid`, within `links` links from us. Nobody guesses for others: none, where no record
        leads to the target. Only where every known way crosses `avoid` or is too long, a search is made for this
        question alone. `may_search` is asked before each search: for whoever asks too much there is no way.
        """
        able = [n for n in around if n.relay and n.id != target and n.id not in avoid]
        starts = tuple(n.id for n in around if n.relay)
        if not able or not (self._keeps(target, starts) or may_search()):
            return []
        found = self._ways(target, starts)
        clean = {
            node: way
            for node, way in found.items()
            if len(way[1]) < links and not any(relay in avoid for relay in way[1])
        }
        if found and not any(n.id in clean for n in able) and may_search():
            clean = self._search(target, tuple(n.id for n in able), links=links - 1, avoid=avoid)
        ranked = [(_ms(n) + clean[n.id][0], n.id) for n in able if n.id in clean]
        ranked.sort(key=lambda entry: entry[0])
        return [node for _, node in ranked]

    def _keeps(self, target: NodeId, starts: tuple[NodeId, ...]) -> bool:
        """Whether a search for a target still holds."""
        kept = self._kept.get(target)
        return kept is not None and kept[:2] == (self._version, starts)

    def _ways(self, target: NodeId, starts: tuple[NodeId, ...]) -> Found:
        """The cheapest ways from our neighbours to a target, as long as no link changes."""
        holds, kept = self._keeps(target, starts), self._kept.pop(target, None)
        if kept is None or not holds:
            kept = (self._version, starts, self._search(target, starts, links=MAX_HOPS - 1, avoid=()))
        self._kept[target] = kept
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept[2]

    def _search(self, target: NodeId, starts: tuple[NodeId, ...], *, links: int, avoid: Collection[NodeId]) -> Found:
        self.searches += 1
        return ways_to(target, self._members, starts, links=links, avoid=(self._own, *avoid))


def _ms(neighbour: Neighbour) -> float:
    return weighed_ms(neighbour.rtt_ms, neighbour.loss, neighbour.jitter_ms)


def _cost(candidate: Candidate) -> float:
    return candidate.cost_ms
