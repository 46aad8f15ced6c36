"""Control messages as values (protocol section 2): the array `[kind, fields...]`, one class a row.

`KINDS` is the law; the codec reads it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from punch.signals import Signal as PunchSignal

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
U63 = Annotated[int, Meta(ge=0, le=0x7FFF_FFFF_FFFF_FFFF)]
U64 = Annotated[int, Meta(ge=0)]
"""Up to 2**64 - 1; msgspec cannot state that bound, msgpack cannot exceed it."""
Id = Annotated[bytes, Meta(min_length=32, max_length=32)]
Token = Annotated[bytes, Meta(min_length=8, max_length=8)]
Root = Annotated[bytes, Meta(min_length=8, max_length=8)]
Reason = Annotated[str, Meta(max_length=32)]
HandshakeBytes = Annotated[bytes, Meta(max_length=2048)]
RecordBytes = Annotated[bytes, Meta(max_length=1200)]
Host = Annotated[str, Meta(max_length=45)]
"""A numeric address in text; the longest has 45 characters (RFC 4291 section 2.2)."""
Sequenced = tuple[Id, U63]
Hops = Annotated[tuple[Id, ...], Meta(max_length=8)]
"""Nodes along a circuit, eight links at most (protocol section 7)."""


class Message(Struct, frozen=True, array_like=True):
    """A control message; fields in wire order."""


class Ping(Message, frozen=True, array_like=True):
    """Keepalive, and a question for RTT when `req` is not 0."""

    req: U32
    """0: no Pong wanted."""
    root: Root
    """Gossip's 8-byte root (mesh); zeros until then."""


class Pong(Message, frozen=True, array_like=True):
    """The answer to a Ping with the same `req`."""

    req: U32
    root: Root


class Challenge(Message, frozen=True, array_like=True):
    """Proves a way: its Answer must come back on it. Padded to the size under test."""

    token: Token


class Answer(Message, frozen=True, array_like=True):
    """The answer to a Challenge, sent back the way it came, padded alike."""

    token: Token


class Carried(Message, frozen=True, array_like=True):
    """A handshake frame handed on by a member that both can reach (protocol sections 3 and 7)."""

    to: Id
    sender: Id
    """`from` on the wire's table; as the sender says, proven only by the handshake inside."""
    payload: HandshakeBytes
    hops: U8
    """Links still allowed, counted down."""


class OpenCircuit(Message, frozen=True, array_like=True):
    """Ask for a circuit between two nodes (protocol section 7)."""

    req: U32
    source: Id
    target: Id
    label: U32
    """Where the sender of this message takes frames coming back."""
    hops: U8
    """Links still allowed, counted down."""
    crossed: Hops = ()
    """The nodes that took this request on so far, the source's neighbour first: none of them takes it again."""


class CircuitOpened(Message, frozen=True, array_like=True):
    """The answer: `label` is where the answerer takes frames going forward."""

    req: U32
    label: U32
    through: Hops = ()
    """The relays from the answerer on to the target, the answerer first; the target's own answer names none."""


class CircuitRefused(Message, frozen=True, array_like=True):
    """The answer of one that will not: no_peer, off, full or hops."""

    req: U32
    reason: Reason


class CircuitGone(Message, frozen=True, array_like=True):
    """The circuit whose frames the receiver of this message sends under `label` is no more."""

    label: U32


class Buckets(Message, frozen=True, array_like=True):
    """Anti-entropy (mesh): 256 id-prefix buckets."""

    hashes: Annotated[list[U64], Meta(min_length=256, max_length=256)]


class Have(Message, frozen=True, array_like=True):
    """The records the sender holds or just learned."""

    entries: Annotated[list[Sequenced], Meta(max_length=400)]


class Want(Message, frozen=True, array_like=True):
    """Ask for the records of these ids."""

    ids: Annotated[list[Id], Meta(max_length=450)]


class Records(Message, frozen=True, array_like=True):
    """Signed records, verbatim."""

    records: Annotated[list[RecordBytes], Meta(max_length=64)]


class Report(Message, frozen=True, array_like=True):
    """The receiver's account of the data envelopes of its sender since the session began."""

    complete: U64
    incomplete: U64
    highest: U64
    """Highest counter opened under the newest epoch."""
    slices: U64 = 0
    """Slices that came, parity among them."""
    missed: U64 = 0
    """Slices that never came, of envelopes given up or rebuilt."""
    rebuilt: U64 = 0
    """Envelopes that are complete only by parity or by their double; counted in `complete` too."""


class Rekey(Message, frozen=True, array_like=True):
    """Noise KKpsk0, first message (protocol section 4)."""

    noise: HandshakeBytes


class Rekeyed(Message, frozen=True, array_like=True):
    """Noise KKpsk0, second message."""

    noise: HandshakeBytes


class Leave(Message, frozen=True, array_like=True):
    """The sender ends politely."""


class Signal(Message, frozen=True, array_like=True):
    """What the sender's punch engine says to the receiver's."""

    body: PunchSignal
    """As `punch.signals.plain` gives it: an array that begins with its own number."""


class Heard(Message, frozen=True, array_like=True):
    """The sender carries a circuit to `node`, and hears it from `ip` (protocol section 9, No weapon)."""

    node: Id
    ip: Host


class Parting(Message, frozen=True, array_like=True):
    """About this session alone, in a mesh where not everybody has one with everybody; its sender stays a member."""

    word: U8
    """0: may it end? 1: it ended here. 2: no, I use it. 3: it ended here, as I have all I take."""


class Unheard(Message, frozen=True, array_like=True):
    """These members, whose newest record is this, are heard no more by those that had sessions with them: passed on
    by all who do not hear them either; the one that it is about answers by its next record."""

    entries: Annotated[list[Sequenced], Meta(max_length=64)]


KINDS: dict[int, type[Message]] = {
    1: Ping,
    2: Pong,
    3: Challenge,
    4: Answer,
    5: Carried,
    6: OpenCircuit,
    7: CircuitOpened,
    8: CircuitRefused,
    9: CircuitGone,
    10: Buckets,
    11: Have,
    12: Want,
    13: Records,
    14: Report,
    15: Rekey,
    16: Rekeyed,
    17: Leave,
    20: Signal,
    21: Heard,
    22: Parting,
    23: Unheard,
}
