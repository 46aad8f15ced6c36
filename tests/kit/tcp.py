"""A toy TCP in virtual time, in segments: cubic with HyStart, SACK and its timeouts, and a link it goes over.

    Sender --burst(first, count, now)--> [a tunnel, or the bare link] --> Receiver --Ack--> Sender

Cubic after RFC 9438, HyStart's delay part and the loss recovery as Linux has them, in their main lines only: it is a
judge of what goes on below it, not a TCP.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable

from msgspec import Struct

MSS = 1328
"""Bytes of a segment: what fits an inner MTU of 1380."""
HEADERS = 52
WINDOW = 2260
"""Segments the receiver takes at once: 3 MB."""
BURST = 46
"""Segments of a super-packet at most."""
MOST_BLOCKS = 3
"""Blocks of a selective acknowledgement."""
DUPLICATES = 3
LEAST_RTO = 0.2


class Clock:
    """Virtual time: what is to happen, and when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, when: float, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._due, (max(when, self.now), self._number, act))

    def run(self, until: float) -> None:
        due = self._due
        while due and due[0][0] <= until:
            self.now, _, act = heapq.heappop(due)
            act()
        self.now = until


class Path(Struct, frozen=True, kw_only=True):
    """What a direction of a link is like."""

    delay: float = 0.02
    loss: float = 0.0
    rate: float = 0.0
    """Bits a second; 0: any."""
    queue: int = 100
    """Packets that wait for it at most."""
    noise: float = 0.0
    """Seconds that hosts are late at most: scheduling."""
    swaps: float = 0.0
    """Share of packets that are half a millisecond later than their turn."""
    bursts: float = 1.0
    """Packets lost in a row, on average."""


class Line:
    """One direction at work."""

    def __init__(self, path: Path, dice: random.Random) -> None:
        self.path = path
        self.dice = dice
        self._leaving: deque[float] = deque()
        self.lost = self.dropped = self.passed = 0
        self._losing = False

    def carry(self, size: int, now: float) -> float | None:
        """When a packet of `size` bytes arrives; None: never."""
        path = self.path
        if path.rate:
            leaving = self._leaving
            while leaving and leaving[0] <= now:
                leaving.popleft()
            if len(leaving) > path.queue:
                self.dropped += 1
                return None
            now = (leaving[-1] if leaving else now) + size * 8 / path.rate
            leaving.append(now)
        if path.loss and self._loses():
            self.lost += 1
            return None
        self.passed += 1
        late = 0.0005 if path.swaps and self.dice.random() < path.swaps else 0.0
        return now + path.delay + late

    def _loses(self) -> bool:
        """Independent of one another, or in bursts of a mean length (Gilbert)."""
        loss, bursts = self.path.loss, self.path.bursts
        if bursts <= 1.0:
            return self.dice.random() < loss
        if self._losing:
            self._losing = self.dice.random() >= 1 / bursts
        else:
            self._losing = self.dice.random() < loss / (1 - loss) / bursts
        return self._losing


class Ack(Struct, frozen=True):
    """All below `upto` came, and these blocks."""

    upto: int
    blocks: tuple[tuple[int, int], ...] = ()
    echo: float = 0.0
    """When what it answers was sent."""


class Receiver:
    """Takes runs of segments, and says what came."""

    def __init__(self) -> None:
        self.upto = 0
        self._blocks: list[tuple[int, int]] = []
        self.came: list[tuple[float, int]] = []

    def take(self, first: int, count: int, sent: float, now: float) -> Ack:
        new = (first, first + count)
        if new[0] <= self.upto:
            self.upto = max(self.upto, new[1])
        else:
            self._blocks = merged(self._blocks, new)
        while beside := [end for begin, end in self._blocks if begin <= self.upto]:
            self.upto = max(self.upto, *beside)
            self._blocks = [each for each in self._blocks if each[0] > self.upto]
        self.came.append((now, self.upto))
        return Ack(self.upto, tuple(self._blocks[:MOST_BLOCKS]), sent)

    def mbit(self, since: float, until: float) -> float:
        """What arrived in order in that time, Mbit/s."""
        begin = max((upto for at, upto in self.came if at <= since), default=0)
        end = max((upto for at, upto in self.came if at <= until), default=0)
        return (end - begin) * MSS * 8 / (until - since) / 1e6


def merged(blocks: list[tuple[int, int]], new: tuple[int, int]) -> list[tuple[int, int]]:
    """The block that `new` becomes with those it touches, then the others."""
    first, last = new
    others = []
    for block in blocks:
        if block[1] < first or block[0] > last:
            others.append(block)
        else:
            first, last = min(first, block[0]), max(last, block[1])
    return [(first, last), *others]


