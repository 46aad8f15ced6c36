"""Streams over ways that lose, in virtual time: bare, and in envelopes whose shape the real controller decides.

Sender -- records --> envelopes, parity (real `Sealer.pad`) --> Line --> opened? --> Receiver
              ^ shape                                                      | counters
          Redundancy <-- Report, five times a second at most --------------+      and round trips, as they are asked
"""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import structs

from overlay.dataplane import port
from overlay.dataplane.downlink import FIRSTS, SAID_EVERY
from overlay.dataplane.envelope import ALONE, LEAD, Sealer
from overlay.dataplane.rows import Peer
from overlay.paths.estimate import RoundTrip, Totals
from overlay.paths.redundancy import Redundancy
from overlay.sealing import LARGEST_TAG
from overlay.values import NodeId
from overlay.wire.frame import HEADER_SIZE
from overlay.wire.reassembly import TIMEOUT
from tests.kit.tcp import HEADERS, MSS, Ack, Clock, Line, Path, Receiver, Sender

IP_UDP = 28
BODY = 1452 - HEADER_SIZE
PROCESSING = 0.0006
"""Seconds an answer takes to be acted upon, at most: without it streams in one queue march in step (Floyd and Jacobson,
"On traffic phase effects in packet-switched gateways", 1991)."""
PULSE = 0.05
"""Seconds between two looks at what was sent."""
SMALL = 100
"""Bytes of a packet that carries an acknowledgement, a Ping or a Report."""


class Bare:
    """A stream on the bare link."""

    def __init__(self, clock: Clock, there: Line, back: Line) -> None:
        self.clock, self._there, self._back = clock, there, back
        self.receiver = Receiver()
        self.sender = Sender(clock, self._send)

    def _send(self, first: int, count: int, now: float) -> None:
        for number in range(first, first + count):
            at = self._there.carry(MSS + HEADERS, now)
            if at is not None:
                self.clock.at(at, lambda number=number: self._came(number, now))  # type: ignore[misc]

    def _came(self, number: int, sent: float) -> None:
        ack = self.receiver.take(number, 1, sent, self.clock.now)
        at = self._back.carry(HEADERS, self.clock.now)
        if at is not None:
            self.clock.at(at + PROCESSING * self._back.dice.random(), lambda: self.sender.acked(ack))


