"""What happened in `session`."""

from __future__ import annotations

from msgspec import Struct

from overlay.session.tickets import Ticket
from overlay.values import Label, Link, NodeId


class SessionOpened(Struct, frozen=True, kw_only=True):
    """A handshake completed: the peer proved name, secret and id.

    At A (the dialler) it is told when noise3 opened, and control may be sealed at once; at B when noise2 opened,
    but B seals under the new keys only after a frame opened under them (`KeysLive`).
    """

    peer: NodeId
    link: Link
    """The link the handshake completed over."""
    label: Label
    """Ours: frames of the peer on the direct link carry it. It becomes known to the peer with m1/m2."""
    peer_label: Label
    """Theirs: we write it on frames sent over the direct link."""
    dialled: bool
    """We were A."""
    record: bytes
    """The peer's signed record, as its payload carried it; unverified."""
    seen: str | None
    """The endpoint the peer heard us from; None over a relay or if it did not say."""
    minor: int
    offloads: int
    """Bits of record types the peer accepts: 1 TCP super-packets, 2 UDP super-packets, 4 checksum offload."""
    first: bool
    """No other session with this peer was open."""


class OpenKeyReady(Struct, frozen=True, kw_only=True):
    """Install the data key we open with; it has no other owner from now on."""

    peer: NodeId
    cipher: str
    epoch: int
    key: bytes


class KeysLive(Struct, frozen=True, kw_only=True):
    """Seal with this data key from now on (A: at once; B and rekeys: after a frame opened under the new keys)."""

    peer: NodeId
    cipher: str
    epoch: int
    key: bytes


class ProbeKeysLive(Struct, frozen=True, kw_only=True):
    """The engine's probes to and from `peer` bear these keys from now on; it follows KeysLive of the same run."""

    peer: NodeId
    epoch: int
    """The same on both sides."""
    seal_key: bytes
    open_key: bytes


class KeysMade(Struct, frozen=True, kw_only=True):
    """All keys of a run, for a person who debugs; told only where `Sessions` was made to tell them."""

    peer: NodeId
    cipher: str
    seal_epoch: int
    seal_control: bytes
    seal_data: bytes
    open_epoch: int
    open_control: bytes
    open_data: bytes


class KeysRetired(Struct, frozen=True):
    """The open key of `epoch` is no more (10 s after newer keys proved themselves, or 180 s old)."""

    peer: NodeId
    epoch: int


class LabelRetired(Struct, frozen=True):
    """Frames with this direct label are no longer taken."""

    peer: NodeId
    label: Label


class SessionLost(Struct, frozen=True):
    """No key of `peer` is left (180 s without a newer one, or it left): nothing can be sealed or opened."""

    peer: NodeId


class TicketsChanged(Struct, frozen=True):
    """What a later session with `peer` may begin with, oldest first: worth keeping on disk, in place of what there
    was; the peer told last is the newest."""

    peer: NodeId
    tickets: tuple[Ticket, ...]


class SecretRefused(Struct, frozen=True):
    """Dialling over `link`, noise1 did not open: secret or name differ."""

    link: Link


class DialFailed(Struct, frozen=True):
    """No answer over `link` after the last repeat, or another id than expected (`reason`: no_answer, wrong_id, self,
    version)."""

    link: Link
    reason: str


Event = (
    SessionOpened
    | OpenKeyReady
    | KeysLive
    | ProbeKeysLive
    | KeysRetired
    | LabelRetired
    | KeysMade
    | SessionLost
    | TicketsChanged
    | SecretRefused
    | DialFailed
)
