"""What `gossip` is told."""

from __future__ import annotations

from msgspec import Struct

from overlay.gossip.record import RecordEndpoint, RecordLink
from overlay.values import NodeId


class SelfChanged(Struct, frozen=True):
    """Our endpoints, links (NodeId, cost in 1.5x steps) or capabilities changed; equal values change nothing."""

    endpoints: tuple[RecordEndpoint, ...]
    links: tuple[RecordLink, ...]
    relay: bool
    """We carry for others."""
    nat: str = "unknown"
    """The NAT profile's word."""


class SessionUp(Struct, frozen=True):
    """A session with `peer` opened; `record` is the signed record of its handshake payload, unverified."""

    peer: NodeId
    record: bytes
    boot: bytes = b""
    """The boot id in it."""


class Doubled(Struct, frozen=True):
    """`peer` was just heard under the keys of another run than its last handshake is of."""

    peer: NodeId


class SessionDown(Struct, frozen=True):
    """No session with `peer` is left."""

    peer: NodeId


class HaveReceived(Struct, frozen=True):
    """`peer` holds these (id, sequence)."""

    peer: NodeId
    entries: list[tuple[bytes, int]]


class WantReceived(Struct, frozen=True):
    """`peer` asks for the records of these ids."""

    peer: NodeId
    ids: list[bytes]


class RecordsReceived(Struct, frozen=True):
    """`peer` sent signed records."""

    peer: NodeId
    records: list[bytes]


class RootHeard(Struct, frozen=True):
    """A keepalive of `peer` bears this root of the records that it holds."""

    peer: NodeId
    root: bytes


class BucketsReceived(Struct, frozen=True):
    """`peer` says what it holds, summed up by the first byte of the ids."""

    peer: NodeId
    hashes: list[int]


class UnheardReceived(Struct, frozen=True):
    """`peer` passes on that nobody hears these, whose newest record is this."""

    peer: NodeId
    entries: list[tuple[bytes, int]]


class Quiet(Struct, frozen=True):
    """`peer` fell silent: nothing of it opens here any more."""

    peer: NodeId


class Leaving(Struct, frozen=True):
    """We end politely: our record says so from now on, and is the last."""


class Remembered(Struct, frozen=True):
    """Signed records kept on disk by an earlier run: verified like any other, told before the first session."""

    records: list[bytes]


class FirstDial(Struct, frozen=True):
    """The first m1 went out: the address is claimed within 1 s, synced or not (protocol section 1)."""


class NoPeers(Struct, frozen=True):
    """Nobody to ask: claim the address at once."""


class MemberLeft(Struct, frozen=True):
    """`peer` said Leave."""

    peer: NodeId


class Heard(Struct, frozen=True):
    """Something of `peer` opened just now: it is not silent (told at most once a second each)."""

    peer: NodeId


Fact = (
    SelfChanged
    | SessionUp
    | Doubled
    | SessionDown
    | HaveReceived
    | WantReceived
    | RecordsReceived
    | RootHeard
    | BucketsReceived
    | UnheardReceived
    | Quiet
    | Leaving
    | Remembered
    | FirstDial
    | NoPeers
    | MemberLeft
    | Heard
)
