"""Whether UDP comes in at all: silence of servers says little while anything else is heard.

peer heard, STUN question or answer ------> it does, whatever servers say
a server that a person named is silent ---> blocked
several hosts are silent -----------------> blocked
one member is silent ---------------------> no server: it may serve no STUN, or be gone
"""

from __future__ import annotations

from collections.abc import Iterable

from punch.detect.hello import Target
from punch.values import PeerId

BELIEVED = 60.0
"""Seconds a datagram shows that UDP comes in."""
SEVERAL = 2
"""Hosts that must be silent, if nobody named one of them."""
MOST_PEERS = 1024
"""Peers remembered; the one told longest ago gives way."""


class Signs:
    """Of one network."""

    def __init__(self) -> None:
        self.anew()

    def anew(self) -> None:
        """Another network."""
        self._peers: dict[PeerId, None] = {}
        self._until: float | None = None
        self._silent: dict[str, None] = {}
        self._named = False
        """One of the silent was named by a person."""

    def heard(self, peer: PeerId) -> None:
        """A peer is heard from beyond our own link."""
        self._peers[peer] = None
        while len(self._peers) > MOST_PEERS:
            del self._peers[next(iter(self._peers))]

    def lost(self, peer: PeerId) -> None:
        """It is so no more."""
        self._peers.pop(peer, None)

    def came(self, *, now: float) -> None:
        """A datagram came from beyond our own link."""
        self._until = now + BELIEVED
        self._silent.clear()
        self._named = False

    def silent(self, servers: Iterable[Target]) -> None:
        """None of these answered."""
        for each in servers:
            self._silent[each.endpoint.host] = None
            self._named = self._named or each.configured

    def works(self, *, now: float) -> bool:
        """UDP comes in."""
        return bool(self._peers) or (self._until is not None and now < self._until)

    def is_blocked(self, *, now: float) -> bool:
        """Nothing comes in, and that is not for want of somebody who would answer."""
        return not self.works(now=now) and (self._named or len(self._silent) >= SEVERAL)
