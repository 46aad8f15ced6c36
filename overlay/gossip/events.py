"""What happened in `gossip`."""

from __future__ import annotations

from msgspec import Struct

from overlay.gossip.record import Record
from overlay.values import NodeId


class OwnRecordIssued(Struct, frozen=True):
    """We signed a new record; handshakes carry it from now on."""

    record: Record
    signed: bytes


class AddressClaimed(Struct, frozen=True):
    """Our overlay addresses are settled, or changed: the device takes them."""

    ipv4: str
    ipv6: str
    why: str = ""
    """What made us give up the IPv4 address we had, for people."""


class MemberChanged(Struct, frozen=True):
    """A member is known, or its record is newer. `name` is unique here (`home-2`), `record.name` what it says."""

    record: Record
    name: str
    first: bool
    """We did not know it before."""


class AddressBound(Struct, frozen=True):
    """Inner `address` (text) is `peer`'s: packets may come from and go to it."""

    peer: NodeId
    address: str


class AddressUnbound(Struct, frozen=True):
    """Nobody holds `address` now."""

    address: str


class MemberGone(Struct, frozen=True):
    """A member left (`left`) or expired."""

    peer: NodeId
    left: bool


class MemberQuiet(Struct, frozen=True):
    """Nobody hears a member any more, as those say who had sessions with it; its next record says otherwise."""

    peer: NodeId


class RootChanged(Struct, frozen=True):
    """What keepalives say of the records held here, from now on."""

    root: bytes


class Conflict(Struct, frozen=True):
    """A rival claim was ignored: `code` is address_conflict, name_conflict, duplicate_id,
    identity_flood or false_claims; `text` for people."""

    code: str
    text: str


class ConflictOver(Struct, frozen=True):
    """No conflict of this code remains."""

    code: str


Event = (
    OwnRecordIssued
    | AddressClaimed
    | MemberChanged
    | AddressBound
    | AddressUnbound
    | MemberGone
    | MemberQuiet
    | RootChanged
    | Conflict
    | ConflictOver
)
