"""What telling missed is found by comparing (protocol section 5, Keepalive; section 8).

A                                    B
Ping(root)                ->         equal to a root of B's last minute: all is well, or news are on their way
                                     odd still 5 s later, while no news came here:
                          <-         Buckets      once per 30 s and neighbour, later if it brought nothing
Buckets, Have of what differs ->     Have of what differs; the rest is asking and telling
                          <-         Want of all of a bucket whose sums differ though its Have is as ours: somebody
                                     signed two records under one sequence

A session in a mesh too large to tell everything begins with Buckets too, repeated until the other's came.
"""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct, field

from overlay.gossip.commands import SendGossip
from overlay.gossip.members import Members
from overlay.values import NodeId
from overlay.wire.messages import Buckets, Have
from punch.limiter import TokenBucket
from punch.timers import Timers

SETTLE = 5.0
"""Seconds an odd root has to explain itself: news cross a mesh in two."""
FLUX = 4
"""Odd roots in a row that count whatever news came meanwhile."""
RECENT, MOST_RECENT = 60.0, 64
"""Seconds, and how many, of our own roots known."""
EVERY, EVERY_MOST = 30.0, 1920.0
"""Seconds between two comparisons with one neighbour (protocol section 5); doubles while they bring nothing new."""
BEGIN_AGAIN = (1.0, 3.0)
"""Seconds after which a session's first Buckets are repeated."""
STARTS_DEPTH, STARTS_RATE = 16.0, 0.1
"""Comparisons that this node begins at once, and a second from then on."""
ANSWERED_DEPTH, ANSWERED_RATE = 6.0, 1 / 15
"""The same for those that one neighbour makes us answer."""
HAVE_CHUNK = 360
"""Entries of 44 B in a control message of 16 KiB."""
NOTHING = bytes(8)
"""The root of a node that says nothing of what it holds."""


class Compared(Struct):
    """A neighbour, as far as comparing goes."""

    answers: TokenBucket
    odd: bytes | None = None
    """The root it said last that was none of ours."""
    odd_times: int = 0
    our_root: bytes = b""
    """Ours when it said so."""
    next_at: float = 0.0
    """When the next comparison may begin."""
    wait: float = EVERY
    begun_at: float | None = None
    """When we sent Buckets that its own have not answered."""
    odd_buckets: list[int] = field(default_factory=list)
    """Those of its last Buckets that were not as ours; what it has in them comes next."""
    first: list[float] = field(default_factory=list)
    """Waits until the first Buckets are repeated."""


class Timer(Enum):
    """What `Healing` waits for; each with a neighbour."""

    CHECK = auto()
    """An odd root had its time."""
    BEGIN = auto()
    """The first Buckets of a session were not answered."""


