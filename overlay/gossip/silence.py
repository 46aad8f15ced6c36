"""Members that nobody hears any more, where not everybody has a session with everybody.

its neighbour: silent here --20 s without a newer record--> Unheard(id, sequence) -> all neighbours
whoever hears it          tells it alone, and it answers by its next record
whoever does not          holds it for quiet, and passes that on; told to the person 5 s later, if it still holds
the member itself         signs its next record, at most every 30 s

A claim is a hint of whoever makes it, bound to one sequence: a liar costs each member one record in 30 s, and is
allowed so many claims a second. Lessons of SWIM (Das, Gupta, Motivala 2002, section 4.2: suspicion, incarnations).
"""

from __future__ import annotations

from overlay.gossip.commands import SendGossip
from overlay.gossip.members import Held, Members
from overlay.gossip.record import Record
from overlay.gossip.spread import Spread
from overlay.values import NodeId
from overlay.wire.messages import Unheard
from punch.limiter import TokenBucket

GRACE = 20.0
"""Seconds a silent neighbour has to show by a newer record that it only lost us."""
HEARD = 130.0
"""Seconds since the last word of a neighbour in which we vouch for it: two keepalives of the slowest kind."""
TOLD_AFTER = 5.0
"""Seconds from the claim until it is told: an answer crosses a mesh in two."""
ANSWER_EVERY = 30.0
"""Seconds between two records of ours that answer claims."""
CLAIMS_DEPTH, CLAIMS_RATE = 64.0, 1.0
"""Claims of one neighbour believed at once, and a second from then on."""
PASSED_DEPTH, PASSED_RATE = 256.0, 0.5
"""Claims of all others passed on at once (a site that goes dark), and a second from then on."""
REFUTED = 10.0
"""Claims, owed where there are no more, that one costs its bringer whose member answers .."""
REFUTED_WITHIN = ANSWER_EVERY + TOLD_AFTER
""".. within so many seconds, of the run that was claimed to be gone."""
MOST_ENTRIES = 64
"""Entries of one message."""


class Silence:
    """Claims that a member is heard no more: ours, and those of others."""

    def __init__(self, members: Members, spread: Spread, own: NodeId, drops: dict[str, int], *, now: float) -> None:
        self._members = members
        self._spread = spread
        self._own = own
        self._drops = drops
        self._silent: dict[NodeId, tuple[int, float]] = {}
        """Neighbours that fell silent: the sequence they had, and when that is claimed."""
        self._untold: dict[NodeId, tuple[int, float]] = {}
        """Members held for quiet that nobody was told of yet, and when they are."""
        self._claims: dict[NodeId, TokenBucket] = {}
        self._passed = TokenBucket(depth=PASSED_DEPTH, rate=PASSED_RATE, now=now)
        self._bringers: dict[NodeId, tuple[NodeId, float]] = {}
        """Member held for quiet -> who said so, and when."""
        self.refused: dict[NodeId, int] = {}
        """Neighbour -> claims of it that were not believed as it had brought too many, or false ones."""
        self._answered_at = float("-inf")
        self._out: list[SendGossip] = []

    def fell_silent(self, node: NodeId, *, now: float) -> None:
        """Nothing of a neighbour opens here any more."""
        held = self._members.get(node)
        if held is not None and not held.quiet:
            self._silent.setdefault(node, (held.record.sequence, now + GRACE))

    def heard(self, peer: NodeId, entries: list[tuple[bytes, int]], *, now: float) -> bool:
        """`peer` passes claims on; True if one is about us and wants an answer."""
        if peer not in self._claims:
            self._claims[peer] = TokenBucket(depth=CLAIMS_DEPTH, rate=CLAIMS_RATE, now=now)
        ours = False
        believed: list[tuple[bytes, int]] = []
        for raw, sequence in entries:
            node = NodeId(raw)
            held = self._members.get(node)
            if held is None or held.record.sequence != sequence or held.quiet:
                continue
            if not self._claims[peer].take(now=now):
                self._drop("claims_too_many")
                self.refused[peer] = self.refused.get(peer, 0) + 1
                break
            if node == self._own:
                if now - self._answered_at >= ANSWER_EVERY:
                    ours, self._answered_at = True, now
            elif node in self._spread.neighbours and now - held.heard < HEARD:
                self._say(node, [(raw, sequence)])
            elif self._passed.take(now=now):
                self._believe(held, now=now)
                self._bringers[node] = (peer, now)
                believed.append((raw, sequence))
            else:
                self._drop("claims_too_many")
                break
        self._pass_on(believed, peer)
        return ours

    def spoke(self, before: Record, record: Record, *, now: float) -> None:
        """A member signed a newer record: whoever claimed its run to be gone was wrong, and pays for it."""
        peer, at = self._bringers.pop(record.id, (None, 0.0))
        if peer is None or record.boot != before.boot or now - at > REFUTED_WITHIN:
            return
        if (claims := self._claims.get(peer)) is not None:
            claims.charge(REFUTED, now=now)

    def doubted(self, peer: NodeId, entries: list[tuple[bytes, int]]) -> None:
        """`peer` holds these: of those that are quiet here it shall hear so, that they may answer."""
        quiet = [
            (raw, sequence)
            for raw, sequence in entries
            if (held := self._members.get(NodeId(raw))) is not None and held.quiet and held.record.sequence == sequence
        ]
        if quiet:
            self._say(peer, quiet[:MOST_ENTRIES])

    def commands(self) -> list[SendGossip]:
        """Drain what is to be sent."""
        out, self._out = self._out, []
        return out

    def next_timeout(self) -> float | None:
        """When something is due."""
        moments = [at for table in (self._silent, self._untold) for _, at in table.values()]
        return min(moments, default=None)

    def handle_timeout(self, *, now: float) -> list[NodeId]:
        """Claim what is due; returns the members that are to be told as quiet."""
        claimed: list[tuple[bytes, int]] = []
        for node, (sequence, at) in list(self._silent.items()):
            if at > now:
                continue
            del self._silent[node]
            held = self._members.get(node)
            if held is not None and held.record.sequence == sequence and now - held.heard >= GRACE and not held.quiet:
                self._believe(held, now=now)
                claimed.append((node, sequence))
        self._pass_on(claimed, None)
        return self._told(now=now)

    def _told(self, *, now: float) -> list[NodeId]:
        told: list[NodeId] = []
        for node, (sequence, at) in list(self._untold.items()):
            held = self._members.get(node)
            if held is None or not held.quiet or held.record.sequence != sequence:
                del self._untold[node]
            elif at <= now:
                del self._untold[node]
                told.append(node)
        return told

    def _believe(self, held: Held, *, now: float) -> None:
        self._members.set_quiet(held.record.id, True)
        self._untold[held.record.id] = (held.record.sequence, now + TOLD_AFTER)

    def _pass_on(self, entries: list[tuple[bytes, int]], source: NodeId | None) -> None:
        for start in range(0, len(entries), MOST_ENTRIES):
            for peer in self._spread.neighbours:
                if peer != source:
                    self._say(peer, entries[start : start + MOST_ENTRIES])

    def _say(self, peer: NodeId, entries: list[tuple[bytes, int]]) -> None:
        self._out.append(SendGossip(peer, Unheard(entries)))

    def tidy(self, *, now: float) -> None:
        """Forget budgets that are full again."""
        self._claims = {node: claims for node, claims in self._claims.items() if claims.full_at() > now}
        self._bringers = {node: said for node, said in self._bringers.items() if now - said[1] <= REFUTED_WITHIN}

    def _drop(self, reason: str) -> None:
        self._drops[reason] = self._drops.get(reason, 0) + 1
