"""Frame -> room: what the network brought, opened, decoded and told.

handshake, cookie -> session          control, label ours     -> opened -> the room its kind belongs to
STUN, probes      -> paths            control, label carried  -> forwarded with the next label
"""

from __future__ import annotations

from collections.abc import Callable

from overlay.gossip import facts as gossip
from overlay.node.outbound import Outbound
from overlay.node.rooms import Rooms
from overlay.node.tables import Owner
from overlay.node.tracing import Trace
from overlay.paths import facts as paths
from overlay.paths.facts import Where
from overlay.relay import facts as relay
from overlay.sealing import LARGEST_TAG
from overlay.session import facts as session
from overlay.values import Direct, Label, NodeId
from overlay.wire import frame as wire
from overlay.wire import messages as said
from punch.commands import SendDatagram
from punch.limiter import TokenBucket
from punch.values import Endpoint, SocketId

CARRIED_DEPTH, CARRIED_RATE = 512 << 10, 128 << 10
"""Bytes of control that we carry from one neighbour, at once and a second: what 256 circuits need for their reports."""
HEARD_EVERY = 1.0
"""Seconds between two tellings that a peer is there."""
GONE_DEPTH, GONE_RATE = 16, 4.0
"""Times we say that a circuit is no more to whoever still uses it: at once, and a second."""


