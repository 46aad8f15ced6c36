"""How records travel: told with Have, pulled with Want, sent with Records (protocol section 8).

    A has news           B lacks it
    Have[(id, 7)]   ->                 gathered for 200 ms; told again after 1 and 4 s unless B shows that it knows
                    <-   Want[id]      `asking`
    Records[..]     ->

Where two were signed under one sequence, the one that counts is sent unasked, as nobody would ask for it.

B shows that it knows by asking, by telling the same, or by sending the record itself. Who has four neighbours or more
tells once: what is lost comes from another, or by comparing (`healing`). At the start of a session each tells the other
everything, or what differs where that is much. A farewell is not told but sent, as nobody need ask for it: once for
an id that is held, and once in ten seconds.

Where we have sessions with all members of a crowd, so has whoever sends us its own record: it tells them itself, and
what we tell on waits a while and goes together, to those who did not say meanwhile that they know.

A refresh (a record that says nothing new) waits longer the more neighbours there are to tell: of those that could
tell a node the one that happens to be first does, and hears from it that the others need not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import Enum, auto

from msgspec import Struct, field

from overlay.gossip.asking import Asking
from overlay.gossip.commands import SendGossip
from overlay.gossip.healing import Healing
from overlay.gossip.members import Members
from overlay.gossip.pace import Pace
from overlay.values import NodeId
from overlay.wire.messages import Have, Records
from punch.limiter import TokenBucket
from punch.timers import Timers

GATHER = 0.2
"""Seconds: changes within this time are told together .."""
TOLD_AT_ONCE = 4
""".. but after a silence so many are told at once: a chain of introductions need not wait at every link."""
REFRESH_SHARE, REFRESH_MOST = 0.05, 3.0
"""Seconds a refresh waits at most, for each neighbour there is, and in all."""
CROWD = 8
"""Neighbours from which on it pays to wait for what they hear from others."""
TOLD_WAIT, TOLD_SPREAD = 1.0, 2.0
"""Seconds that we wait to tell on what its author tells everybody, and up to so many more."""
TELL_AGAIN = (1.0, 3.0)
"""Seconds after the first and the second telling; then the neighbour is taken to be deaf."""
MANY_NEIGHBOURS = 4
"""So many tell each other once."""
TELL_ALL = 64
"""Records up to which a session begins with all of them: 3 kB; Buckets of more are shorter."""
FORWARD_BURST = 8
"""Changes of one id told on at once (a node that starts changes several times in its first second) .."""
FORWARD_EVERY = 10.0
""".. and one in so many seconds from then on, the newest."""
SERVED_BURST = 4500.0
"""Records sent to one neighbour at once .."""
SERVED_RATE = 50.0
""".. and a second from then on."""
LISTED_BURST, LISTED_RATE = 40_000.0, 400.0
"""Entries of Have that one neighbour makes us look at: at once, and a second from then on."""

HAVE_CHUNK = 360
"""Entries of 44 B in a control message of 16 KiB."""
RECORDS_CHUNK = 16_000
"""Bytes of records in one message."""
RECORDS_COUNT = 64


class Untold(Struct):
    """News that a neighbour may not know."""

    at: float
    tellings: int = 0
    whole: bool = False
    """The record itself is sent: it lists like the one it takes the place of."""


class Neighbour(Struct):
    """One that we have a session with."""

    served: TokenBucket
    listed: TokenBucket
    pace: Pace = field(default_factory=lambda: Pace(TOLD_AT_ONCE, GATHER))
    slot: float | None = None
    """When it is told what is new now; None: nothing is."""
    later: float = float("-inf")
    """When it is told what it has likely heard from its author."""
    untold: dict[NodeId, Untold] = field(default_factory=dict)


class Timer(Enum):
    """What `Spread` waits for, beside its asking and healing."""

    TELL = auto()
    """With a neighbour's id: news are due there."""