class Cubic:
    """The congestion window, in segments."""

    C, BETA = 0.4, 0.7

    def __init__(self) -> None:
        self.window, self.threshold = 10.0, float("inf")
        self._most = 0.0
        self._began: float | None = None
        self._origin = self._reno = 0.0
        self._base = float("inf")
        self._round: list[float] = []
        self._round_ends = 0

    def acked(self, count: int, rtt: float, upto: int, following: int, now: float) -> None:
        self._base = min(self._base, rtt)
        if self.window < self.threshold:
            self.window += count
            self._hystart(rtt, upto, following)
            return
        if self._began is None:
            self._began, self._reno = now, self.window
            self._origin = max(self._most, self.window)
            self._k = ((self._origin - self.window) / self.C) ** (1 / 3)
        target = self._origin + self.C * (now - self._began + self._base - self._k) ** 3
        self._reno += 3 * (1 - self.BETA) / (1 + self.BETA) * count / self.window
        target = max(target, self._reno)
        self.window += min(max(target - self.window, 0.01) / self.window, 0.5) * count

    def _hystart(self, rtt: float, upto: int, following: int) -> None:
        if upto > self._round_ends:
            self._round_ends, self._round = following, []
        if len(self._round) < 8:
            self._round.append(rtt)
        late = self._base + min(0.016, max(0.004, self._base / 8))
        if self.window >= 16 and len(self._round) == 8 and min(self._round) > late:
            self.threshold = self.window

    def lost(self) -> None:
        self._most = self.window * (1 + self.BETA) / 2 if self.window < self._most else self.window
        self.window = self.threshold = max(2.0, self.window * self.BETA)
        self._began = None

    def timed_out(self) -> None:
        self.lost()
        self.window = 1.0


class Sender:
    """Sends without end; `send(first, count, now)` hands a run of segments down."""

    def __init__(self, clock: Clock, send: Callable[[int, int, float], None]) -> None:
        self._clock, self._send = clock, send
        self.control = Cubic()
        self.una = self.nxt = 0
        self._blocks: list[tuple[int, int]] = []
        self._again: dict[int, float] = {}
        """Segments taken to be lost -> when sent again."""
        self._recover = -1
        self._lost = 0
        """What did not come below it is lost: a timeout said so."""
        self._rtt, self._deviation = 0.1, 0.05
        self._waits = False
        self._heard = 0.0
        self._backoff = 1
        self.cuts = self.timeouts = 0

    def start(self) -> None:
        self._heard = self._clock.now
        self._go()

    def acked(self, ack: Ack) -> None:
        now = self._clock.now
        rtt = now - ack.echo
        self._deviation += (abs(self._rtt - rtt) - self._deviation) / 4
        self._rtt += (rtt - self._rtt) / 8
        news = ack.upto - self.una
        if news > 0:
            self.una, self._heard, self._backoff = ack.upto, now, 1
            self._again = {each: at for each, at in self._again.items() if each >= ack.upto}
        before = len(self._blocks)
        for block in ack.blocks:
            if block not in self._blocks:
                self._blocks = sorted(merged(self._blocks, block))
                self._heard = now
        if self._blocks and self._blocks[0][0] <= self.una:
            self._blocks = [each for each in self._blocks if each[1] > self.una]
        slow = self.control.window < self.control.threshold
        if news > 0 and (slow or self.una > self._recover) and self._full(news):
            self.control.acked(news, rtt, self.una, self.nxt, now)
        if self._blocks or before or self.una < self._lost:
            self._mark(now)
        self._go()

    def _full(self, news: int) -> bool:
        """The window is what limits us."""
        return self.nxt - self.una + news >= self.control.window - BURST or self.control.window < 2 * BURST

    def _holes(self) -> list[int]:
        """Segments that did not come and are taken to be lost: below the highest that came, or timed out."""
        highest, at, found = self._blocks[-1][1] - DUPLICATES if self._blocks else 0, self.una, list[int]()
        highest = max(highest, self._lost)
        for first, last in self._blocks:
            found += range(at, min(first, highest))
            at = max(at, last)
        found += range(at, self._lost)
        return found

    def _mark(self, now: float) -> None:
        patience = self._rtt * 1.25 + 2 * self._deviation
        late = [each for each in self._holes() if now - self._again.get(each, -1.0) > patience]
        if not late:
            return
        if self.una > self._recover:
            self._recover = self.nxt
            self.control.lost()
            self.cuts += 1
        room = max(1, int(self.control.window - self._pipe()))
        for first, count in runs(late[:room]):
            self._again.update(dict.fromkeys(range(first, first + count), now))
            self._send(first, count, now)

    def _pipe(self) -> int:
        came = sum(last - max(first, self.una) for first, last in self._blocks)
        return self.nxt - self.una - came - sum(each not in self._again for each in self._holes())

    def _go(self) -> None:
        now = self._clock.now
        room = int(min(self.control.window - self._pipe(), WINDOW - (self.nxt - self.una)))
        while room > 0 and room >= min(self._train(), self.control.window / 3):
            count = min(room, BURST)
            self._send(self.nxt, count, now)
            self.nxt += count
            room -= count
        if not self._waits:
            self._waits = True
            self._clock.at(now + self._rto(), self._timer)

    def _train(self) -> int:
        """Segments worth a send: what a millisecond carries (TSO autosizing); fewer wait for the next answer."""
        return max(2, min(BURST, int(1.2 * self.control.window / self._rtt / 1000))) if self.nxt > self.una else 1

    def _rto(self) -> float:
        return (self._rtt + max(LEAST_RTO, 4 * self._deviation)) * self._backoff

    def _timer(self) -> None:
        now = self._clock.now
        ends = self._heard + self._rto()
        if now < ends - 1e-9:
            self._clock.at(ends, self._timer)
            return
        self.timeouts += 1
        self._heard, self._backoff = now, min(64, self._backoff * 2)
        self.control.timed_out()
        self._recover = self._lost = self.nxt
        self._again = {self.una: now}
        self._send(self.una, 1, now)
        self._clock.at(now + self._rto(), self._timer)


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Consecutive ones, as first and count."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and sum(found[-1]) == number:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((number, 1))
    return found
