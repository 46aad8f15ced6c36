"""Which peers this node wants a session with, and which sessions are being let go."""

from __future__ import annotations

from overlay.paths.peer import Peer
from overlay.values import NodeId

USED = 600.0
"""Seconds after user traffic in which a session is wanted whoever was chosen (design section 3)."""


class Sparse:
    """The state of it; `keeping.Keeping` acts on it."""

    def __init__(self) -> None:
        self.peers: dict[NodeId, None] | None = None
        """Whom this node chose; None: everybody, the mesh is small."""
        self.asked: dict[NodeId, tuple[int, float]] = {}
        """How often in vain we asked whether a session may end, and from when on we may again."""
        self._released: dict[NodeId, None] = {}

    def wants(self, peer: Peer, *, now: float) -> bool:
        """Whether a session with `peer` is worth having."""
        return self.peers is None or peer.node in self.peers or self.used(peer, now=now)

    def used(self, peer: Peer, *, now: float) -> bool:
        """Whether user traffic went or came lately."""
        return peer.user_at > 0.0 and now - peer.user_at < USED

    def release(self, peer: Peer) -> None:
        """Its session ends, and its silence from then on is none."""
        self._released[peer.node] = None

    def is_released(self, peer: Peer) -> bool:
        """Whether its last session was let go."""
        return peer.node in self._released

    def opened(self, peer: Peer) -> None:
        """A session with it is open, again perhaps."""
        self._released.pop(peer.node, None)
        self.asked.pop(peer.node, None)

    def forget(self, node: NodeId) -> None:
        """It is no member any more."""
        self._released.pop(node, None)
        self.asked.pop(node, None)
