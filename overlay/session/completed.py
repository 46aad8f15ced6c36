"""What both sides of a handshake make of the other's payload, and what they hand on when it is good."""

from __future__ import annotations

from msgspec import Struct

from overlay.identity import convert
from overlay.sealing import first_common
from overlay.session.commands import Command
from overlay.session.desk import Desk
from overlay.session.drops import Reason
from overlay.session.layout import Payload, unpack_payload
from overlay.session.noise import Handshake
from overlay.session.run import Epochs, Terms
from overlay.values import Label, Link, NodeId
from overlay.wire.codec import Malformed


class Completed(Struct, frozen=True, kw_only=True):
    """A handshake in which the peer proved itself, on either side."""

    terms: Terms
    epochs: Epochs
    noise: Handshake
    began_at: float
    record: bytes
    seen: str | None
    confirmation: Command | None
    """What the answering side repeats until a frame opens under the new keys."""
    repeats: bool = True
    """It may: the other received something from us before. Else its own repeats are answered, and no more."""


class Unfit(Exception):
    """The other knows the secret, but what it says of itself will not do."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Introduction(Struct, frozen=True):
    """A payload whose sender proved to be who it says."""

    peer: NodeId
    remote_static: bytes
    cipher: str
    payload: Payload

    def terms(self, link: Link, label: Label, peer_label: Label) -> Terms:
        """What holds between us from now on."""
        return Terms(
            peer=self.peer,
            remote_static=self.remote_static,
            link=link,
            label=label,
            peer_label=peer_label,
            cipher=self.cipher,
            offloads=self.payload.offloads,
            minor=self.payload.minor,
        )


def introduced(desk: Desk, noise: Handshake, plain: bytes, *, expect: NodeId | None) -> Introduction:
    """Read the payload of m3 or m4.

    Raises:
        Unfit: it is malformed, from ourselves, from another than `expect`, from an id that its static key does not
            belong to, or without a cipher in common.
    """
    try:
        payload = unpack_payload(plain)
    except Malformed:
        raise Unfit("payload") from None
    peer, static = NodeId(payload.id), noise.remote_static
    if peer == desk.identity.id:
        raise Unfit("self")
    if static is None or expect not in (None, peer) or convert(peer) != static:
        raise Unfit("wrong_id")
    cipher = first_common(desk.ciphers, payload.ciphers)
    if cipher is None:
        raise Unfit("cipher")
    return Introduction(peer, static, cipher, payload)
