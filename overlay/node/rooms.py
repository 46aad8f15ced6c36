"""The rooms of one node, and what the hall itself remembers."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence

from overlay.gossip.gossip import Gossip
from overlay.identity import ipv4_prefix, ipv6_prefix
from overlay.node.commands import Command
from overlay.node.events import Event
from overlay.node.problems import Problems
from overlay.node.setup import Setup
from overlay.node.tables import Tables
from overlay.paths.paths import Paths
from overlay.paths.way import Way
from overlay.relay.relay import Relay
from overlay.routing.costs import weighed_ms
from overlay.routing.roads import Roads
from overlay.routing.values import Neighbour
from overlay.session.sessions import Sessions
from overlay.values import Label, NodeId
from overlay.wire.reassembly import Reassembly
from punch.values import Endpoint


class Rooms(Tables):
    """The rooms, and the tables only the hall has."""

    def __init__(self, setup: Setup, *, keygen: Callable[[int], bytes], entropy: random.Random, now: float) -> None:
        super().__init__()
        self.setup = setup
        self.own = setup.identity.id
        self.started = now
        self.entropy = entropy
        self.relay_on = setup.relay
        self.stun = setup.stun
        self.out: deque[Command] = deque()
        self.news: deque[Event] = deque()
        self.problems = Problems(self.news)
        self.answered = _answered(setup)
        """Endpoints that answered, and who did (ourselves: not known), the newest last."""
        self.left = False
        self.roads = Roads(self.own)
        self.partial = Reassembly()
        self.gossip = _gossip(setup, entropy=entropy, now=now)
        self.session = _sessions(setup, self.gossip, keygen=keygen, entropy=entropy, now=now)
        self.relay = Relay(
            own=self.own, enabled=setup.relay, avoid=self._taken, onward=self._onward, entropy=entropy, now=now
        )
        self.paths = Paths(
            own=self.own,
            overlay=(ipv4_prefix(setup.keys.name), ipv6_prefix(setup.keys.name)),
            punch=setup.punch,
            stun=setup.stun,
            weigh=weighed_ms,
            entropy=entropy,
            now=now,
        )

    def _taken(self, label: Label) -> bool:
        return label in self.labels or label in self.forwards

    def around(self, *, now: float) -> list[Neighbour]:
        """Members we reach directly, as routing sees them."""
        return [self._neighbour(node, way, now=now) for node, way in self.paths.neighbours()]

    def _neighbour(self, node: NodeId, way: Way, *, now: float) -> Neighbour:
        record, known = self.gossip.member(node), self.paths.peer(node)
        used = known is not None and known.current[:1] == (way.where,)
        loss = known.loss.share(now=now) if known is not None and used else None
        relay = record is not None and record.relay
        return Neighbour(node, milliseconds(way.rtt.smoothed), loss, relay, milliseconds(way.rtt.deviation))

    def _onward(
        self, target: NodeId, avoid: Sequence[NodeId], links: int, now: float, may_search: Callable[[], bool]
    ) -> list[NodeId]:
        """Whom `relay` may hand a circuit or a handshake of others on to."""
        return self.roads.onward(target, self.around(now=now), avoid=avoid, links=links, may_search=may_search)

    def run_of(self, peer: NodeId) -> bytes | None:
        """The boot id with which the handshake came whose keys we use with `peer`."""
        label = self.session.label(peer)
        return self.runs.get(label) if label is not None else None


def _answered(setup: Setup) -> dict[Endpoint, NodeId]:
    known = dict(zip(setup.endpoints, setup.holders, strict=False))
    return {endpoint: known.get(endpoint, setup.identity.id) for endpoint in reversed(setup.endpoints)}


def milliseconds(seconds: float | None) -> float | None:
    """Seconds as routing counts them; None stays unknown."""
    return seconds * 1000 if seconds is not None else None


def _sessions(
    setup: Setup, gossip: Gossip, *, keygen: Callable[[int], bytes], entropy: random.Random, now: float
) -> Sessions:
    return Sessions(
        identity=setup.identity,
        keys=setup.keys,
        record=gossip.own_signed,
        ciphers=setup.ciphers,
        offloads=setup.offloads,
        keygen=keygen,
        entropy=entropy,
        now=now,
        tells_keys=setup.debug_keys,
        tickets=setup.tickets,
    )


def _gossip(setup: Setup, *, entropy: random.Random, now: float) -> Gossip:
    return Gossip(
        identity=setup.identity,
        network=setup.keys,
        name=setup.name,
        fixed_ipv4=setup.fixed_ipv4,
        remembered_ipv4=setup.remembered_ipv4,
        version=setup.version,
        relay=setup.relay,
        boot=setup.boot,
        sequence=setup.sequence,
        entropy=entropy,
        now=now,
    )
