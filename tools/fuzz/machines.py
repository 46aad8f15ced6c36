"""Rooms of targets that are machines: they remember, so what they are fed builds on what they were fed before."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from overlay.gossip.facts import (
    BucketsReceived,
    Doubled,
    HaveReceived,
    RecordsReceived,
    RootHeard,
    SessionUp,
    UnheardReceived,
    WantReceived,
)
from overlay.identity import digest
from overlay.relay import facts as circuits
from overlay.relay.commands import Forward, SendRelay
from overlay.relay.limits import MAX_CIRCUITS
from overlay.relay.relay import Relay
from overlay.session.commands import SendHandshake
from overlay.session.facts import DialAsked
from overlay.session.layout import mac1
from overlay.session.sessions import Sessions
from overlay.session.tickets import Ticket
from overlay.values import Direct, Label, NodeId
from overlay.wire.codec import Malformed, decode_message
from overlay.wire.frame import PROBE, parse
from overlay.wire.messages import (
    Buckets,
    Carried,
    CircuitGone,
    CircuitOpened,
    CircuitRefused,
    Have,
    Message,
    OpenCircuit,
    Ping,
    Pong,
    Records,
    Unheard,
    Want,
)
from overlay.wire.reassembly import LIMIT_BYTES, Reassembly
from punch.values import SocketId, udp
from tools.fuzz.samples import NETWORK, gossip, identity, records, slices
from tools.fuzz.target import Feed

STEP = 0.02
"""Seconds between two inputs."""

STUN = bytes.fromhex("000100002112a442") + bytes(12)
"""A binding request (RFC 8489 section 5)."""


class Timed(Protocol):
    """What every machine has."""

    def next_timeout(self) -> float | None:
        """See `punch.machine`."""

    def handle_timeout(self, *, now: float) -> None:
        """See `punch.machine`."""


def settle(machine: Timed, now: float) -> None:
    """Let pass what is due; a machine whose timeout stays due would spin the shell's loop."""
    for _ in range(100):
        due = machine.next_timeout()
        if due is None or due > now:
            return
        machine.handle_timeout(now=now)
    raise AssertionError("a timeout stays due however often it is handled")


# -- sessions ---------------------------------------------------------------------------------------------------------

A_LINK, B_LINK = (Direct(SocketId(1), udp(f"192.0.2.{k}", 27182)) for k in (1, 2))


def sessions(number: int, *tickets: Ticket) -> Sessions:
    """Sessions with nobody yet, the same dice each time; with `tickets` of earlier ones."""
    dice = random.Random(number)
    return Sessions(
        identity=identity(number),
        keys=NETWORK,
        record=records()[0],
        ciphers=("chacha20poly1305",),
        offloads=7,
        keygen=dice.randbytes,
        entropy=dice,
        now=0.0,
        tickets=tickets,
    )


def ticket(peer: int, number: int) -> Ticket:
    """One of those with `peer`, both sides' the same for the same number."""
    return Ticket(identity(peer).id, bytes([number]) * 16, bytes([number]) * 32)


def handshake_frames() -> list[bytes]:
    """m1 to m4, r1 and r2 between the two that `sessions_room` starts with."""
    return [*_said(), *_said(TICKETS)]


TICKETS = range(1, 3)


def _said(held: Iterable[int] = ()) -> list[bytes]:
    one, two = sessions(1, *(ticket(2, each) for each in held)), sessions(2, *(ticket(1, each) for each in held))
    one.tell(DialAsked(B_LINK, identity(2).id), now=0.0)
    frames: list[bytes] = []
    for _ in range(3):
        for speaker, listener, link in ((one, two, A_LINK), (two, one, B_LINK)):
            for frame in frames_of(speaker):
                frames.append(frame)
                listener.receive(frame, link, now=0.0)
    return frames


def first_frames() -> list[bytes]:
    """A frame of every sort that reaches a node."""
    return [*handshake_frames(), *slices(), bytes((PROBE,)) + bytes(35), STUN]


def frames_of(speaker: Sessions) -> Iterator[bytes]:
    """The handshake frames that `speaker` asks to send."""
    for command in speaker.commands():
        if isinstance(command, SendHandshake):
            yield command.frame


def sessions_room() -> Feed:
    """Of two, one dialled the other and one resumes with the other: all hear everything."""
    one, two = sessions(1), sessions(2, *(ticket(1, each) for each in TICKETS))
    back = sessions(1, *(ticket(2, each) for each in TICKETS))
    one.tell(DialAsked(B_LINK, None), now=0.0)
    back.tell(DialAsked(B_LINK, identity(2).id), now=0.0)
    now = 0.0

    def feed(data: bytes) -> None:
        nonlocal now
        now += STEP
        for room, link in ((one, B_LINK), (two, A_LINK), (back, B_LINK)):
            room.receive(data, link, now=now)
            settle(room, now)
            for _ in room.commands():
                pass
            for _ in room.events():
                pass
        assert two.half_open <= 64

    return feed


def with_mac(data: bytes, dice: random.Random) -> bytes:
    """Most of the time with the MAC that a stranger who knows the network's name can make."""
    return data[:-16] + mac1(NETWORK.mac_key, data[:-16]) if dice.random() < 0.7 else data


# -- gossip -----------------------------------------------------------------------------------------------------------


