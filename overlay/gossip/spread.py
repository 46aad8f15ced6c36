"""How records travel: told with Have, pulled with Want, sent with Records (protocol section 8).

    A has news           B lacks it
    Have[(id, 7)]   ->                 gathered for 200 ms; told again after 1 and 4 s unless B shows that it knows
                    <-   Want[id]      asked again after 0.5, 1, 2 .. s, of whoever else has it too
    Records[..]     ->

B shows that it knows by asking, by telling the same, or by sending the record itself. At the start of a session each
tells the other everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from msgspec import Struct, field

from overlay.gossip.commands import SendGossip
from overlay.gossip.members import MAX_RECORDS, Members
from overlay.gossip.pace import Pace
from overlay.values import NodeId
from overlay.wire.messages import Have, Records, Want
from punch.limiter import TokenBucket
from punch.timers import Timers

GATHER = 0.2
"""Seconds: changes within this time are told together .."""
TOLD_AT_ONCE = 4
""".. but after a silence so many are told at once: a chain of introductions need not wait at every link."""
TELL_AGAIN = (1.0, 3.0)
"""Seconds after the first and the second telling; then the neighbour is taken to be deaf."""
ASK_AGAIN = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds after each asking; then the record is taken to be a rumour."""
FORWARD_BURST = 8
"""Changes of one id told on at once (a node that starts changes several times in its first second) .."""
FORWARD_EVERY = 10.0
""".. and one in so many seconds from then on, the newest."""
SERVED_BURST = 4500.0
"""Records sent to one neighbour at once .."""
SERVED_RATE = 50.0
""".. and a second from then on."""

HAVE_CHUNK = 360
"""Entries of 44 B in a control message of 16 KiB."""
WANT_CHUNK = 400
RECORDS_CHUNK = 16_000
"""Bytes of records in one message."""
RECORDS_COUNT = 64


class Untold(Struct):
    """News that a neighbour may not know."""

    at: float
    tellings: int = 0


class Neighbour(Struct):
    """One that we have a session with."""

    served: TokenBucket
    pace: Pace = field(default_factory=lambda: Pace(TOLD_AT_ONCE, GATHER))
    slot: float | None = None
    """When it is told what is new now; None: nothing is."""
    untold: dict[NodeId, Untold] = field(default_factory=dict)


class Wanted(Struct):
    """A record we lack, and who says that it has it."""

    sequence: int
    at: float
    sources: list[NodeId]
    """The first is asked next."""
    askings: int = 0


class Timer(Enum):
    """What `Spread` waits for."""

    TELL = auto()
    """With a neighbour's id: news are due there."""
    ASK = auto()
    """A Want was not answered."""


TimerName = tuple[Timer, NodeId | None]


