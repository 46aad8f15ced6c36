"""Binding requests, each asked again until it is answered or its silence says enough.

    ask(question, at) -> due --budget--> sent, sent again after each of `waits` -> answer
                                                                                -> silence

Whatever leaves is paid from the host's budget; what that refuses waits, in order, until there is room.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator

from msgspec import Struct

from punch import stun
from punch.budget import ANY_PORT
from punch.commands import SendDatagram
from punch.detect.strangers import Strangers
from punch.detect.transactions import LIFETIME, Pending, Transactions
from punch.stun import Message
from punch.values import Endpoint, SocketId, udp

GRACE = 0.002
"""Seconds at least until the budget is asked again."""

What = tuple[str, int, str]
"""What a question is for: its study, a number, a word."""
Spend = Callable[[SocketId, tuple[Endpoint, ...], float], bool]
"""Draw one packet from the budget for (via, destinations, now), or refuse: it goes to the first of them, and its answer
may come from each, which makes an entry in the NAT."""
RoomAt = Callable[[float, float], float]
"""When so many packets may be sent, at `now`."""


class Question(Struct, frozen=True, kw_only=True):
    """What is asked, by which socket, of whom."""

    what: What
    via: SocketId
    to: Endpoint
    waits: tuple[float, ...]
    """Seconds after each sending until the next; after the last, silence."""
    expect: tuple[Endpoint, ...] = ()
    """Where the answer may come from; empty: from `to`."""
    change_ip: bool = False
    change_port: bool = False
    payload: bytes = b""
    """Not empty: said instead of a request, `len(waits)` times; no answer is waited for, and nothing comes of it."""
    ttl: int = 0


class Answer(Struct, frozen=True, kw_only=True):
    """It was answered."""

    question: Question
    message: Message
    source: Endpoint
    order: int
    """Place of its first sending among all packets of these questions."""
    sent: float
    """When it was first sent."""
    tries: int
    """How often it was sent until then."""
    now: float


class Silence(Struct, frozen=True, kw_only=True):
    """Nobody answered in time."""

    question: Question
    order: int
    sent: float


class _Open:
    """A question under way."""

    __slots__ = ("answered", "order", "question", "sent", "transaction", "tries")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.tries = 0
        self.order = 0
        self.sent = 0.0
        self.transaction = b""
        self.answered = False


class Questions:
    """All questions of one host that are open. What is refused of what comes in is counted in `drops`."""

    def __init__(self, entropy: random.Random, *, spend: Spend, room_at: RoomAt, strangers: Strangers) -> None:
        self.drops: Counter[str] = Counter()
        self.packets = 0
        """Sent since the start."""
        self._spend = spend
        self._room_at = room_at
        self._strangers = strangers
        self._transactions: Transactions[_Open | None] = Transactions(entropy)
        self._due: list[tuple[float, int, _Open]] = []
        self._serial = 0
        self._out: deque[SendDatagram] = deque()
        self._done: deque[Answer | Silence] = deque()

    def ask(self, question: Question, *, at: float) -> None:
        """Ask it at `at`."""
        self._schedule(_Open(question), at)

    def expect(self, what: What, *, via: SocketId, sources: tuple[Endpoint, ...], lifetime: float, now: float) -> bytes:
        """A transaction that somebody else uses: what comes from `sources` (port 0: any) is `what`'s Answer."""
        opened = _Open(Question(what=what, via=via, to=sources[0], waits=()))
        opened.sent, opened.tries = now, 1
        return self._transactions.open(opened, via=via, to=sources[0], expect=sources, lifetime=lifetime, now=now)

    def invite(self, via: SocketId, host: str, *, now: float) -> bool:
        """Pay for a packet that somebody at `host` is to send to a socket of ours; False: no budget now."""
        return self._spend(via, (udp(host, ANY_PORT),), now)

    def receive(self, message: Message, source: Endpoint, *, via: SocketId, now: float) -> bool:
        """Take an answer; False: its transaction is none of ours."""
        found = self._transactions.match(message, source, via=via, now=now)
        if not isinstance(found, Pending):
            if found == "stun_unknown":
                return False
            self.drops[found] += 1
            return True
        opened = found.what
        if opened is None:
            self.drops["stun_again"] += 1
            return True
        self._strangers.answered(source)
        # Kept until its time is over, so that a second answer is known for what it is.
        self._transactions.settle(message.transaction, None)
        question = opened.question
        self._done.append(
            Answer(
                question=question,
                message=message,
                source=source,
                order=opened.order,
                sent=opened.sent,
                tries=opened.tries,
                now=now,
            )
        )
        opened.answered = True
        return True

    @property
    def has_results(self) -> bool:
        """Something became of a question."""
        return bool(self._done)

    def results(self) -> Iterator[Answer | Silence]:
        """Drain what became of questions, oldest first."""
        while self._done:
            yield self._done.popleft()

    def outgoing(self) -> Iterator[SendDatagram]:
        """Drain what is to be sent, oldest first."""
        while self._out:
            yield self._out.popleft()

    def next_timeout(self) -> float | None:
        """When the next question is due."""
        return self._due[0][0] if self._due else None

    def handle_timeout(self, *, now: float) -> None:
        """Send what is due, and give up what was asked often enough."""
        while self._due and self._due[0][0] <= now:
            _, _, opened = heapq.heappop(self._due)
            if opened.answered:
                continue
            if opened.tries == len(opened.question.waits) or not self._may_ask(opened, now):
                self._give_up(opened)
            elif not self._send(opened, now):
                self._schedule(opened, max(self._room_at(1.0 + len(opened.question.expect), now), now + GRACE))

    def drop(self, via: SocketId) -> bool:
        """Forget what is asked by a socket; False: nothing was due."""
        self._transactions.forget(via)
        if not self._due:
            return False
        kept = [entry for entry in self._due if entry[2].question.via != via]
        if len(kept) == len(self._due):
            return False
        heapq.heapify(kept)
        self._due = kept
        return True

    def clear(self) -> None:
        """Forget all that is open."""
        for _, _, opened in self._due:
            if opened.transaction:
                self._transactions.close(opened.transaction)
        self._due.clear()
        self._done.clear()
        self._out.clear()

    def _schedule(self, opened: _Open, at: float) -> None:
        self._serial += 1
        heapq.heappush(self._due, (at, self._serial, opened))

    def _may_ask(self, opened: _Open, now: float) -> bool:
        """Whether whom it goes to may be sent anything; who may not is as good as silent."""
        if not opened.tries:
            opened.order, opened.sent = self.packets, now
        return self._strangers.allows(opened.question.to, now=now)

    def _send(self, opened: _Open, now: float) -> bool:
        question = opened.question
        if not self._spend(question.via, (question.to, *question.expect), now):
            return False
        self._strangers.note(question.to, now=now)
        payload = question.payload or self._request(opened, now)
        self._out.append(SendDatagram(question.via, question.to, payload, question.ttl))
        self._schedule(opened, now + question.waits[opened.tries])
        opened.tries += 1
        self.packets += 1
        return True

    def _request(self, opened: _Open, now: float) -> bytes:
        """A request, the same each time it is sent."""
        question = opened.question
        if not opened.tries:
            opened.transaction = self._transactions.open(
                opened,
                via=question.via,
                to=question.to,
                expect=question.expect,
                lifetime=max(LIFETIME, sum(question.waits)),
                now=now,
            )
        if not question.change_ip and not question.change_port:
            return stun.question(opened.transaction)
        request = Message(
            kind="request",
            transaction=opened.transaction,
            change_ip=question.change_ip,
            change_port=question.change_port,
        )
        return stun.pack(request)

    def _give_up(self, opened: _Open) -> None:
        if opened.question.payload:
            return
        self._transactions.close(opened.transaction)
        self._done.append(Silence(question=opened.question, order=opened.order, sent=opened.sent))
