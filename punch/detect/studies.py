"""What takes longer, in the background, one after the other, with few packets (nat-science 1.4 g, h; RFC 5780 4.4).

    pace       three more samples over seconds: mappings that others make on the same counter
    hairpin    two of our sockets write to each other's outside endpoint
    distance   a packet that dies after k hops opens the way for the server's other port, or does not
    lifetime   the same with a packet that was sent 10, 20, 40 s ago; or: is a silent socket still seen at its port?

Openings need a filter that lets in only whom was written to, and one mapping for both ports of the server. Asking
again needs an allocator that gives another port, and tells how long an answered mapping lives: if that is long, it
says nothing of an unanswered one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from typing import Protocol

from msgspec import structs

from punch import stun
from punch.detect.classify import Seen, Tests
from punch.detect.questions import Answer, Question, Questions, Silence
from punch.detect.supply import Fresh
from punch.detect.survey import Server
from punch.stun import Message
from punch.values import Endpoint, NatProfile, udp

PACE_STARTS = (0.3, 1.2, 2.8)
"""Seconds after the survey that further samples are sent."""
HAIRPIN_WAIT = 0.5
FIRST_RUNGS = (10.0, 20.0, 40.0)
"""Seconds of silence tried at once (nat-science 1.4 g)."""
LOWER_RUNGS, HIGHER_RUNGS = (5.0, 2.0), (80.0, 120.0)
"""And after them, one at a time."""
FARTHEST = 9
"""Hops: carriers' NATs are 2-5 hops away in most networks (nat-science 1.3)."""
OPENING_PAUSE = 0.05
"""Seconds between the two packets of an opening, and until it is put to the test."""
NO_TRANSACTION = bytes(stun.TRANSACTION_SIZE)


class Study(Protocol):
    """One of them."""

    study: str
    sockets: int
    """How many fresh ones it wants."""

    def begin(self, sockets: tuple[Fresh, ...], *, now: float) -> None:
        """Here they are, as many as there were to be had."""

    def hear(self, result: Answer | Silence, *, now: float) -> None:
        """Take what became of a question."""

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""

    def done(self) -> bool:
        """Nothing more comes."""

    def add(self, tests: Tests) -> Tests:
        """`tests` with what was found."""


def wanted(questions: Questions, server: Server, tests: Tests, profile: NatProfile) -> deque[Study]:
    """Which studies make sense behind such a NAT."""
    studies: deque[Study] = deque()
    one_mapping = profile.mapping in ("eim", "adm")
    if profile.allocation == "sequential":
        studies.append(Pace(questions, server, tests))
    if profile.mapping == "eim" and not profile.open:
        studies.append(Hairpin(questions, server, tests))
    if one_mapping and profile.filtering == "apdf" and server.port is not None:
        if not profile.open:
            studies.append(Distance(questions, server))
        studies.append(Opened(questions, server))
    elif profile.allocation not in ("preserving", "unknown"):
        studies.append(Asked(questions, server))
    return studies


def _opening(fresh: Fresh, server: Server, *, study: str, ttl: int = 0) -> Question:
    """A packet to the server's other port that nobody answers, said twice."""
    assert server.port is not None
    return Question(
        what=(study, fresh.socket, "opening"),
        via=fresh.socket,
        to=server.port,
        waits=(OPENING_PAUSE, OPENING_PAUSE),
        payload=stun.pack(Message(kind="indication", transaction=NO_TRANSACTION)),
        ttl=ttl,
    )


def _check(fresh: Fresh, server: Server, what: tuple[str, int, str]) -> Question:
    """Whether the server's other port comes through to this socket."""
    assert server.port is not None
    return Question(
        what=what,
        via=fresh.socket,
        to=server.main,
        waits=(server.wait,) * 3,
        expect=(server.port,),
        change_port=True,
    )


class Untimed:
    """All its times are those of its questions."""

    def next_timeout(self) -> float | None:
        """See `Study`."""
        return None

    def handle_timeout(self, *, now: float) -> None:
        """See `Study`."""


