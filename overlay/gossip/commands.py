"""What `gossip` asks for."""

from __future__ import annotations

from msgspec import Struct

from overlay.values import NodeId
from overlay.wire.messages import Buckets, Have, Records, Unheard, Want


class SendGossip(Struct, frozen=True):
    """Seal `message` for the neighbour `peer`."""

    peer: NodeId
    message: Have | Want | Records | Buckets | Unheard
    to_each: bool = False
    """To every host that holds keys we share with `peer`: they may be two."""


Command = SendGossip