class Spread:
    """Have, Want and Records with every neighbour; `members` says what we hold."""

    def __init__(self, members: Members, drops: dict[str, int]) -> None:
        self._members = members
        self._drops = drops
        self._neighbours: dict[NodeId, Neighbour] = {}
        self._wanted: dict[NodeId, Wanted] = {}
        self._forwards: dict[NodeId, Pace] = {}
        self._timers: Timers[TimerName] = Timers()
        self._out: list[SendGossip] = []
        self._synced = False

    @property
    def synced(self) -> bool:
        """A neighbour told us what it holds, and all of it that we lacked has come."""
        return self._synced and not self._wanted

    def drain(self) -> Iterator[SendGossip]:
        """What is to be sent, oldest first."""
        out, self._out = self._out, []
        yield from out

    # -- neighbours ---------------------------------------------------------------------------------------------

    def up(self, peer: NodeId, *, now: float) -> None:
        """A session with `peer` opened: tell it everything at once."""
        before = self._neighbours.get(peer)
        served = before.served if before else TokenBucket(depth=SERVED_BURST, rate=SERVED_RATE, now=now)
        neighbour = self._neighbours[peer] = Neighbour(served)
        neighbour.untold = {held.record.id: Untold(now) for held in self._members.all()}
        self._tell(peer, now=now)

    def down(self, peer: NodeId) -> None:
        """No session with `peer` is left."""
        self._neighbours.pop(peer, None)
        self._timers.clear((Timer.TELL, peer))
        for node, wanted in list(self._wanted.items()):
            if peer in wanted.sources:
                wanted.sources.remove(peer)
                if not wanted.sources:
                    del self._wanted[node]

    # -- telling ------------------------------------------------------------------------------------------------

    def announce(self, node: NodeId, known_to: tuple[NodeId, ...], *, own: bool = False, now: float) -> None:
        """The record of `node` is new here: tell all neighbours but those that know."""
        at = now if own else self._forward_at(node, now)
        for peer, neighbour in self._neighbours.items():
            before = neighbour.untold.get(node)
            if peer in known_to or (before and not before.tellings):
                continue
            if neighbour.slot is None or neighbour.slot < now:
                neighbour.slot = neighbour.pace.at(now=now)
            due = max(at, neighbour.slot)
            neighbour.untold[node] = Untold(due)
            self._wake(peer, due)

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
        entries: list[tuple[bytes, int]] = []
        for node, untold in list(neighbour.untold.items()):
            if untold.at > now:
                continue
            entries.append((node, self._members.sequence(node)))
            if untold.tellings < len(TELL_AGAIN):
                untold.at = now + TELL_AGAIN[untold.tellings]
                untold.tellings += 1
            else:
                del neighbour.untold[node]
        for start in range(0, len(entries), HAVE_CHUNK):
            self._out.append(SendGossip(peer, Have(entries[start : start + HAVE_CHUNK])))
        neighbour.slot = None
        if neighbour.untold:
            self._timers.set((Timer.TELL, peer), min(untold.at for untold in neighbour.untold.values()))

    def gone(self, node: NodeId) -> None:
        """Nobody is told of `node` any more."""
        for neighbour in self._neighbours.values():
            neighbour.untold.pop(node, None)
        self._wanted.pop(node, None)
        self._forwards.pop(node, None)

    # -- asking -------------------------------------------------------------------------------------------------

    def have(self, peer: NodeId, entries: list[tuple[bytes, int]], *, now: float) -> None:
        """`peer` holds these: ask for what is newer, and note what it knows."""
        neighbour = self._neighbours.get(peer)
        if neighbour is None:
            self._drop("gossip_without_session")
            return
        room = self._members.room(peer, now=now)
        asked: list[bytes] = []
        strangers = 0
        for raw, sequence in entries:
            node = NodeId(raw)
            held = self._members.sequence(node)
            returned = node == peer and sequence == held and self._members.get(node) is None
            if sequence <= held and not returned:
                self._knows(peer, neighbour, node, sequence < held, now)
            elif held >= 0 or strangers < room:
                strangers += held < 0
                if self._want(peer, node, sequence, now):
                    asked.append(node)
            else:
                self._drop("introduced_too_many")
        self._ask(peer, asked)
        self._synced = True

    def _knows(self, peer: NodeId, neighbour: Neighbour, node: NodeId, older: bool, now: float) -> None:
        """`peer` told what we hold already; an `older` one it shall hear of, once."""
        if older:
            self.remind(peer, node, now=now)
        else:
            neighbour.untold.pop(node, None)

    def _want(self, peer: NodeId, node: NodeId, sequence: int, now: float) -> bool:
        """Note that `peer` has it; True if it is to be asked now."""
        wanted = self._wanted.get(node)
        if wanted is not None and sequence <= wanted.sequence:
            if peer not in wanted.sources:
                wanted.sources.append(peer)
            return False
        if wanted is None and len(self._wanted) >= MAX_RECORDS:
            self._drop("wants_full")
            return False
        self._wanted[node] = Wanted(sequence, now + ASK_AGAIN[0], [peer])
        self._wake_asking(now + ASK_AGAIN[0])
        return True

    def _wake_asking(self, at: float) -> None:
        planned = self._timers.get((Timer.ASK, None))
        if planned is None or at < planned:
            self._timers.set((Timer.ASK, None), at)

    def _ask(self, peer: NodeId, ids: list[bytes]) -> None:
        for start in range(0, len(ids), WANT_CHUNK):
            self._out.append(SendGossip(peer, Want(ids[start : start + WANT_CHUNK])))

    def _ask_again(self, *, now: float) -> None:
        """Repeat what was not answered, of the next one that has it."""
        again: dict[NodeId, list[bytes]] = {}
        for node, wanted in list(self._wanted.items()):
            if wanted.at > now:
                continue
            wanted.askings += 1
            if wanted.askings >= len(ASK_AGAIN):
                del self._wanted[node]
                continue
            wanted.sources.append(wanted.sources.pop(0))
            wanted.at = now + ASK_AGAIN[wanted.askings]
            again.setdefault(wanted.sources[0], []).append(node)
        for peer, ids in again.items():
            self._ask(peer, ids)
        if self._wanted:
            self._timers.set((Timer.ASK, None), min(wanted.at for wanted in self._wanted.values()))

    def came(self, peer: NodeId, node: NodeId, sequence: int) -> None:
        """`peer` sent the record of `node`."""
        neighbour = self._neighbours.get(peer)
        if neighbour and sequence >= self._members.sequence(node):
            neighbour.untold.pop(node, None)
        wanted = self._wanted.get(node)
        if wanted and sequence >= wanted.sequence:
            del self._wanted[node]

    def remind(self, peer: NodeId, node: NodeId, *, now: float) -> None:
        """`peer` has an older record of `node` than we know of: tell it, once."""
        neighbour = self._neighbours.get(peer)
        if neighbour and node not in neighbour.untold:
            neighbour.untold[node] = Untold(now, len(TELL_AGAIN))
            self._wake(peer, now)

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
        return self._timers.next()

    def handle_timeout(self, *, now: float) -> None:
        """Tell and ask what is due."""
        for timer, peer in self._timers.expired(now):
            if timer is Timer.ASK:
                self._ask_again(now=now)
            elif peer in self._neighbours:
                self._tell(peer, now=now)

    def tidy(self, *, now: float) -> None:
        """Forget budgets that are full again."""
        self._forwards = {node: pace for node, pace in self._forwards.items() if pace.earned > now}

    def _drop(self, reason: str) -> None:
        self._drops[reason] = self._drops.get(reason, 0) + 1