class Pace(Untimed):
    """The counter, looked at over a longer time."""

    study = "pace"
    sockets = len(PACE_STARTS)

    def __init__(self, questions: Questions, server: Server, tests: Tests) -> None:
        self._questions, self._server = questions, server
        self._number = 1 + max((each.socket for each in tests.seen), default=0)
        self._seen: list[Seen] = []
        self._fresh: tuple[Fresh, ...] = ()
        self._open = 0

    def begin(self, sockets: tuple[Fresh, ...], *, now: float) -> None:
        """See `Study`."""
        self._fresh, self._open = sockets, len(sockets)
        wait = self._server.wait
        for number, (fresh, after) in enumerate(zip(sockets, PACE_STARTS, strict=False)):
            what = (self.study, number, "main")
            question = Question(what=what, via=fresh.socket, to=self._server.main, waits=(wait, wait))
            self._questions.ask(question, at=now + after)

    def hear(self, result: Answer | Silence, *, now: float) -> None:
        """See `Study`."""
        self._open -= 1
        number = result.question.what[1]
        self._seen.append(
            Seen(
                socket=self._number + number,
                local=self._fresh[number].port,
                towards="main",
                order=result.order,
                at=result.sent,
                external=result.message.seen if isinstance(result, Answer) else None,
                again=not isinstance(result, Answer) or result.tries > 1,
            )
        )

    def done(self) -> bool:
        """See `Study`."""
        return self._open == 0

    def add(self, tests: Tests) -> Tests:
        """See `Study`."""
        return structs.replace(tests, seen=(*tests.seen, *self._seen))


class Hairpin:
    """RFC 5780 section 4.5, with both ends writing, so that a filter does not hide it."""

    study = "hairpin"
    sockets = 2

    def __init__(self, questions: Questions, server: Server, tests: Tests) -> None:
        self._questions, self._server = questions, server
        self._addresses = tests.addresses
        self._fresh: tuple[Fresh, ...] = ()
        self._mapped: dict[int, Answer] = {}
        self._result: bool | None = None
        self._until: float | None = None
        self._open = 0

    def begin(self, sockets: tuple[Fresh, ...], *, now: float) -> None:
        """See `Study`."""
        self._fresh = sockets
        if len(sockets) < 2:
            return
        wait = self._server.wait
        for number, fresh in enumerate(sockets):
            self._open += 1
            what = (self.study, number, "main")
            question = Question(what=what, via=fresh.socket, to=self._server.main, waits=(wait, wait, wait))
            self._questions.ask(question, at=now)

    def hear(self, result: Answer | Silence, *, now: float) -> None:
        """See `Study`."""
        if result.question.what[2] == "heard":
            self._result, self._until = True, None
            return
        self._open -= 1
        if isinstance(result, Answer) and result.message.seen is not None:
            self._mapped[result.question.what[1]] = result
        if len(self._mapped) == 2:
            self._until = now + HAIRPIN_WAIT
            self._write(0, 1, now)
            self._write(1, 0, now)

    def _write(self, writer: int, reader: int, now: float) -> None:
        here, there = self._mapped[writer].message.seen, self._mapped[reader].message.seen
        assert here is not None
        assert there is not None
        sources = (udp(here.host, 0), *(udp(host, 0) for host in self._addresses if ":" not in host))
        what = (self.study, reader, "heard")
        via = self._fresh[reader].socket
        transaction = self._questions.expect(what, via=via, sources=sources, lifetime=HAIRPIN_WAIT, now=now)
        said = Question(
            what=(self.study, writer, "write"),
            via=self._fresh[writer].socket,
            to=there,
            waits=(0.1, 0.0),
            payload=stun.pack(Message(kind="indication", transaction=transaction)),
        )
        self._questions.ask(said, at=now)

    def next_timeout(self) -> float | None:
        """See `Study`."""
        return self._until

    def handle_timeout(self, *, now: float) -> None:
        """See `Study`."""
        if self._until is not None and now >= self._until:
            self._until, self._result = None, False

    def done(self) -> bool:
        """See `Study`."""
        return self._open == 0 and self._until is None

    def add(self, tests: Tests) -> Tests:
        """See `Study`."""
        return structs.replace(tests, hairpin=self._result)


class Distance(Untimed):
    """Openings that die after 1, 2, 3 ... hops; the first that opens the filter passed the outermost NAT.

    One that dies after a single hop passes no NAT: if it opens the filter all the same, the host does not set TTLs.
    """

    study = "distance"
    sockets = FARTHEST

    def __init__(self, questions: Questions, server: Server) -> None:
        self._questions, self._server = questions, server
        self._fresh: tuple[Fresh, ...] = ()
        self._open = False
        self._result: int | None = None

    def begin(self, sockets: tuple[Fresh, ...], *, now: float) -> None:
        """See `Study`."""
        self._fresh = sockets
        self._try(1, now)

    def _try(self, hops: int, now: float) -> None:
        self._open = hops <= len(self._fresh)
        if not self._open:
            return
        fresh = self._fresh[hops - 1]
        self._questions.ask(_opening(fresh, self._server, study=self.study, ttl=hops), at=now)
        check = _check(fresh, self._server, (self.study, hops, "check"))
        self._questions.ask(check, at=now + 2 * OPENING_PAUSE)

    def hear(self, result: Answer | Silence, *, now: float) -> None:
        """See `Study`."""
        hops = result.question.what[1]
        if isinstance(result, Silence):
            self._try(hops + 1, now)
            return
        self._open = False
        self._result = hops - 1 or None

    def done(self) -> bool:
        """See `Study`."""
        return not self._open

    def add(self, tests: Tests) -> Tests:
        """See `Study`."""
        return structs.replace(tests, distance=self._result)


