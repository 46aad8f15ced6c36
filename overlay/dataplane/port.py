"""What the hall says to the data plane and hears from it.

hall  -- PutKeys DropKeys PutLabel DropLabel PutRoute DropRoute PutWay PutOffloads DropPeer
          PutCircuit DropCircuit LimitCarried PutSelf DropWaiting  -->  tables
hall  <--    TrafficWaiting TrafficBegan CameFrom LossSeen CounterSpent    --  mover
hall  <--    counters(): PeerCounters by peer, drops by reason;  pulses(): who was sent to of late    (pulled)
"""

from __future__ import annotations

from msgspec import Struct

from overlay.values import Label, NodeId
from punch.values import Endpoint, SocketId

FULL_ENVELOPE = 62_000
"""Plaintext bytes of a full envelope: one UDP GSO call (65,507 B of payload at most) with its headers and tag."""


class PutKeys(Struct, frozen=True, kw_only=True):
    """Install data keys of `peer`; a field that is None leaves that direction as it was."""

    peer: NodeId
    cipher: str
    """One of `sealing.CIPHERS`."""
    open_epoch: int | None = None
    """0..255: the epoch in headers of frames we receive."""
    open_key: bytes | None = None
    """32 bytes. Several epochs may be open at once."""
    seal_epoch: int | None = None
    """The epoch we write from now on; counters start at 0 with each new seal key."""
    seal_key: bytes | None = None


class DropKeys(Struct, frozen=True):
    """Forget the open key of one epoch of `peer` (and the seal key, where `seal` says so)."""

    peer: NodeId
    open_epoch: int | None
    seal: bool = False


class PutLabel(Struct, frozen=True):
    """Frames with this label are `peer`'s, direct or at the end of a circuit."""

    label: Label
    peer: NodeId
    circuit: bool
    """A circuit's label never makes its source a candidate (protocol section 5)."""


class DropLabel(Struct, frozen=True):
    """Frames with this label are nobody's."""

    label: Label


class PutRoute(Struct, frozen=True):
    """Inner packets to `address` go to `peer`, and only `peer` may send from it."""

    address: bytes
    """4 or 16 bytes."""
    peer: NodeId


class DropRoute(Struct, frozen=True):
    """No member has `address`."""

    address: bytes


class PutSelf(Struct, frozen=True):
    """Our own inner addresses, the only destinations accepted; replaces the earlier ones."""

    addresses: tuple[bytes, ...]


class Way(Struct, frozen=True):
    """How datagrams reach a peer: a socket, where they go, and the label the receiver gave the link."""

    via: SocketId
    endpoint: Endpoint
    label: Label
    size: int
    """UDP payload bytes of a datagram, header of 16 included: 1,200 at least."""
    limit: int
    """Plaintext bytes of an envelope: FULL_ENVELOPE; for one datagram an envelope, what fits beside header and tag."""
    watch: bool = False
    """Tell TrafficBegan with the next envelope that goes this way."""
    parity: int = 0
    """Parity slices that follow each envelope: 0, 1, 2, 4 or 8; of an envelope of one slice, its double."""


class PutWay(Struct, frozen=True):
    """Send to `peer` by these ways from now on: the first carries, a second one doubles it while unproven.

    An empty tuple: no way now; packets are held as if unasked. With keys and a way in place, held packets go out.
    """

    peer: NodeId
    ways: tuple[Way, ...]


class PutOffloads(Struct, frozen=True):
    """Record types `peer` accepts; every peer is taken to accept all of them until told otherwise."""

    peer: NodeId
    offloads: int
    """Bits: 1 TCP super-packets, 2 UDP super-packets, 4 checksums left to its kernel."""


class DropPeer(Struct, frozen=True):
    """Forget keys, labels, way, held packets and counters of `peer`; routes stay."""

    peer: NodeId


