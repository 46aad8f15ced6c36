"""What the hall told the plane: label -> keys or circuit, destination -> peer -> ways (design section 2).

            routes                 ways
    packet --dest--> Peer -----------------> Lane: outlet, address, label, slice size      (uplink)
            labels
    frame --label--> Link: Peer + open keys | Circuit: outlet, address, next label         (downlink, forward)

Written by commands of the hall and by nobody else; the movers read it on the same thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

from overlay.dataplane import port
from overlay.dataplane.edges import Outlet
from overlay.dataplane.ration import Ration
from overlay.dataplane.rows import Circuit, Lane, Link, Peer
from overlay.values import NodeId
from punch.values import SocketId

HELD_PACKETS, HELD_BYTES, HELD_TOTAL = 64, 256 << 10, 4 << 20
"""Held at most: packets a peer, bytes a peer, bytes a node (design section 2)."""

DROPS = {
    "frame_short": "a datagram too short for its header",
    "frame_type": "a datagram that is no frame of ours",
    "label_unknown": "a data frame whose label is nobody's",
    "circuit_source": "a frame on a circuit that came from somewhere else",
    "relay_rate": "a carried frame beyond what this node carries for others",
    "circuit_blocked": "a carried frame the kernel would not take now",
    "epoch_unknown": "a data frame under a key we do not have",
    "slice_header": "a slice whose header no slice may have",
    "replayed": "a data frame whose counter was opened before, or is too old",
    "bad_tag": "an envelope whose tag did not verify",
    "record_length": "a record whose length lies",
    "packet_malformed": "a packet whose own lengths lie",
    "source_foreign": "an inner source that is not the sender's",
    "destination_foreign": "an inner destination that is not ours",
    "multicast": "an inner multicast or broadcast destination",
    "offload_forged": "a virtio-net header that does not fit its packet",
    "device_refused": "a packet the device would not take",
    "no_route": "a packet to an address no member has",
    "held_full": "a packet for a peer that is not reachable yet, over the limit",
    "held_given_up": "a held packet whose peer was not found",
    "not_segmented": "a super-packet that could not be cut for its peer",
    "too_big": "a datagram larger than the link takes",
    "send_refused": "a datagram the kernel refused",
    "receive_failed": "a socket that reported an error",
}
"""Reason -> what was dropped; those of `wire.reassembly` are counted beside them."""


class Tables:
    """All tables of a plane."""

    def __init__(self, outlet: Callable[[SocketId], Outlet | None]) -> None:
        """`outlet` finds the socket behind an id, or None if there is none (any more)."""
        self._outlet = outlet
        self.peers: dict[NodeId, Peer] = {}
        self.labels: dict[int, Link] = {}
        self.routes: dict[bytes, Peer] = {}
        """Inner address -> its holder."""
        self.selves: frozenset[bytes] = frozenset()
        """Our own inner addresses; looked up, never walked."""
        self.drops: dict[str, int] = {}
        self.facts: deque[port.Fact] = deque()
        """To be told to the hall, oldest first."""
        self.released: deque[Peer] = deque()
        """Peers that became ready with packets held."""
        self.ration = Ration()
        """How much is carried for others."""
        self.untold: list[Peer] = []
        """Peers whose first slices are still to be told of."""
        self.held_bytes = 0
        self.version = 0
        """Counts changes: what a mover found out from the tables holds as long as this does."""
        self._act: dict[type, Callable[[Any], None]] = {
            port.PutKeys: self._put_keys,
            port.DropKeys: self._drop_keys,
            port.PutLabel: self._put_label,
            port.DropLabel: self._drop_label,
            port.PutRoute: self._put_route,
            port.DropRoute: self._drop_route,
            port.PutSelf: self._put_self,
            port.PutWay: self._put_way,
            port.PutOffloads: self._put_offloads,
            port.DropPeer: self._drop_peer,
            port.PutCircuit: self._put_circuit,
            port.DropCircuit: self._drop_circuit,
            port.DropWaiting: self._drop_waiting,
            port.LimitCarried: lambda command: self.ration.limit(command.rate),
        }

    def apply(self, command: port.Command) -> None:
        """Take one command of the hall."""
        self.version += 1
        self._act[type(command)](command)

    def drop(self, reason: str, count: int = 1) -> None:
        """Count what was dropped."""
        self.drops[reason] = self.drops.get(reason, 0) + count

    def hold(self, peer: Peer, record: bytes) -> None:
        """Keep a record for a peer that is not ready, and ask for it once."""
        size = len(record)
        if len(peer.held) >= HELD_PACKETS or peer.held_bytes + size > HELD_BYTES or self.held_bytes + size > HELD_TOTAL:
            self.drop("held_full")
        else:
            peer.held.append(record)
            peer.held_bytes += size
            self.held_bytes += size
        if not peer.asked:
            peer.asked = True
            self.facts.append(port.TrafficWaiting(peer.id))

    def take_held(self, peer: Peer) -> deque[bytes]:
        """Hand out what is held for `peer`; nothing is held any more."""
        held, peer.held = peer.held, deque()
        self.held_bytes -= peer.held_bytes
        peer.held_bytes = 0
        return held

    def socket_changed(self, socket_id: SocketId) -> None:
        """An outlet came or went: ways and circuits by it are resolved anew."""
        for peer in self.peers.values():
            if any(way.via == socket_id for way in peer.ways):
                self.version += 1
                self._resolve(peer)
        for link in self.labels.values():
            if link.carried is not None and link.carried.command.out_via == socket_id:
                self.version += 1
                outlet = self._outlet(link.carried.command.out_via)
                link.carried.outlet = outlet
                link.carried.address = outlet.address(link.carried.command.out_endpoint) if outlet else None

    def counters(self) -> port.Counters:
        """A snapshot: peers that had a key, drops, circuits."""
        return port.Counters(
            {peer.id: self.counted(peer) for peer in self.peers.values() if peer.keyed},
            dict(self.drops),
            {
                link.carried.command.label: (link.carried.bytes, link.carried.last)
                for link in self.labels.values()
                if link.carried is not None
            },
        )

    @staticmethod
    def counted(peer: Peer) -> port.PeerCounters:
        """A snapshot of one peer's."""
        key = peer.open_keys.get(peer.newest)
        if key is not None:
            peer.counters.highest = max(0, key.window.highest)
        return copy(peer.counters)

    def pulses(self, since: float) -> tuple[port.Pulse, ...]:
        """Peers that something was sent to after `since`."""
        rows = [(peer.id, peer.counters) for peer in self.peers.values() if peer.counters.last_tx > since]
        return tuple(port.Pulse(id_, row.last_tx, row.last_rx) for id_, row in rows)

    # --- commands ---

    def _peer(self, id_: NodeId) -> Peer:
        peer = self.peers.get(id_)
        if peer is None:
            peer = self.peers[id_] = Peer(id_)
        return peer

    def _settle(self, peer: Peer) -> None:
        peer.settle()
        if peer.ready and peer.held and peer not in self.released:
            self.released.append(peer)

    def _put_keys(self, command: port.PutKeys) -> None:
        peer = self._peer(command.peer)
        if not peer.keyed:
            peer.keyed = True
            self.untold.append(peer)
        if command.open_epoch is not None and command.open_key is not None:
            peer.open_with(command.cipher, command.open_epoch, command.open_key)
        if command.seal_epoch is not None and command.seal_key is not None:
            peer.seal_with(command.cipher, command.seal_epoch, command.seal_key)
        self._settle(peer)

    def _drop_keys(self, command: port.DropKeys) -> None:
        peer = self.peers.get(command.peer)
        if peer is None:
            return
        if command.open_epoch is not None:
            peer.open_keys.pop(command.open_epoch, None)
            if command.open_epoch == peer.newest:
                # Keys that gave way: what moves a peer's ways is said under the ones before again.
                peer.newest = next(reversed(peer.open_keys), -1)
        if command.seal:
            peer.encrypt_into = None
            peer.asked = False
        self._settle(peer)

    def _put_label(self, command: port.PutLabel) -> None:
        self.labels[command.label] = Link(self._peer(command.peer), command.circuit, None)

    def _drop_label(self, command: port.DropLabel) -> None:
        link = self.labels.get(command.label)
        if link is not None and link.carried is None:
            del self.labels[command.label]

    def _put_route(self, command: port.PutRoute) -> None:
        self.routes[command.address] = self._peer(command.peer)

    def _drop_route(self, command: port.DropRoute) -> None:
        self.routes.pop(command.address, None)

    def _put_self(self, command: port.PutSelf) -> None:
        self.selves = frozenset(command.addresses)

    def _put_way(self, command: port.PutWay) -> None:
        peer = self._peer(command.peer)
        peer.ways = command.ways
        peer.asked = False
        self._resolve(peer)

    def _resolve(self, peer: Peer) -> None:
        lanes = []
        for way in peer.ways:
            outlet = self._outlet(way.via)
            address = outlet.address(way.endpoint) if outlet is not None else None
            if outlet is not None and address is not None:
                lane = Lane(way, outlet, address)
                if way.watch:
                    lane.watch(partial(self.facts.append, port.TrafficBegan(peer.id)))
                lanes.append(lane)
        peer.lanes = tuple(lanes)
        peer.strays = {}
        self._settle(peer)

    def _put_offloads(self, command: port.PutOffloads) -> None:
        peer = self._peer(command.peer)
        peer.offloads = command.offloads
        peer.settle()

    def _drop_peer(self, command: port.DropPeer) -> None:
        peer = self.peers.get(command.peer)
        if peer is None:
            return
        self.take_held(peer)
        peer.clear()
        for label in [label for label, link in self.labels.items() if link.peer is peer]:
            del self.labels[label]
        if peer in self.released:
            self.released.remove(peer)
        if peer in self.untold:
            self.untold.remove(peer)
        if not any(holder is peer for holder in self.routes.values()):
            del self.peers[command.peer]

    def _put_circuit(self, command: port.PutCircuit) -> None:
        carried = Circuit(command, self._outlet(command.out_via))
        earlier = self.labels.get(command.label)
        if earlier is not None and earlier.carried is not None:
            carried.bytes, carried.last = earlier.carried.bytes, earlier.carried.last
        self.labels[command.label] = Link(None, True, carried)

    def _drop_circuit(self, command: port.DropCircuit) -> None:
        link = self.labels.get(command.label)
        if link is not None and link.carried is not None:
            del self.labels[command.label]

    def _drop_waiting(self, command: port.DropWaiting) -> None:
        peer = self.peers.get(command.peer)
        if peer is not None:
            peer.asked = False
            if held := self.take_held(peer):
                self.drop("held_given_up", len(held))
