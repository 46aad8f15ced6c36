"""What `session` is told."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import Link, NodeId


class DialAsked(Struct, frozen=True):
    """Start a handshake over `link`. A dial in progress over the same link goes on; None `expect`: anybody."""

    link: Link
    expect: NodeId | None
    likely: NodeId | None = None
    """Who answered there before, where nobody in particular is expected: a session with it is resumed, if it is."""
    chance: bool = False
    """Only a beacon led there: whoever answers has few guesses, and none of those that other dials need."""


class DialDropped(Struct, frozen=True):
    """Stop repeating m1 over `link`."""

    link: Link


class ControlReceived(Struct, frozen=True):
    """A Rekey (`answer` False) or Rekeyed (`answer` True) message of `peer`."""

    peer: NodeId
    noise: bytes
    answer: bool


class CounterSpent(Struct, frozen=True):
    """The data key of `peer` was used 2**32 times."""

    peer: NodeId


class RecordChanged(Struct, frozen=True):
    """Our own signed record, for handshake payloads from now on."""

    record: bytes


class PeerLeft(Struct, frozen=True):
    """Forget every session of `peer`."""

    peer: NodeId


class WallClockJumped(Struct, frozen=True):
    """Wall time jumped by over 30 s against `now`: a restored snapshot; discard all sessions (protocol section 4)."""


Fact = DialAsked | DialDropped | ControlReceived | CounterSpent | RecordChanged | PeerLeft | WallClockJumped