class Healing:
    """Roots and Buckets with every neighbour."""

    def __init__(self, members: Members, out: list[SendGossip], drops: dict[str, int], *, now: float) -> None:
        self._members = members
        self._out = out
        self._drops = drops
        self._neighbours: dict[NodeId, Compared] = {}
        self._current = members.digest.root
        self._roots: dict[bytes, float] = {}
        """Those that were ours, until when."""
        self._starts = TokenBucket(depth=STARTS_DEPTH, rate=STARTS_RATE, now=now)
        self._timers: Timers[tuple[Timer, NodeId]] = Timers()

    def changed(self, *, now: float) -> None:
        """What we hold may have changed: the root of before was ours until now."""
        root = self._members.digest.root
        if root == self._current:
            return
        self._roots.pop(self._current, None)
        self._roots[self._current], self._current = now, root
        while len(self._roots) > MOST_RECENT:
            del self._roots[next(iter(self._roots))]

    def up(self, peer: NodeId, *, compare: bool, now: float) -> None:
        """A session with `peer` opened; `compare` at once."""
        before = self._neighbours.get(peer)
        answers = before.answers if before else TokenBucket(depth=ANSWERED_DEPTH, rate=ANSWERED_RATE, now=now)
        self._neighbours[peer] = Compared(answers, next_at=now)
        if compare:
            self._neighbours[peer].first = list(BEGIN_AGAIN)
            self._begin_again(peer, now=now)

    def down(self, peer: NodeId) -> None:
        """No session with `peer` is left."""
        self._neighbours.pop(peer, None)
        for timer in Timer:
            self._timers.clear((timer, peer))

    def learned(self, peer: NodeId) -> None:
        """`peer` brought news: comparing with it is worth while."""
        if (each := self._neighbours.get(peer)) is not None:
            each.wait = EVERY

    def root(self, peer: NodeId, root: bytes, *, now: float) -> None:
        """A keepalive of `peer` says what it holds."""
        each = self._neighbours.get(peer)
        if each is None or root == NOTHING:
            return
        if self._was_ours(root, now):
            each.odd, each.odd_times = None, 0
            return
        each.odd, each.our_root = root, self._members.digest.root
        each.odd_times += 1
        if self._timers.get((Timer.CHECK, peer)) is None:
            self._timers.set((Timer.CHECK, peer), max(now + SETTLE, each.next_at))

    def _was_ours(self, root: bytes, now: float) -> bool:
        """Whether we hold the same, or did so within the last minute."""
        if root == self._members.digest.root:
            return True
        left_at = self._roots.get(root)
        return left_at is not None and now - left_at < RECENT

    def _check(self, peer: NodeId, *, now: float) -> None:
        each = self._neighbours[peer]
        if each.odd is None or self._was_ours(each.odd, now):
            each.odd = None
            return
        if self._members.digest.root != each.our_root and each.odd_times < FLUX:
            return  # news are on their way: the next keepalive shows
        if not self._starts.take(now=now):
            self._timers.set((Timer.CHECK, peer), now + EVERY)
            return
        self._begin(peer, each, now=now)

    def _begin(self, peer: NodeId, each: Compared, *, now: float) -> None:
        each.odd, each.odd_times = None, 0
        each.begun_at = now
        each.next_at = now + each.wait
        each.wait = min(EVERY_MOST, each.wait * 2)
        self._out.append(SendGossip(peer, Buckets(list(self._members.digest.buckets))))

    def _begin_again(self, peer: NodeId, *, now: float) -> None:
        each = self._neighbours[peer]
        self._begin(peer, each, now=now)
        each.wait = EVERY
        if each.first:
            self._timers.set((Timer.BEGIN, peer), now + each.first.pop(0))

    def buckets(self, peer: NodeId, hashes: list[int], *, now: float) -> None:
        """`peer` says what it holds: answer with ours, and with what we hold of what differs."""
        each = self._neighbours.get(peer)
        if each is None:
            self._drop("gossip_without_session")
            return
        self._timers.clear((Timer.BEGIN, peer))
        each.first = []
        begun, each.begun_at = each.begun_at, None
        if begun is None and not each.answers.take(now=now):
            self._drop("buckets_too_many")
            return
        differing = each.odd_buckets = self._members.digest.differing(hashes)
        if not differing:
            return
        if begun is None:
            self._out.append(SendGossip(peer, Buckets(list(self._members.digest.buckets))))
            each.next_at = now + EVERY
        entries = self._members.entries(differing)
        for start in range(0, len(entries), HAVE_CHUNK):
            self._out.append(SendGossip(peer, Have(entries[start : start + HAVE_CHUNK])))

    def rivals(self, peer: NodeId, entries: list[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        """`peer` holds these: those that it may hold in another form under the same sequence."""
        each = self._neighbours.get(peer)
        if each is None or not each.odd_buckets:
            return []
        said: dict[int, list[tuple[bytes, int]]] = {}
        for entry in entries:
            said.setdefault(entry[0][0], []).append(entry)
        odd = [index for index in each.odd_buckets if index in said]
        each.odd_buckets = [index for index in each.odd_buckets if index not in said]
        return [
            entry
            for index in odd
            if sorted(said[index]) == sorted(self._members.entries([index]))
            for entry in said[index]
        ]

    def next_timeout(self) -> float | None:
        """When something is due."""
        return self._timers.next()

    def handle_timeout(self, *, now: float) -> None:
        """Compare what is due."""
        for timer, peer in self._timers.expired(now):
            if timer is Timer.CHECK:
                self._check(peer, now=now)
            else:
                self._begin_again(peer, now=now)

    def _drop(self, reason: str) -> None:
        self._drops[reason] = self._drops.get(reason, 0) + 1
