"""What the hall itself remembers: whose a label is, what goes on where, who was heard, who left."""

from __future__ import annotations

from msgspec import Struct

from overlay.dataplane.port import Counters
from overlay.gossip.record import Record
from overlay.relay.commands import Forward
from overlay.routing.neighbours import Chosen
from overlay.session.events import SessionOpened
from overlay.values import Direct, Label, NodeId


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


class Tables:
    """The tables only the hall has, empty."""

    def __init__(self) -> None:
        self.labels: dict[Label, Owner] = {}
        """Frames with these labels end here."""
        self.ends: dict[tuple[NodeId, NodeId], dict[Label, None]] = {}
        """Those of them that mark circuits, by (peer, relay)."""
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
        self.departed: dict[NodeId, Departed] = {}
        self.chosen: Chosen | None = None
        """Whom we chose to keep sessions with; None: everybody, the mesh is small."""
        self.counters = Counters({}, {}, {})
        self.used: dict[Label, int] = {}
        """Bytes by circuit label since `relay` was last told."""
        self.vouched: dict[tuple[NodeId, NodeId, str], tuple[int, float]] = {}
        """(to, about, host) -> how often and when last we said that we hear that member from that host."""
        self.drops: dict[str, int] = {}

    def put_end(self, label: Label, owner: Owner) -> None:
        """Frames with `label` end here, and come by a circuit."""
        assert owner.relay is not None
        self.labels[label] = owner
        self.ends.setdefault((owner.peer, owner.relay), {})[label] = None

    def drop_end(self, label: Label) -> bool:
        """A circuit is no more; whether its label was known."""
        owner = self.labels.pop(label, None)
        if owner is None or owner.relay is None:
            return owner is not None
        own = self.ends[owner.peer, owner.relay]
        del own[label]
        if not own:
            del self.ends[owner.peer, owner.relay]
        return True

    def drop(self, reason: str) -> None:
        """Count a frame that led nowhere."""
        self.drops[reason] = self.drops.get(reason, 0) + 1