class Tunnel:
    """One direction of a session: envelopes, reports, the controller."""

    def __init__(self, clock: Clock, there: Line, back: Line) -> None:
        self.clock, self.there, self.back = clock, there, back
        self.control, self.rtt = Redundancy(), RoundTrip()
        self._peer, self._sealer = Peer(NodeId(bytes(32))), Sealer()
        self._peer.body = BODY
        self.data = self.parity = self.envelopes = self.lost = 0
        self._counted = Totals()
        self._told = Totals()
        self._before = Totals()
        self._said_at = self._sent_at = 0.0
        self._arrived = 0.0
        self.shapes: list[tuple[float, int, int]] = []
        for _ in range(4):
            self._ponged(clock.now - 2 * there.path.delay - self._late(), clock.now)
        self._settle()
        clock.at(clock.now + self.there.dice.random(), self._second)
        clock.at(clock.now, self._pulse)

    # --- sending ---

    @property
    def room(self) -> int:
        """Bytes of records an envelope takes."""
        slices = self.control.shape.slices
        return slices * BODY - LARGEST_TAG if slices else port.FULL_ENVELOPE

    def send(self, size: int, deliver: Callable[[], None]) -> None:
        """One envelope of records of `size` bytes."""
        now, peer = self.clock.now, self._peer
        body, k, total = BODY, 0, size + peer.tag
        if peer.parity:
            records, body, k = self._sealer.pad(peer, bytearray(size), alone=now - self._sent_at >= ALONE)
            total = len(records) + peer.tag
        self._sent_at = now
        count = -(-total // body)
        arrivals = []
        for _ in range(count + k):
            at = self.there.carry(min(body, total) + HEADER_SIZE + IP_UDP, now)
            arrivals.append(at)
        came = sorted(at for at in arrivals if at is not None)
        missed = sum(at is None for at in arrivals[:count])
        self.data += count
        self.parity += k
        self.envelopes += 1
        if len(came) >= count:
            self._arrived = max(self._arrived, came[count - 1] + self._late())
            self.clock.at(self._arrived, lambda: self._opened(count, missed > 0, deliver))
        else:
            self.lost += 1
        if missed or len(came) < count:
            seen = (came[-1] if came else now + self.there.path.delay) + TIMEOUT
            whole = len(came) >= count
            if whole:
                self.clock.at(seen, lambda: self._miss(missed=missed))
            elif came:
                self.clock.at(seen, lambda: self._miss(incomplete=1, slices=len(came), missed=missed))
            else:
                self.clock.at(seen, lambda: self._miss(incomplete=1, missed=1))

    def _late(self) -> float:
        return self.there.dice.random() * self.there.path.noise

    # --- counting, and telling ---

    def _count(self, **added: int) -> None:
        counted = self._counted
        self._counted = structs.replace(counted, **{word: getattr(counted, word) + n for word, n in added.items()})

    def _opened(self, count: int, rebuilt: bool, deliver: Callable[[], None]) -> None:
        self._count(complete=1, slices=count, rebuilt=rebuilt)
        if self.early():
            self._tell()
        deliver()

    def early(self) -> bool:
        """The first slices are told of sooner."""
        return any(self._told.slices < first <= self._counted.slices for first in FIRSTS)

    def _miss(self, **added: int) -> None:
        self._count(**added)
        self._say()

    def _say(self) -> None:
        wait = self._said_at + SAID_EVERY - self.clock.now
        if wait <= 0:
            self._said_at = self.clock.now
            self._tell()
        elif self._told != self._counted:
            self.clock.at(self.clock.now + wait + 0.01, self._say_if)

    def _say_if(self) -> None:
        if self._told.missed != self._counted.missed and self.clock.now - self._said_at >= SAID_EVERY:
            self._say()

    def _second(self) -> None:
        self._tell()
        self.clock.at(self.clock.now + 1.0, self._second)

    def _tell(self) -> None:
        totals = self._counted
        if totals == self._told:
            return
        self._told = totals
        at = self.back.carry(SMALL, self.clock.now)
        if at is not None:
            self.clock.at(at + self._late(), lambda: self._reported(totals))

    # --- the controller ---

    def _reported(self, totals: Totals) -> None:
        if totals.slices < self._before.slices:
            return
        pairs = zip(structs.astuple(totals), structs.astuple(self._before), strict=True)
        self._before = totals
        self.control.reported(Totals(*(after - before for after, before in pairs)), self.rtt.floor, now=self.clock.now)
        self._settle()

    def _pulse(self) -> None:
        if self.control.wants_rtt(now=self.clock.now):
            self._ping()
        self.clock.at(self.clock.now + PULSE, self._pulse)

    def _ping(self) -> None:
        sent = self.clock.now
        at = self.there.carry(SMALL, sent)
        if at is not None:
            self.clock.at(at + self._late(), lambda: self._pong(sent))

    def _pong(self, sent: float) -> None:
        at = self.back.carry(SMALL, self.clock.now)
        if at is not None:
            late = at + self._late()
            self.clock.at(late, lambda: self._ponged(sent, late))

    def _ponged(self, sent: float, now: float) -> None:
        self.rtt.sample(now - sent)
        self.control.measured(now - sent, self.rtt.floor, now=now)
        self._settle()

    def _settle(self) -> None:
        shape = self.control.shape
        if not self.shapes or self.shapes[-1][1:] != (shape.slices, shape.parity):
            self.shapes.append((round(self.clock.now, 2), shape.slices, shape.parity))
        self._peer.parity = shape.parity


class Inside:
    """A stream inside a tunnel."""

    def __init__(self, clock: Clock, there: Line, back: Line) -> None:
        self.clock = clock
        self.tunnel = Tunnel(clock, there, back)
        self._back = back
        self.receiver = Receiver()
        self.sender = Sender(clock, self._send)
        self._waiting: list[tuple[int, int, float]] = []

    def _send(self, first: int, count: int, now: float) -> None:
        if not self._waiting:
            self.clock.at(now, self._flush)
        self._waiting.append((first, count, now))

    def _flush(self) -> None:
        """What is readable now goes into as few envelopes as may be."""
        waiting, self._waiting = self._waiting, []
        room, size, held = self.tunnel.room, 0, list[tuple[int, int, float]]()
        for first, count, sent in waiting:
            at = first
            while at < first + count:
                fits = max(1, (room - LEAD - HEADERS) // MSS)
                part = min(fits, first + count - at)
                record = part * MSS + HEADERS + LEAD
                if held and size + record > room:
                    self._ship(size, held)
                    size, held = 0, []
                size += record
                held.append((at, part, sent))
                at += part
        if held:
            self._ship(size, held)

    def _ship(self, size: int, held: list[tuple[int, int, float]]) -> None:
        self.tunnel.send(size, lambda: self._came(held))

    def _came(self, held: list[tuple[int, int, float]]) -> None:
        for first, count, sent in held:
            self._answer(self.receiver.take(first, count, sent, self.clock.now))

    def _answer(self, ack: Ack) -> None:
        now = self.clock.now
        copies = 2 if self.tunnel.control.shape.parity else 1
        arrivals = [self._back.carry(HEADERS + IP_UDP + HEADER_SIZE + 32, now) for _ in range(copies)]
        came = [at for at in arrivals if at is not None]
        if came:
            self.clock.at(min(came) + PROCESSING * self._back.dice.random(), lambda: self.sender.acked(ack))


def world(path: Path, seed: int) -> tuple[Clock, Line, Line]:
    """A clock, and a link that only its way there is narrow of."""
    clock, dice = Clock(), random.Random(seed)
    back = Path(delay=path.delay, loss=path.loss, noise=path.noise, bursts=path.bursts)
    return clock, Line(path, dice), Line(back, dice)


def alone(kind: type[Bare] | type[Inside], path: Path, seed: int, seconds: float = 12.0) -> Bare | Inside:
    """One stream alone."""
    clock, there, back = world(path, seed)
    stream = kind(clock, there, back)
    stream.sender.start()
    clock.run(seconds)
    return stream


def beside(path: Path, seed: int, seconds: float = 30.0) -> tuple[Inside, Bare]:
    """One inside and a bare one at the same time."""
    clock, there, back = world(path, seed)
    inside, bare = Inside(clock, there, back), Bare(clock, there, back)
    clock.at(0.1 * there.dice.random(), inside.sender.start)
    clock.at(0.1 * there.dice.random(), bare.sender.start)
    clock.run(seconds)
    return inside, bare