class PutCircuit(Struct, frozen=True):
    """Forward frames: those with `label` from `source` leave with `out_label` by `out_via` to `out_endpoint`."""

    label: Label
    source: Endpoint
    out_label: Label
    out_via: SocketId
    out_endpoint: Endpoint
    also: tuple[Endpoint, ...] = ()
    """Other proven endpoints of the same neighbour: each end of a link chooses its own."""


class DropCircuit(Struct, frozen=True):
    """Stop forwarding frames with `label`."""

    label: Label


class LimitCarried(Struct, frozen=True):
    """Carry at most this much for others, all circuits together; until told, there is no limit."""

    rate: int
    """Bytes a second; 0: no limit."""


class DropWaiting(Struct, frozen=True):
    """Discard what is held for `peer`: no way was found. TrafficWaiting is told again on the next packet."""

    peer: NodeId


Command = (
    PutKeys
    | DropKeys
    | PutLabel
    | DropLabel
    | PutRoute
    | DropRoute
    | PutSelf
    | PutWay
    | PutOffloads
    | DropPeer
    | PutCircuit
    | DropCircuit
    | DropWaiting
    | LimitCarried
)


class TrafficWaiting(Struct, frozen=True):
    """Packets for `peer` are held: it has no way or no keys. Told once until answered by PutWay or DropWaiting."""

    peer: NodeId


class TrafficBegan(Struct, frozen=True):
    """The first envelope since the last PutWay went to `peer` by a way that is watched."""

    peer: NodeId


class CameFrom(Struct, frozen=True):
    """A data frame of `peer` that opened with the highest counter came from a source that is not its way.

    Told at most once a second for the same source; never for a circuit's label.
    """

    peer: NodeId
    via: SocketId
    endpoint: Endpoint
    size: int
    """Bytes received with it: until proven, at most 3x as many go back."""


class LossSeen(Struct, frozen=True):
    """Slices of `peer` were missed, or the first ones came: what was counted so far. Five times a second at most."""

    peer: NodeId
    counters: PeerCounters


class CounterSpent(Struct, frozen=True):
    """2**32 envelopes were sealed under the present key of `peer`: time to rekey."""

    peer: NodeId


class SendFailed(Struct, frozen=True):
    """The kernel refused a datagram to `endpoint` for good (no route, address gone); a hint only."""

    peer: NodeId
    endpoint: Endpoint


Fact = TrafficWaiting | TrafficBegan | CameFrom | LossSeen | CounterSpent | SendFailed


class PeerCounters(Struct):
    """What the plane counted for one peer since its first key; read-only outside the plane."""

    rx_bytes: int = 0
    """Inner packet bytes delivered to the TUN."""
    tx_bytes: int = 0
    """Inner packet bytes sealed."""
    complete: int = 0
    """Envelopes opened."""
    incomplete: int = 0
    """Envelopes given up with slices missing."""
    slices: int = 0
    """Slices that came, parity among them."""
    missed: int = 0
    """Slices that never came, of envelopes given up or rebuilt."""
    rebuilt: int = 0
    """Envelopes that are complete only by parity or by their double; counted in `complete` too."""
    highest: int = 0
    """Highest counter opened under the newest epoch."""
    last_rx: float = 0.0
    """When an envelope last opened, seconds; 0.0: never."""
    last_tx: float = 0.0
    """When an envelope was last sent."""
    failed_tags: int = 0
    """Envelopes whose tag did not verify."""
    small: bool = False
    """3 failed tags within a second were seen: ask the sender for one datagram an envelope (protocol section 5)."""


class Pulse(Struct, frozen=True):
    """When something last went to `peer` and when something of it last opened: what is asked many times a second."""

    peer: NodeId
    last_tx: float
    last_rx: float


class Counters(Struct):
    """A snapshot of all counters."""

    peers: dict[NodeId, PeerCounters]
    drops: dict[str, int]
    """Reason -> count; the reasons are fixed words, see `dataplane.tables.DROPS`."""
    carried: dict[Label, tuple[int, float]]
    """Circuit's in-label -> (bytes forwarded, when last)."""
