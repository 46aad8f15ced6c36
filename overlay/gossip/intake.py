"""A record that came: checked from cheap to dear, and kept or dropped (protocol section 8).

bytes --decode--> newer than known? --room, and the bringer's budgets--> signature --> kept
                  of two with one sequence that differ the smaller signature wins, so that all end with the same
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from overlay.gossip.members import MAX_RECORDS, Members
from overlay.gossip.record import Record
from overlay.gossip.records import SIGNATURE, decode, is_signed
from overlay.gossip.spread import Spread
from overlay.values import NodeId
from overlay.wire.codec import Malformed
from punch.limiter import TokenBucket

CHECKED_BURST, CHECKED_RATE = 5000.0, 60.0
"""Signatures that one neighbour makes us check, at once and a second from then on: somewhat more than one sends."""
FORGED = 100.0
"""Checks that a forged record costs its bringer: whoever checks what it hands on brings none."""


class Verified(Struct, frozen=True):
    """A record to believe."""

    record: Record
    signed: bytes
    peer: NodeId | None
    """Who brought it; None: the disk."""


class Intake:
    """What is done with signed bytes before anything of them is believed."""

    def __init__(
        self, network: str, own: NodeId, members: Members, spread: Spread, drop: Callable[[str], None]
    ) -> None:
        self._network = network
        self._own = own
        self._members = members
        self._spread = spread
        self._drop = drop
        self._checks: dict[NodeId, TokenBucket] = {}
        self.evicted: list[NodeId] = []
        """Members that gave way to another, to be let go."""

    def check(self, signed: bytes, peer: NodeId | None, *, handshake: bool, now: float) -> Verified | None:
        """Check a record that `peer` sent (None: the disk); None, counted, if it is not to be believed."""
        try:
            record = decode(signed, self._network)
        except Malformed as fault:
            self._drop(f"record_{fault.reason}")
            return None
        if handshake and record.id != peer:
            self._drop("record_foreign")
        elif self._is_news(record, signed, peer, now) and self._may_come(record, peer, now):
            checks = None if handshake or peer is None else self._checks_of(peer, now)
            if checks is not None and not checks.take(now=now):
                self._drop("records_too_many")
            elif is_signed(signed, record, self._network):
                self._make_room(record.id, peer)
                return Verified(record, signed, peer)
            else:
                self._drop("record_forged")
                if checks is not None:
                    checks.charge(FORGED, now=now)
        return None

    def _checks_of(self, peer: NodeId, now: float) -> TokenBucket:
        if peer not in self._checks:
            self._checks[peer] = TokenBucket(depth=CHECKED_BURST, rate=CHECKED_RATE, now=now)
        return self._checks[peer]

    def tidy(self, *, now: float) -> None:
        """Forget budgets that are full again."""
        self._checks = {peer: checks for peer, checks in self._checks.items() if checks.full_at() > now}

    def _is_news(self, record: Record, signed: bytes, peer: NodeId | None, now: float) -> bool:
        """Newer than what we know; or as new, of one that was given up and is here itself; or the winner of two."""
        known = self._members.sequence(record.id)
        if record.sequence > known:
            return True
        if peer is not None:
            self._spread.came(peer, record.id, record.sequence, now=now)
        held = self._members.signed(record.id)
        if record.id == peer and self._members.get(peer) is None:
            if self._members.may_return(peer, record.sequence):
                return True
            self._spread.remind(peer, peer, now=now)
        elif record.sequence == known and held is not None and signed != held and self._wins(record, signed, held):
            return True
        if signed != held:
            self._drop("record_old")
        return False

    def _wins(self, record: Record, signed: bytes, held: bytes) -> bool:
        """Of two under one sequence; of our own the other counts: we forgot how far we counted, or were copied."""
        return record.id == self._own or signed[:SIGNATURE] < held[:SIGNATURE]

    def _may_come(self, record: Record, peer: NodeId | None, now: float) -> bool:
        """Whether there is room for the record's id, and `peer` has not brought too many."""
        node = record.id
        if node == self._own or self._members.get(node) is not None:
            return True
        if record.left:
            # A farewell of one that we do not know makes nobody known.
            return self._members.is_gone(node)
        if len(self._members) >= MAX_RECORDS and self._victim(node, peer) is None:
            self._drop("records_full")
            if peer is not None:
                self._spread.refuse(peer)
            return False
        if peer is not None and not self._members.introduce(peer, now=now):
            self._spread.refuse(peer)
            return False
        return True

    def _victim(self, node: NodeId, peer: NodeId | None) -> NodeId | None:
        return self._members.victim(peer if peer != node else None, self._spread.neighbours)

    def _make_room(self, node: NodeId, peer: NodeId | None) -> None:
        """One that is believed takes the place of a newcomer of whoever brought most."""
        if len(self._members) >= MAX_RECORDS and self._members.get(node) is None and node != self._own:
            victim = self._victim(node, peer)
            if victim is not None:
                self.evicted.append(victim)


def says_more(record: Record, before: Record | None) -> bool:
    """Whether `record` says anything that the one before it did not, its links and their costs apart."""
    if before is None:
        return True
    alike = msgspec.structs.replace(before, sequence=record.sequence, links=record.links)
    return alike != record