class Spread:
    """Have, Want and Records with every neighbour; `members` says what we hold."""

    def __init__(self, members: Members, drops: dict[str, int], *, entropy: random.Random, now: float) -> None:
        self._members = members
        self._drops = drops
        self._entropy = entropy
        self._neighbours: dict[NodeId, Neighbour] = {}
        self._forwards: dict[NodeId, Pace] = {}
        self._farewells: dict[NodeId, Pace] = {}
        self._timers: Timers[tuple[Timer, NodeId]] = Timers()
        self._out: list[SendGossip] = []
        self._asking = Asking(self._out)
        self.healing = Healing(members, self._out, drops, now=now)
        self.refused: dict[NodeId, int] = {}
        """Neighbour -> new ids of it that found no room."""
        self._synced = False

    @property
    def synced(self) -> bool:
        """A neighbour told us what it holds, and all of it that we lacked has come."""
        return self._synced and not self._asking

    @property
    def neighbours(self) -> dict[NodeId, Neighbour]:
        """Those that we have sessions with."""
        return self._neighbours

    def drain(self) -> Iterator[SendGossip]:
        """What is to be sent, oldest first."""
        out = list(self._out)
        self._out.clear()
        yield from out

    # -- neighbours ---------------------------------------------------------------------------------------------

    def up(self, peer: NodeId, *, now: float) -> None:
        """A session with `peer` opened: tell it everything at once, or compare."""
        before = self._neighbours.get(peer)
        neighbour = self._neighbours[peer] = Neighbour(
            before.served if before else TokenBucket(depth=SERVED_BURST, rate=SERVED_RATE, now=now),
            before.listed if before else TokenBucket(depth=LISTED_BURST, rate=LISTED_RATE, now=now),
        )
        few = len(self._members) <= TELL_ALL
        self.healing.up(peer, compare=not few, now=now)
        if few:
            neighbour.untold = {held.record.id: Untold(now) for held in self._members.all()}
            self._tell(peer, now=now)

    def down(self, peer: NodeId, *, now: float) -> None:
        """No session with `peer` is left."""
        self._neighbours.pop(peer, None)
        self._timers.clear((Timer.TELL, peer))
        self.healing.down(peer)
        self._asking.down(peer, now=now)

    # -- telling ------------------------------------------------------------------------------------------------

    def announce(
        self,
        node: NodeId,
        known_to: tuple[NodeId, ...],
        *,
        own: bool = False,
        refresh: bool = False,
        whole: bool = False,
        straight: bool = False,
        now: float,
    ) -> None:
        """The record of `node` is new here, or but a `refresh`: tell all neighbours but those that know; send it
        `whole` where it takes the place of one with its sequence. `straight`: it is a newer one, from itself."""
        told = straight and len(self._neighbours) >= max(CROWD, len(self._members) - 1)
        at = now if own else self._forward_at(node, now)
        for peer, neighbour in self._neighbours.items():
            before = neighbour.untold.get(node)
            if peer in known_to:
                continue
            if before and not before.tellings:
                before.whole |= whole
                continue
            due = max(at, self._later(neighbour, now) if told else self._slot(neighbour, refresh, now))
            neighbour.untold[node] = Untold(due, whole=whole)
            self._wake(peer, due)

    def _slot(self, neighbour: Neighbour, refresh: bool, now: float) -> float:
        """When a neighbour is told what comes now; refreshes take a random one, and join what is told before."""
        if refresh:
            most = min(REFRESH_MOST, REFRESH_SHARE * len(self._neighbours))
            return now + GATHER + most * self._entropy.random()
        if neighbour.slot is None or neighbour.slot < now:
            neighbour.slot = neighbour.pace.at(now=now)
        return neighbour.slot

    def _later(self, neighbour: Neighbour, now: float) -> float:
        """When a neighbour is told what its author has told it, unless it says before that it knows."""
        if neighbour.later <= now:
            neighbour.later = now + TOLD_WAIT + TOLD_SPREAD * self._entropy.random()
        return neighbour.later

    def _forward_at(self, node: NodeId, now: float) -> float:
        """When news of `node` may go on."""
        if node not in self._forwards:
            self._forwards[node] = Pace(FORWARD_BURST, FORWARD_EVERY)
        return self._forwards[node].at(now=now)

    def _wake(self, peer: NodeId, at: float) -> None:
        planned = self._timers.get((Timer.TELL, peer))
        if planned is None or at < planned:
            self._timers.set((Timer.TELL, peer), at)

    def _tell(self, peer: NodeId, *, now: float) -> None:
        """Send `peer` all news that are due, and plan the next telling."""
        neighbour = self._neighbours[peer]
        again = TELL_AGAIN if len(self._neighbours) < MANY_NEIGHBOURS else ()
        entries: list[tuple[bytes, int]] = []
        for node, untold in list(neighbour.untold.items()):
            if untold.at > now:
                continue
            if untold.whole:
                if (signed := self._members.signed(node)) is not None:
                    self._out.append(SendGossip(peer, Records([signed])))
                del neighbour.untold[node]
                continue
            entries.append((node, self._members.sequence(node)))
            if untold.tellings < len(again):
                untold.at = now + again[untold.tellings]
                untold.tellings += 1
            else:
                del neighbour.untold[node]
        for start in range(0, len(entries), HAVE_CHUNK):
            self._out.append(SendGossip(peer, Have(entries[start : start + HAVE_CHUNK])))
        neighbour.slot = None
        if neighbour.untold:
            self._timers.set((Timer.TELL, peer), min(untold.at for untold in neighbour.untold.values()))

    def hand_on(self, signed: bytes, known_to: tuple[NodeId, ...]) -> None:
        """Send a record that nobody need ask for to all neighbours but those that know."""
        for peer in self._neighbours:
            if peer not in known_to:
                self._out.append(SendGossip(peer, Records([signed])))

    def farewell(self, node: NodeId, signed: bytes, known_to: tuple[NodeId, ...], *, now: float) -> None:
        """Hand on that `node` left: at once, or what is newest of it ten seconds after it left last."""
        at = self._farewells.setdefault(node, Pace(1, FORWARD_EVERY)).at(now=now)
        if at <= now:
            self.hand_on(signed, known_to)
            return
        for peer, neighbour in self._neighbours.items():
            if peer not in known_to:
                neighbour.untold[node] = Untold(at, whole=True)
                self._wake(peer, at)

    def gone(self, node: NodeId, *, now: float) -> None:
        """Nobody is told of `node` any more."""
        for neighbour in self._neighbours.values():
            neighbour.untold.pop(node, None)
        self._asking.gone(node, now=now)

    # -- hearing ------------------------------------------------------------------------------------------------

    def have(self, peer: NodeId, entries: list[tuple[bytes, int]], *, now: float) -> None:
        """`peer` holds these: ask for what is newer, and note what it knows."""
        neighbour = self._neighbours.get(peer)
        if neighbour is None:
            self._drop("gossip_without_session")
            return
        if not neighbour.listed.take(len(entries), now=now):
            self._drop("haves_too_many")
            return
        room = self._members.room(peer, now=now) - self._asking.strangers(peer)
        for raw, sequence in entries:
            node = NodeId(raw)
            held = self._members.sequence(node)
            returned = node == peer and self._members.may_return(node, sequence)
            if sequence <= held and not returned:
                self._knows(peer, neighbour, node, sequence < held, now)
            elif held >= 0 or node in self._asking or room > 0:
                room -= held < 0 and node not in self._asking
                self._asking.rumour(peer, node, sequence, stranger=held < 0, now=now)
            else:
                self.refuse(peer)
        for raw, sequence in self.healing.rivals(peer, entries):
            self._asking.rumour(peer, NodeId(raw), sequence, now=now)
        self._asking.ask(peer, now=now)
        self._synced = True

    def refuse(self, peer: NodeId) -> None:
        """A new id that `peer` brings finds no room."""
        self._drop("introduced_too_many")
        self.refused[peer] = self.refused.get(peer, 0) + 1

    def _knows(self, peer: NodeId, neighbour: Neighbour, node: NodeId, older: bool, now: float) -> None:
        """`peer` told what we hold already; an `older` one it shall hear of, once."""
        if older:
            self.remind(peer, node, now=now)
        else:
            neighbour.untold.pop(node, None)

    def came(self, peer: NodeId, node: NodeId, sequence: int, *, now: float) -> None:
        """`peer` sent the record of `node`."""
        neighbour = self._neighbours.get(peer)
        if neighbour and sequence >= self._members.sequence(node):
            neighbour.untold.pop(node, None)
        self._asking.came(node, sequence, now=now)
        self._asking.ask(peer, now=now)

    def remind(self, peer: NodeId, node: NodeId, *, now: float) -> None:
        """`peer` has an older record of `node` than we know of: tell it, once."""
        neighbour = self._neighbours.get(peer)
        if neighbour and node not in neighbour.untold:
            neighbour.untold[node] = Untold(now, len(TELL_AGAIN))
            self._wake(peer, now)

    def show(self, peer: NodeId, signed: bytes) -> None:
        """Send `peer` a record of its own unasked, and whoever else holds its key."""
        self._out.append(SendGossip(peer, Records([signed]), to_each=True))

    # -- serving ------------------------------------------------------------------------------------------------

    def want(self, peer: NodeId, ids: list[bytes], *, now: float) -> None:
        """Send `peer` the records of `ids` that we have, packed into messages."""
        neighbour = self._neighbours.get(peer)
        if neighbour is None:
            self._drop("gossip_without_session")
            return
        batch: list[bytes] = []
        size = 0
        for raw in dict.fromkeys(ids):
            node = NodeId(raw)
            signed = self._members.signed(node)
            if signed is None:
                continue
            if not neighbour.served.take(now=now):
                self._drop("wants_too_many")
                break
            neighbour.untold.pop(node, None)
            if len(batch) == RECORDS_COUNT or size + len(signed) > RECORDS_CHUNK:
                self._out.append(SendGossip(peer, Records(batch)))
                batch, size = [], 0
            batch.append(signed)
            size += len(signed) + 3
        if batch:
            self._out.append(SendGossip(peer, Records(batch)))

    # -- time ---------------------------------------------------------------------------------------------------

    def next_timeout(self) -> float | None:
        """When something is due."""
        moments = (self._timers.next(), self._asking.next_timeout(), self.healing.next_timeout())
        return min((at for at in moments if at is not None), default=None)

    def handle_timeout(self, *, now: float) -> None:
        """Tell, ask and compare what is due."""
        for _, peer in self._timers.expired(now):
            if peer in self._neighbours:
                self._tell(peer, now=now)
        self._asking.handle_timeout(now=now)
        self.healing.handle_timeout(now=now)

    def tidy(self, *, now: float) -> None:
        """Forget budgets that are full again."""
        self._forwards = {node: pace for node, pace in self._forwards.items() if pace.earned > now}
        self._farewells = {node: pace for node, pace in self._farewells.items() if pace.earned > now}

    def _drop(self, reason: str) -> None:
        self._drops[reason] = self._drops.get(reason, 0) + 1