class Lifetime(Untimed, ABC):
    """Sockets that fall silent, put to the test later; several at once, then one at a time."""

    study = "lifetime"
    sockets = len(FIRST_RUNGS) + max(len(LOWER_RUNGS), len(HIGHER_RUNGS))
    _higher: tuple[float, ...] = HIGHER_RUNGS

    def __init__(self, questions: Questions, server: Server) -> None:
        self._questions, self._server = questions, server
        self._spare: list[Fresh] = []
        self._rungs: list[tuple[Fresh, float]] = []
        self._open = 0
        self._alive: list[float] = []
        self._dead: list[float] = []

    def begin(self, sockets: tuple[Fresh, ...], *, now: float) -> None:
        """See `Study`."""
        self._spare = list(sockets)
        for rung in FIRST_RUNGS:
            self._try(rung, now)

    def _try(self, rung: float, now: float) -> None:
        if self._spare:
            self._open += 1
            self._rungs.append((self._spare.pop(0), rung))
            self._start(len(self._rungs) - 1, now)

    @abstractmethod
    def _start(self, number: int, now: float) -> None:
        """Let a socket fall silent."""

    @abstractmethod
    def hear(self, result: Answer | Silence, *, now: float) -> None:
        """See `Study`."""

    @abstractmethod
    def add(self, tests: Tests) -> Tests:
        """See `Study`."""

    def _end(self, number: int, alive: bool | None, now: float) -> None:
        """A silence is over; None: nothing was learned."""
        rung = self._rungs[number][1]
        if alive is not None:
            (self._alive if alive else self._dead).append(rung)
        self._open -= 1
        if not self._open:
            further = LOWER_RUNGS if not self._alive else () if self._dead else self._higher
            tried = {each for _, each in self._rungs}
            for each in [each for each in further if each not in tried][:1]:
                self._try(each, now)

    def done(self) -> bool:
        """See `Study`."""
        return self._open == 0

    @property
    def _proven(self) -> float | None:
        """The longest silence survived below the shortest that was not."""
        limit = min(self._dead, default=math.inf)
        return max((rung for rung in self._alive if rung < limit), default=None)


class Opened(Lifetime):
    """An opening that nobody answered: does the server's other port still come through?"""

    def _start(self, number: int, now: float) -> None:
        fresh, rung = self._rungs[number]
        self._questions.ask(_opening(fresh, self._server, study=self.study), at=now)
        self._questions.ask(_check(fresh, self._server, (self.study, number, "check")), at=now + OPENING_PAUSE + rung)

    def hear(self, result: Answer | Silence, *, now: float) -> None:
        """See `Study`."""
        self._end(result.question.what[1], isinstance(result, Answer), now)

    def add(self, tests: Tests) -> Tests:
        """See `Study`."""
        return structs.replace(tests, lifetime=self._proven)


class Asked(Lifetime):
    """A socket that was answered once: is it still seen where it was?"""

    _higher = ()

    def __init__(self, questions: Questions, server: Server) -> None:
        super().__init__(questions, server)
        self._seen: dict[int, Endpoint] = {}

    def _start(self, number: int, now: float) -> None:
        self._ask(number, "before", now)

    def _ask(self, number: int, word: str, at: float) -> None:
        wait = self._server.wait
        what = (self.study, number, word)
        via = self._rungs[number][0].socket
        self._questions.ask(Question(what=what, via=via, to=self._server.main, waits=(wait,) * 3), at=at)

    def hear(self, result: Answer | Silence, *, now: float) -> None:
        """See `Study`."""
        _, number, word = result.question.what
        seen = result.message.seen if isinstance(result, Answer) else None
        if seen is None:
            self._end(number, None, now)
        elif word == "before":
            self._seen[number] = seen
            self._ask(number, "after", now + self._rungs[number][1])
        else:
            self._end(number, seen == self._seen[number], now)

    def add(self, tests: Tests) -> Tests:
        """See `Study`."""
        return structs.replace(tests, lifetime=self._proven if self._dead else None)
