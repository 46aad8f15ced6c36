"""Relay machines joined by sealed links that lose, delay and repeat what crosses, in virtual time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Sequence

from msgspec import Struct

from overlay.relay.commands import Forward, SendRelay, StopForward
from overlay.relay.events import CircuitDenied, CircuitLost, CircuitReady, Event, HandshakeCarried
from overlay.relay.facts import (
    CarryAsked,
    CircuitMessage,
    CircuitsUsed,
    CircuitTalk,
    CircuitUnwanted,
    CircuitWanted,
    Fact,
    NeighbourDown,
    NeighbourUp,
    PolicyChanged,
)
from overlay.relay.relay import Relay
from overlay.routing.costs import cost
from overlay.routing.roads import Roads
from overlay.routing.values import Neighbour
from overlay.values import Label, NodeId
from overlay.wire.messages import Carried

Talk = CircuitTalk | Carried


def node(name: str) -> NodeId:
    """A node id that reads as its name."""
    return NodeId(name.encode().ljust(32, b"."))


class Frame(Struct, frozen=True):
    """What a frame of a circuit was on arrival."""

    at: str
    label: Label
    came_from: str


class Site:
    """One machine, and the forwarding table that its data plane would hold."""

    def __init__(self, name: str, *, entropy: random.Random, enabled: bool) -> None:
        self.name = name
        self.roads = Roads(node(name))
        self.near: dict[NodeId, float] = {}
        """Round trip to each neighbour, milliseconds."""
        self.relay = Relay(own=node(name), enabled=enabled, entropy=entropy, onward=self._onward, now=0.0)
        self.forwards: dict[Label, Forward] = {}
        self.events: list[Event] = []
        self.labels: dict[Label, CircuitReady] = {}
        self.best: dict[tuple[NodeId, NodeId], CircuitReady] = {}

    def around(self) -> list[Neighbour]:
        """Its neighbours, as routing sees them."""
        return [Neighbour(peer, rtt, None, True) for peer, rtt in self.near.items()]

    def _onward(
        self, target: NodeId, avoid: Sequence[NodeId], links: int, now: float, may_search: Callable[[], bool]
    ) -> list[NodeId]:
        return self.roads.onward(target, self.around(), avoid=avoid, links=links, may_search=may_search)

    def hear(self, event: Event) -> None:
        """Do what the hall does: keep labels, and the circuit to send on."""
        self.events.append(event)
        match event:
            case CircuitReady():
                self.labels[event.label] = event
                if not event.spare:
                    self.best[event.peer, event.relay] = event
            case CircuitLost():
                self.labels.pop(event.label, None)
                if not event.spare:
                    self.best.pop((event.peer, event.relay), None)
            case CircuitDenied() | HandshakeCarried():
                pass


class Fabric:
    """Sites, and the links between them."""

    def __init__(
        self,
        *names: str,
        seed: int = 1,
        delay: float = 0.02,
        jitter: float = 0.0,
        loss: float = 0.0,
        twice: float = 0.0,
    ) -> None:
        self.now = 0.0
        self.entropy = random.Random(seed)
        self.delay, self.jitter, self.loss, self.twice = delay, jitter, loss, twice
        self.sites = {name: Site(name, entropy=random.Random(f"{seed}/{name}"), enabled=True) for name in names}
        self.sent: list[tuple[str, str, Talk]] = []
        self._flying: list[tuple[float, int, str, str, Talk]] = []
        self._links: dict[tuple[str, str], None] = {}
        self._order = itertools.count()

    def link(self, a: str, b: str, *, ms: float = 10.0) -> None:
        """Make two sites neighbours."""
        self._links[a, b] = self._links[b, a] = None
        self.sites[a].near[node(b)] = self.sites[b].near[node(a)] = ms
        self.tell(a, NeighbourUp(node(b)))
        self.tell(b, NeighbourUp(node(a)))

    def unlink(self, a: str, b: str) -> None:
        """Both notice that their link is gone."""
        self._links.pop((a, b), None)
        self._links.pop((b, a), None)
        self.sites[a].near.pop(node(b), None)
        self.sites[b].near.pop(node(a), None)
        self.tell(a, NeighbourDown(node(b)))
        self.tell(b, NeighbourDown(node(a)))

    def chain(self, *names: str) -> None:
        """Link each with the next."""
        for a, b in itertools.pairwise(names):
            self.link(a, b)

    def cut(self, a: str, b: str) -> None:
        """Nothing passes between two sites any more, and nobody knows yet."""
        self._links.pop((a, b), None)
        self._links.pop((b, a), None)

    def spread(self) -> None:
        """Every site has every record: whom each of the others lists."""
        for site in self.sites.values():
            for other in self.sites.values():
                listed = tuple((peer, cost(rtt, None)) for peer, rtt in other.near.items())
                site.roads.learn(node(other.name), listed, relay=True)

    def lie(self, name: str, links: tuple[tuple[NodeId, int], ...]) -> None:
        """Every site has this record of one of them."""
        for site in self.sites.values():
            site.roads.learn(node(name), links, relay=True)

    def relays(self, a: str, b: str) -> list[str]:
        """The first relays that `a` would ask for `b`, best first."""
        site = self.sites[a]
        found = site.roads.candidates(node(b), site.around(), denied=site.relay.denied(node(b), now=self.now))
        return [each.relay.decode().rstrip(".") for each in found]

    def through(self, a: str, b: str, relay: str) -> list[str]:
        """The relays between `a` and `b`, as `a` was told."""
        ready = self.sites[a].relay.circuit(node(b), node(relay))
        return [each.decode().rstrip(".") for each in ready.through] if ready is not None else []

    def tell(self, name: str, fact: Fact) -> None:
        """Hand one site a fact and send what it asks for."""
        site = self.sites[name]
        site.relay.tell(fact, now=self.now)
        self._settle(site)

    def want(self, a: str, b: str, relay: str) -> None:
        """Let `a` ask for a circuit to `b`."""
        self.tell(a, CircuitWanted(node(b), node(relay)))

    def unwant(self, a: str, b: str, relay: str) -> None:
        """Let `a` close its circuits to `b`."""
        self.tell(a, CircuitUnwanted(node(b), node(relay)))

    def use(self, name: str, label: Label) -> None:
        """Something passed under `label`."""
        self.tell(name, CircuitsUsed(((label, 100),)))

    def policy(self, name: str, enabled: bool) -> None:
        """Switch carrying on or off."""
        self.tell(name, PolicyChanged(enabled))

    def run(self, seconds: float) -> None:
        """Let time pass, jumping to what happens."""
        until = self.now + seconds
        while True:
            timers = [due for site in self.sites.values() if (due := site.relay.next_timeout()) is not None]
            moment = min([*timers, *(flight[0] for flight in self._flying[:1])], default=until)
            if moment > until:
                break
            self.now = max(self.now, moment)
            if not timers and not self._flying:
                break
            self._arrive()
            for site in self.sites.values():
                site.relay.handle_timeout(now=self.now)
                self._settle(site)
        self.now = until

    def crosses(self, a: str, b: str, relay: str) -> Frame | None:
        """Send a frame from `a` on its circuit to `b`; where it ends, as the planes would carry it."""
        ready = self.sites[a].best[node(b), node(relay)]
        assert self.sites[a].relay.circuit(node(b), node(relay)) is not None
        site, label, came_from = self.sites[relay], ready.out_label, a
        while (forward := site.forwards.get(label)) is not None:
            if forward.source != node(came_from):
                return None
            came_from, label = site.name, forward.out_label
            site = next(s for s in self.sites.values() if node(s.name) == forward.target)
        return Frame(site.name, label, came_from) if label in site.labels else None

    def _arrive(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _, _, source, to, message = heapq.heappop(self._flying)
            if (source, to) not in self._links:
                continue
            if isinstance(message, Carried):
                asked = (NodeId(message.to), NodeId(message.sender), message.payload, message.hops)
                self.tell(to, CarryAsked(node(source), *asked))
            else:
                self.tell(to, CircuitMessage(node(source), message))

    def _settle(self, site: Site) -> None:
        for command in site.relay.commands():
            match command:
                case SendRelay(peer, message):
                    to = next(s.name for s in self.sites.values() if node(s.name) == peer)
                    self.sent.append((site.name, to, message))
                    self._fly(site.name, to, message)
                case Forward():
                    site.forwards[command.label] = command
                case StopForward(label):
                    del site.forwards[label]
        for event in site.relay.events():
            site.hear(event)

    def _fly(self, source: str, to: str, message: Talk) -> None:
        for _ in range(1 + (self.entropy.random() < self.twice)):
            if self.entropy.random() >= self.loss:
                arrival = self.now + self.delay + self.jitter * self.entropy.random()
                heapq.heappush(self._flying, (arrival, next(self._order), source, to, message))