class Inbound:
    """The half of the hall that takes frames in."""

    def __init__(self, rooms: Rooms, outbound: Outbound, trace: Trace, settle: Callable[..., None]) -> None:
        self._rooms = rooms
        self._outbound = outbound
        self._trace = trace
        self._settle = settle
        self._carried_from: dict[NodeId, TokenBucket] = {}
        self._gone_words = TokenBucket(depth=GONE_DEPTH, rate=GONE_RATE, now=rooms.started)
        self._kinds: dict[type[said.Message], Callable[..., None]] = {
            said.Ping: self._rooted,
            said.Pong: self._rooted,
            said.Challenge: self._to_paths,
            said.Answer: self._to_paths,
            said.Report: self._to_paths,
            said.Parting: self._to_paths,
            said.Carried: self._carried,
            said.OpenCircuit: self._circuit,
            said.CircuitOpened: self._circuit,
            said.CircuitRefused: self._circuit,
            said.CircuitGone: self._circuit,
            said.Buckets: self._buckets,
            said.Have: self._have,
            said.Want: self._want,
            said.Records: self._records,
            said.Rekey: self._rekey,
            said.Rekeyed: self._rekey,
            said.Leave: self._leave,
            said.Unheard: self._unheard,
            said.Signal: self._signal,
            said.Heard: self._vouched,
        }

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> None:
        """Take one UDP payload that is not data."""
        kind = payload[0] if payload else -1
        if 0 <= kind <= wire.STUN_LAST:
            self._rooms.paths.receive(payload, source, via=via, now=now)
        elif self._rooms.paths.is_alternate(via):
            self._rooms.drop("frame_alternate")
        elif kind in (wire.HANDSHAKE, wire.COOKIE):
            self._rooms.session.receive(payload, Direct(via, source), now=now)
        elif kind == wire.CONTROL:
            self._control(payload, source, via, now=now)
        elif kind in (wire.PROBE, wire.PROBE_ANSWER):
            self._rooms.paths.receive(payload, source, via=via, now=now)
        else:
            self._rooms.drop("frame_type")

    def _control(self, payload: bytes, source: Endpoint, via: SocketId, *, now: float) -> None:
        rooms, piece = self._rooms, wire.parse(payload)
        if piece is None:
            rooms.drop("frame_malformed")
            return
        label = piece.header.label
        owner = rooms.labels.get(label)
        if owner is None:
            self._forward(payload, label, source, now=now)
            return
        if owner.relay is not None and not self._is_from(owner.relay, source):
            rooms.drop("circuit_source")
            return
        header = piece.header
        body = bytes(piece.body)
        if header.count > 1:
            where_from = (label, header.epoch, header.counter, header.count, source)
            whole = rooms.partial.add(where_from, header.index, header.count, body, session=owner.peer, now=now)
            if whole is None:
                return
            body = bytes(whole)
        message = rooms.session.open(owner.peer, header.epoch, header.counter, body, now=now)
        if message is None:
            return
        if owner.relay is None:
            rooms.places[label] = Direct(via, source)
        # What opening changed (keys live, a session up) comes before what the message says.
        self._settle(now=now)
        where: Where = owner.relay if owner.relay is not None else Direct(via, source)
        if owner.relay is None and rooms.runs.get(label) != rooms.run_of(owner.peer):
            # Another host than the one whose handshake came last speaks for the same identity.
            rooms.gossip.tell(gossip.Doubled(owner.peer), now=now)
        self._opened(owner, where, len(payload), (header.epoch, header.counter), message, now=now)

    def _is_from(self, neighbour: NodeId, source: Endpoint) -> bool:
        return source in self._rooms.paths.endpoints_of(neighbour)

    def _forward(self, payload: bytes, label: Label, source: Endpoint, *, now: float) -> None:
        rooms, onward = self._rooms, self._rooms.forwards.get(label)
        if onward is None:
            rooms.drop("label_unknown")
            if len(payload) > wire.HEADER_SIZE + LARGEST_TAG:
                self._say_gone(label, source, now=now)
            return
        way = rooms.paths.neighbour(onward.target)
        if not self._is_from(onward.source, source) or way is None or not isinstance(way.where, Direct):
            rooms.drop("circuit_source")
            return
        if not self._may_carry(onward.source, len(payload), now=now):
            rooms.drop("circuit_rate")
            return
        swapped = payload[:4] + onward.out_label.to_bytes(4, "little") + payload[8:]
        rooms.out.append(SendDatagram(way.where.via, way.where.endpoint, swapped))
        rooms.used[label] = rooms.used.get(label, 0) + len(payload)

    def _may_carry(self, neighbour: NodeId, size: int, *, now: float) -> bool:
        """Whether a neighbour's control is carried: its byte rate (protocol section 7); data has the plane's ration."""
        bucket = self._carried_from.get(neighbour)
        if bucket is None:
            self._carried_from = {node: each for node, each in self._carried_from.items() if each.full_at() > now}
            bucket = TokenBucket(depth=CARRIED_DEPTH, rate=CARRIED_RATE, now=now)
            self._carried_from[neighbour] = bucket
        return bucket.take(size, now=now)

    def _say_gone(self, label: Label, source: Endpoint, *, now: float) -> None:
        """A neighbour goes on writing to a circuit that is no more: the word of its end got lost.

        One that is asked for, and of whose answer we do not know yet, is on its way.
        """
        if self._rooms.relay.uses(label) or not self._gone_words.take(now=now):
            return
        for node, way in self._rooms.paths.neighbours():
            if self._is_from(node, source):
                self._outbound.send(node, way.where, said.CircuitGone(label), now=now)
                return

    def _opened(
        self, owner: Owner, where: Where, size: int, position: tuple[int, int], message: said.Message, *, now: float
    ) -> None:
        rooms, peer = self._rooms, owner.peer
        epoch, counter = position
        newest = rooms.highest.get(peer)
        highest = newest is None or newest[0] != epoch or counter > newest[1]
        if highest:
            rooms.highest[peer] = position
        if owner.relay is not None:
            self._outbound.use_circuit(peer, owner.relay, size)
        rooms.paths.tell(paths.Heard(peer, where, size, highest), now=now)
        if now - rooms.heard.get(peer, -HEARD_EVERY) >= HEARD_EVERY:
            rooms.heard[peer] = now
            rooms.gossip.tell(gossip.Heard(peer), now=now)
        handler = self._kinds.get(type(message))
        if handler is None:
            rooms.drop("message_not_yet")
        else:
            handler(peer, where, size, message, now=now)

    # --- one handler a kind ---

    def _to_paths(self, peer: NodeId, where: Where, size: int, message: paths.WayMessage, *, now: float) -> None:
        if isinstance(message, said.Pong) and self._trace.ponged(peer, message.req, now=now):
            return
        self._rooms.paths.tell(paths.MessageHeard(peer, where, size, message), now=now)

    def _rooted(self, peer: NodeId, where: Where, size: int, message: said.Ping | said.Pong, *, now: float) -> None:
        """A message about ways that also says what its sender holds."""
        self._to_paths(peer, where, size, message, now=now)
        self._rooms.gossip.tell(gossip.RootHeard(peer, message.root), now=now)

    def _carried(self, peer: NodeId, where: Where, size: int, message: said.Carried, *, now: float) -> None:
        fact = relay.CarryAsked(peer, NodeId(message.to), NodeId(message.sender), message.payload, message.hops)
        self._rooms.relay.tell(fact, now=now)

    def _circuit(self, peer: NodeId, where: Where, size: int, message: relay.CircuitTalk, *, now: float) -> None:
        self._rooms.relay.tell(relay.CircuitMessage(peer, message), now=now)

    def _buckets(self, peer: NodeId, where: Where, size: int, message: said.Buckets, *, now: float) -> None:
        self._rooms.gossip.tell(gossip.BucketsReceived(peer, message.hashes), now=now)

    def _unheard(self, peer: NodeId, where: Where, size: int, message: said.Unheard, *, now: float) -> None:
        self._rooms.gossip.tell(gossip.UnheardReceived(peer, message.entries), now=now)

    def _have(self, peer: NodeId, where: Where, size: int, message: said.Have, *, now: float) -> None:
        self._rooms.gossip.tell(gossip.HaveReceived(peer, message.entries), now=now)

    def _want(self, peer: NodeId, where: Where, size: int, message: said.Want, *, now: float) -> None:
        self._rooms.gossip.tell(gossip.WantReceived(peer, message.ids), now=now)

    def _records(self, peer: NodeId, where: Where, size: int, message: said.Records, *, now: float) -> None:
        self._rooms.gossip.tell(gossip.RecordsReceived(peer, message.records), now=now)

    def _rekey(self, peer: NodeId, where: Where, size: int, message: said.Rekey | said.Rekeyed, *, now: float) -> None:
        answer = isinstance(message, said.Rekeyed)
        self._rooms.session.tell(session.ControlReceived(peer, message.noise, answer), now=now)

    def _signal(self, peer: NodeId, where: Where, size: int, message: said.Signal, *, now: float) -> None:
        self._rooms.paths.tell(paths.SignalHeard(peer, message.body), now=now)

    def _vouched(self, peer: NodeId, where: Where, size: int, message: said.Heard, *, now: float) -> None:
        self._rooms.paths.tell(paths.HostHeard(peer, NodeId(message.node), message.ip), now=now)

    def _leave(self, peer: NodeId, where: Where, size: int, message: said.Leave, *, now: float) -> None:
        self._rooms.gossip.tell(gossip.MemberLeft(peer), now=now)
        # A farewell is told as one: before the session's end would look like silence.
        self._settle(now=now)
        self._rooms.session.tell(session.PeerLeft(peer), now=now)