def gossip_room() -> Feed:
    """A room of records with a neighbour that turned bad; the input is what it seals."""
    room, peer = gossip(9), identity(1).id
    room.tell(SessionUp(peer, records()[0]), now=0.0)
    now = 0.0

    def feed(data: bytes) -> None:
        nonlocal now
        now += STEP
        try:
            message = decode_message(data)
        except Malformed:
            message = Records([data[:1200]])
        match message:
            case Have():
                room.tell(HaveReceived(peer, message.entries), now=now)
            case Want():
                room.tell(WantReceived(peer, message.ids), now=now)
            case Records():
                room.tell(RecordsReceived(peer, message.records), now=now)
            case Buckets():
                room.tell(BucketsReceived(peer, message.hashes), now=now)
            case Unheard():
                room.tell(UnheardReceived(peer, message.entries), now=now)
            case Ping() | Pong():
                room.tell(RootHeard(peer, message.root), now=now)
            case _:
                room.tell(Doubled(peer), now=now)
        settle(room, now)
        for _ in room.commands():
            pass
        for _ in room.events():
            pass

    return feed


def signed_room() -> Feed:
    """A member that signs whatever the input is: only the fields stand between it and our tables."""
    room, peer = gossip(9), identity(1)
    room.tell(SessionUp(peer.id, records()[0]), now=0.0)
    now = 0.0

    def feed(data: bytes) -> None:
        nonlocal now
        now += STEP
        signed = peer.sign(digest("record", NETWORK.name_bytes) + data) + data
        room.tell(RecordsReceived(peer.id, [signed]), now=now)
        settle(room, now)
        for member in room.members():
            assert room.name_of(member.id)
            assert room.bound(member.ipv6) == member.id
        for _ in room.events():
            pass

    return feed


# -- reassembly -------------------------------------------------------------------------------------------------------


def reassembly_room() -> Feed:
    """Slices of one session; what is buffered stays bounded and is counted right."""
    room = Reassembly()
    now = 0.0

    def feed(data: bytes) -> None:
        nonlocal now
        now += STEP / 10
        piece = parse(data)
        if piece is None:
            return
        head = piece.header
        key = (head.label, head.epoch, head.counter, head.count)
        room.late(key, head.index)
        whole = room.add(key, head.index, head.count, piece.body, session=Label(head.label), now=now)
        assert whole is None or len(whole) >= head.count
        assert 0 <= room.buffered <= LIMIT_BYTES
        assert len(room) or not room.buffered
        room.expire(now)

    return feed


# -- circuits ---------------------------------------------------------------------------------------------------------


Search = Callable[[], bool]


class Carrier:
    """A relay with three neighbours, two of them bad; what they answer names requests and labels that there are."""

    def __init__(self) -> None:
        self.own, self.near = identity(9).id, [identity(k).id for k in (1, 2, 3)]
        self.relay = Relay(own=self.own, enabled=True, entropy=random.Random(9), onward=self._onward, now=0.0)
        self.requests: list[int] = [1]
        self.labels: list[int] = [77]
        for peer in self.near:
            self.relay.tell(circuits.NeighbourUp(peer), now=0.0)
        self.relay.tell(circuits.CircuitWanted(identity(4).id, self.near[0]), now=0.0)

    def _onward(self, target: NodeId, avoid: Sequence[NodeId], links: int, now: float, search: Search) -> list[NodeId]:
        return [peer for peer in self.near if peer != target and peer not in avoid]

    def fact(self, peer: NodeId, message: Message) -> circuits.Fact | None:
        """What the hall tells of a message of `peer`."""
        match message:
            case Carried():
                ends = NodeId(message.to), NodeId(message.sender)
                return circuits.CarryAsked(peer, *ends, message.payload, message.hops)
            case CircuitOpened() | CircuitRefused():
                known = self.requests[message.req % len(self.requests)]
                return circuits.CircuitMessage(peer, msgspec.structs.replace(message, req=known))
            case CircuitGone():
                known = self.labels[message.label % len(self.labels)]
                return circuits.CircuitMessage(peer, CircuitGone(known))
            case OpenCircuit():
                return circuits.CircuitMessage(peer, message)
        return None

    def look(self) -> None:
        """What it asks for makes sense."""
        for command in self.relay.commands():
            if isinstance(command, Forward):
                assert command.source != command.target, "a circuit that goes back where it came from"
            elif isinstance(command, SendRelay) and isinstance(command.message, OpenCircuit):
                self.requests = [*self.requests[-15:], command.message.req]
                self.labels = [*self.labels[-15:], command.message.label]
                crossed = command.message.crossed
                assert len(dict.fromkeys(crossed)) == len(crossed), "a loop"
                assert crossed[-1:] in ((), (self.own,)), "it signs on"
        for _ in self.relay.events():
            pass
        assert len(self.relay._book) <= (MAX_CIRCUITS + 1) * (len(self.near) + 1)


def carrier_room() -> Feed:
    """Any message about circuits, of the one or the other of two neighbours turned bad."""
    carrier, now, turn = Carrier(), 0.0, 0

    def feed(data: bytes) -> None:
        nonlocal now, turn
        now, turn = now + STEP, turn + 1
        try:
            message = decode_message(data)
        except Malformed:
            return
        fact = carrier.fact(carrier.near[turn % 2], message)
        if fact is not None:
            carrier.relay.tell(fact, now=now)
        settle(carrier.relay, now)
        carrier.look()

    return feed
