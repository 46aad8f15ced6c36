"""One world, from its first join to its end: faults begin and end, packets flow, and at last all must reach all.

start | flows, faults, an invariant after every step | calm: every pair tries until a packet came | quiet | end
"""

from __future__ import annotations

import heapq
import itertools
import traceback
from collections import deque
from collections.abc import Callable, Collection

from msgspec import Struct

from punch.sim.journal import Journal
from punch.sim.world import Stuck
from tools.worlds.broken import Broken
from tools.worlds.conversation import Words
from tools.worlds.faults import Fault, chosen
from tools.worlds.mayhem import begin
from tools.worlds.plan import Plan
from tools.worlds.town import Town
from tools.worlds.watch import MOST_LINKS

TRY_EVERY = 0.5
"""Seconds between two packets of a pair that has not met since the calm."""
QUIET = 3.0
"""Seconds after that, for what is late to come twice."""
LINES = 400
"""Datagrams that a conversation shows at most."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a world."""

    kind: str
    seed: int
    word: str = ""
    """The invariant that broke; empty: none did."""
    text: str = ""
    at: float
    """When it ended, virtual seconds."""
    healed: float | None = None
    """Seconds from the calm until all reached all; None: never."""
    sent: int = 0
    came: int = 0
    """Packets into TUNs and out of them."""
    heaviest: int = 0
    """Most entries in the tables of one node."""
    digest: str = ""
    """Equal for equal stories."""


class Story:
    """A world while it lives."""

    def __init__(
        self,
        plan: Plan,
        *,
        only: Collection[int] | None = None,
        journal: Journal | None = None,
        words: Words | None = None,
    ) -> None:
        """`only`: the faults with these numbers happen, the others do not; `words` listen to what is sealed."""
        self.plan = plan
        self.journal = journal if journal is not None else Journal(keep=LINES)
        self.town = Town(plan, self.journal, words)
        self._healed: float | None = None
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        for fault in chosen(plan.faults, only):
            self._plan(fault.at, lambda fault=fault: self._begin(fault))  # type: ignore[misc]
        for number, (a, b) in enumerate(plan.flows):
            self._plan(1.0 + plan.every * number / len(plan.flows), lambda a=a, b=b: self._flow(a, b))  # type: ignore[misc]
        self._plan(1.0, self._second)

    def live(self) -> Outcome:
        """Run it to its end; never raises."""
        try:
            self._live()
        except Broken as broken:
            return self._outcome(broken.word, broken.text)
        except Stuck as stuck:
            return self._outcome("stuck", str(stuck))
        except Exception:  # a machine that raises is what we look for
            return self._outcome("raised", traceback.format_exc(limit=-6))
        return self._outcome("", "")

    def _live(self) -> None:
        for place in self.plan.places:
            self.town.start(place.name)
        self._until(self.plan.calm)
        self._meet()
        self._until(self.town.world.now + QUIET)
        for name, node in self.town.nodes.items():
            self.town.watch.weigh(name, node)
            node.snapshot(now=self.town.world.now)

    def _outcome(self, word: str, text: str) -> Outcome:
        town = self.town
        return Outcome(
            kind=self.plan.kind,
            seed=self.plan.seed,
            word=word,
            text=text,
            at=town.world.now,
            healed=self._healed,
            sent=town.traffic.sent,
            came=town.traffic.came,
            heaviest=town.watch.heaviest,
            digest=self.journal.digest(),
        )

    # --- the agenda

    def _plan(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), act))

    def _until(self, moment: float) -> None:
        """Let time pass, doing what is planned."""
        while self._agenda and self._agenda[0][0] <= moment:
            at, _, act = heapq.heappop(self._agenda)
            self.town.run(until=at)
            act()
        self.town.run(until=moment)

    def _begin(self, fault: Fault) -> None:
        undo = begin(self.town, fault)
        if undo is not None:
            self._plan(fault.until, undo)

    def _flow(self, a: str, b: str) -> None:
        self._plan(self.town.world.now + self.plan.every, lambda: self._flow(a, b))
        self.town.send(a, b)

    def _second(self) -> None:
        self._plan(self.town.world.now + 1.0, self._second)
        self.town.watch.second(now=self.town.world.now)

    # --- all that can reach each other do

    def _meet(self) -> None:
        """Every pair that can reach each other gets a packet through.

        Raises:
            Broken: one does not within the plan's bound.
        """
        world, traffic = self.town.world, self.town.traffic
        calm, first = world.now, traffic.sent
        missing = self._pairs()
        while missing:
            if world.now - calm > self.plan.bound:
                some = ", ".join(f"{a} to {b}" for a, b in missing[:6])
                raise Broken(
                    "unreached", f"{self.plan.bound:g} s after the last fault, {len(missing)} ways fail: {some}"
                )
            for a, b in missing:
                self.town.send(a, b)
            self._until(world.now + TRY_EVERY)
            missing = [pair for pair in missing if traffic.reached.get(pair, -1) < first]
        self._healed = world.now - calm

    def _pairs(self) -> list[tuple[str, str]]:
        """The pairs of honest members for which there is a way: links that need no luck, over willing honest ones."""
        places = {place.name: place for place in self.plan.places if place.name in self.town.nodes and not place.lies}
        public = [name for name, place in places.items() if place.nat == "open"]
        walls = {pair: None for a, b in self.plan.walls for pair in ((a, b), (b, a))}
        links = {
            name: [other for other in places if other != name and (name in public or other in public)]
            for name in places
        }
        pairs = []
        for name in places:
            hops, queue = {name: 0}, deque([name])
            while queue:
                at = queue.popleft()
                if at != name and not places[at].relay:
                    continue
                for other in links[at]:
                    if other not in hops and (at, other) not in walls and hops[at] < MOST_LINKS:
                        hops[other] = hops[at] + 1
                        queue.append(other)
            pairs += [(name, other) for other in hops if other != name]
        return pairs


def live(plan: Plan, *, only: Collection[int] | None = None, journal: Journal | None = None) -> Outcome:
    """One world's story."""
    return Story(plan, only=only, journal=journal).live()
