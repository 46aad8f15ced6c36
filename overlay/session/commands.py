"""What `session` asks for."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import Link, NodeId
from overlay.wire.messages import Message


class SendHandshake(Struct, frozen=True):
    """Send a handshake or cookie frame over `link`: a datagram, or the payload of a Carried."""

    link: Link
    frame: bytes


class SendControl(Struct, frozen=True):
    """Seal `message` for `peer` and send it by its way."""

    peer: NodeId
    message: Message


Command = SendHandshake | SendControl
