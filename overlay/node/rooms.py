"""The rooms of one node, and what the hall itself remembers."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct

from overlay.dataplane.port import Counters
from overlay.gossip.gossip import Gossip
from overlay.gossip.record import Record
from overlay.identity import ipv4_prefix, ipv6_prefix
from overlay.node.commands import Command
from overlay.node.events import Event
from overlay.node.problems import Problems
from overlay.node.setup import Setup
from overlay.paths.paths import Paths
from overlay.paths.way import Way
from overlay.relay.commands import Forward
from overlay.relay.relay import Relay
from overlay.routing.costs import weighed_ms
from overlay.routing.neighbours import Chosen
from overlay.routing.roads import Roads
from overlay.routing.values import Neighbour
from overlay.session.events import SessionOpened
from overlay.session.sessions import Sessions
from overlay.values import Direct, Label, NodeId
from overlay.wire.reassembly import Reassembly
from punch.values import Endpoint


class Owner(Struct, frozen=True):
    """Whose frames a label of ours marks."""

    peer: NodeId
    relay: NodeId | None
    """The neighbour whose circuit it is; None: a direct link."""


class Departed(Struct, frozen=True):
    """A member that left or fell silent, listed for a day."""

    name: str
    record: Record
    since: float
    left: bool = False
    """It said so."""
    heard_at: float | None = None
    """When something of it was last heard."""


class Rooms:
    """The rooms, and the tables only the hall has."""

    def __init__(self, setup: Setup, *, keygen: Callable[[int], bytes], entropy: random.Random, now: float) -> None:
        self.setup = setup
        self.own = setup.identity.id
        self.started = now
        self.entropy = entropy
        self.relay_on = setup.relay
        self.stun = setup.stun
        self.out: deque[Command] = deque()
        self.news: deque[Event] = deque()
        self.problems = Problems(self.news)
        self.labels: dict[Label, Owner] = {}
        """Frames with these labels end here."""
        self.forwards: dict[Label, Forward] = {}
        """Frames with these labels go on."""
        self.pending: dict[NodeId, SessionOpened] = {}
        """Sessions that opened and may not seal yet."""
        self.boots: dict[NodeId, bytes] = {}
        """The boot id each peer had in its last handshake."""
        self.runs: dict[Label, bytes] = {}
        """The boot id with which the handshake came that each label of ours is of."""
        self.places: dict[Label, Direct] = {}
        """Where frames with a label of ours came from last, over direct links."""
        self.faces: dict[NodeId, tuple[str, Record]] = {}
        """Name and record of each member as last told: gossip forgets those that left."""
        self.highest: dict[NodeId, tuple[int, int]] = {}
        """Epoch and counter of the newest control frame of a peer."""
        self.heard: dict[NodeId, float] = {}
        """When gossip was last told that a peer is there."""
        self.answered = _answered(setup)
        """Endpoints that answered, and who did (ourselves: not known), the newest last."""
        self.departed: dict[NodeId, Departed] = {}
        self.chosen: Chosen | None = None
        """Whom we chose to keep sessions with; None: everybody, the mesh is small."""
        self.counters = Counters({}, {}, {})
        self.used: dict[Label, int] = {}
        """Bytes by circuit label since `relay` was last told."""
        self.vouched: dict[tuple[NodeId, NodeId, str], tuple[int, float]] = {}
        """(to, about, host) -> how often and when last we said that we hear that member from that host."""
        self.drops: dict[str, int] = {}
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

    def drop(self, reason: str) -> None:
        """Count a frame that led nowhere."""
        self.drops[reason] = self.drops.get(reason, 0) + 1


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
