"""What the parts of `session` share: who we are, dice, timers, the peers, and what goes out."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable

from overlay.identity import Identity, NetworkKeys
from overlay.session.commands import Command, SendControl, SendHandshake
from overlay.session.drops import Reason
from overlay.session.events import Event, TicketsChanged
from overlay.session.layout import MINOR, Payload
from overlay.session.noise import XXPSK0, Handshake, KeyPair
from overlay.session.peer import Peer
from overlay.session.tickets import Ticket, Tickets
from overlay.session.timing import Due
from overlay.values import Direct, Label, Link, NodeId
from overlay.wire.messages import Ping
from punch.timers import Timers

PROOF = Ping(0, bytes(8))
"""A frame that says nothing but that its sender holds the keys it is sealed with."""


class Desk:
    """Decides nothing."""

    def __init__(
        self,
        *,
        identity: Identity,
        keys: NetworkKeys,
        record: bytes,
        ciphers: tuple[str, ...],
        offloads: int,
        keygen: Callable[[int], bytes],
        entropy: random.Random,
        tells_keys: bool,
        tickets: Iterable[Ticket],
    ) -> None:
        self.identity = identity
        self.keys = keys
        self.record = record
        self.ciphers = ciphers
        self.offloads = offloads
        self.keygen = keygen
        self.tells_keys = tells_keys
        self.static = KeyPair(identity.static_private, identity.static_public)
        self.tickets = Tickets(tickets)
        self.timers: Timers[Due] = Timers()
        self.peers: dict[NodeId, Peer] = {}
        self.promised: dict[Label, tuple[NodeId | None, int]] = {}
        """Epochs in payloads we sent and that no run took yet: (the peer if known, epoch), by our label."""
        self.out: deque[Command] = deque()
        self.news: deque[Event] = deque()
        self.drops: dict[str, int] = {}
        self._entropy = entropy

    def drop(self, reason: Reason) -> None:
        """Count what led nowhere."""
        self.drops[reason] = self.drops.get(reason, 0) + 1

    def send(self, link: Link, frame: bytes) -> None:
        """Let a handshake frame go out."""
        self.out.append(SendHandshake(link, frame))

    def prove(self, node: NodeId) -> None:
        """Let a frame go out under the newest keys, so that `node` may use them."""
        self.out.append(SendControl(node, PROOF))

    def keep_ticket(self, ticket: Ticket) -> None:
        """A session may begin with it."""
        gone = self.tickets.add(ticket)
        if gone is not None:
            self.news.append(TicketsChanged(gone, ()))
        self.news.append(TicketsChanged(ticket.peer, self.tickets.of(ticket.peer)))

    def spend_ticket(self, ticket: Ticket) -> None:
        """No session begins with it any more."""
        if self.tickets.spend(ticket):
            self.news.append(TicketsChanged(ticket.peer, self.tickets.of(ticket.peer)))

    def strike_ticket(self, ticket: Ticket) -> None:
        """Somebody showed it who does not hold its secret."""
        if self.tickets.strike(ticket):
            self.spend_ticket(ticket)

    def label(self) -> Label:
        """A fresh random label."""
        return Label(self._entropy.getrandbits(32))

    def handshake(self, *, initiator: bool, psk: bytes, prologue: bytes) -> Handshake:
        """Our side of XXpsk0."""
        return Handshake(
            XXPSK0,
            initiator=initiator,
            prologue=prologue,
            ephemeral=self.keygen(32),
            static=self.static,
            psks=(psk,),
        )

    def payload(self, epoch: int, heard_over: Link | None, *, record: bool = True) -> Payload:
        """What we say of ourselves inside Noise; `heard_over` is None as long as the other was not heard."""
        seen = str(heard_over.endpoint) if isinstance(heard_over, Direct) else None
        signed = self.record if record else b""
        return Payload(self.identity.id, MINOR, epoch, list(self.ciphers), self.offloads, seen, signed)

    def is_promised(self, node: NodeId, epoch: int) -> bool:
        """Whether a handshake under way with `node`, or with nobody knows whom, may take `epoch`."""
        return any(whom in (node, None) and number == epoch for whom, number in self.promised.values())

    def epoch_for(self, node: NodeId) -> int:
        """The epoch to receive under from `node`: one above the newest, and free; 0 if nothing is open with it."""
        peer = self.peers.get(node)
        first = peer.newest + 1 if peer is not None else 0
        free = (
            epoch & 0xFF
            for epoch in range(first, first + 256)
            if not (peer is not None and peer.holds(epoch & 0xFF)) and not self.is_promised(node, epoch & 0xFF)
        )
        return next(free, first & 0xFF)

    def epoch_for_stranger(self) -> int:
        """The epoch to receive under from whoever it proves to be: free with all, and not soon reached by any."""
        score = [0] * 256
        for peer in self.peers.values():
            for ahead in range(1, 4):
                score[peer.newest + ahead & 0xFF] |= 1
            for held in peer.epochs():
                score[held] |= 2
        for _, number in self.promised.values():
            score[number] |= 2
        return score.index(min(score))
