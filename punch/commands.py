"""What a machine asks the shell to do."""

from __future__ import annotations

from msgspec import Struct

from punch.values import Endpoint, SocketId


class SendDatagram(Struct, frozen=True):
    """Send one UDP payload."""

    via: SocketId
    """The socket it leaves by."""
    to: Endpoint
    """Where it goes."""
    payload: bytes
    """At most 65,507 bytes."""
