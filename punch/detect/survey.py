"""The tests that come first, all at once: mapping, allocation, filtering, poison (nat-science 1.4 a-f).

main p1   the server as it is known           far      its other address (RFC 5780), or
port p2   its other port                      toucher  another member, who is asked for a Touch
host      another host

socket 0       p1 + change port -> p2 answers?      p1 -> mapped      far or Touch answers?      then p2: poisoned?
sockets 1..9   p1, and p2 or host in turns; a burst first, for the step, then spread, for the foreign rate
"""

from __future__ import annotations

from msgspec import Struct, structs

from punch.commands import SendSignal
from punch.detect.classify import Seen, Tests, Towards
from punch.detect.questions import Answer, Question, Questions, Silence, What
from punch.detect.supply import Fresh
from punch.signals import Touch
from punch.values import Endpoint, PeerId, udp

SAMPLES = 9
"""More tell nothing new of the allocator (nat-science 4.3)."""
FRESH = SAMPLES + 1
STARTS = (0.0, 0.0, 0.0, 0.025, 0.05, 0.075, 0.1, 0.13, 0.16)
"""Seconds after the beginning that each sample is sent."""
PATIENCE = (0.1, 1.0)
"""Bounds of the time an answer is waited for before a question is asked again."""
TOUCHES = (0.0, 0.25, 0.6)
"""Seconds after which a Touch is asked for, each time with a transaction of its own."""
TOUCH_WAIT = 0.6
"""Seconds after the last one that an untouched socket is believed."""

_TOWARDS: dict[str, Towards] = {"main": "main", "port": "port", "host": "host"}
"""Words of questions about mappings."""


class Server(Struct, frozen=True, kw_only=True):
    """Who answers, and from where."""

    main: Endpoint
    port: Endpoint | None = None
    """Its other port."""
    host: Endpoint | None = None
    """Another host that answers."""
    far: Endpoint | None = None
    """Where it answers from when asked to change address and port."""
    toucher: PeerId | None = None
    """A member at `touch_host`, not at `main`'s, who serves STUN."""
    touch_host: str = ""
    named: bool = False
    """A person named all that are asked."""
    rtt: float = 0.1
    """Seconds there and back."""

    @property
    def wait(self) -> float:
        """Seconds until a question is asked again."""
        low, high = PATIENCE
        return min(high, max(low, 1.5 * self.rtt + 0.05))


class Survey:
    """One run of them. It is fed what `Questions` has for its `study`."""

    study = "survey"

    def __init__(self, questions: Questions, server: Server, sockets: tuple[Fresh, ...], *, now: float) -> None:
        self.signals: list[SendSignal] = []
        """To be said: requests for a Touch."""
        self.moved = True
        """Something is to be said or was found since somebody looked last."""
        self._questions = questions
        self._server = server
        self.sockets = sockets
        self._told: tuple[bool | None, ...] | None = None
        """How the filter was when the profile was told last."""
        self._seen: dict[tuple[int, Towards], Seen] = {}
        self._other_port: bool | None = None
        self._other_host: bool | None = None
        self._poisonable: bool | None = None
        self._mapped: Endpoint | None = None
        self._open: dict[What, bool] = {}
        """Questions without result so far, and whether the choice of a strategy needs them."""
        self._touches: list[float] = []
        self._touched_by: float | None = None
        self._invited = False
        """A Touch was asked for: the budget had room for one."""
        if len(sockets) > 1:
            self._filter(sockets[0], now)
        for number, fresh in enumerate(sockets[1:] or sockets, start=1):
            self._sample(number, fresh, now + STARTS[min(number, len(STARTS)) - 1])

    # --- what others ask

    @property
    def done(self) -> bool:
        """Nothing is open."""
        return not self._open and self._touched_by is None

    @property
    def enough(self) -> bool:
        """All is known that the choice of a strategy needs, but for a few stragglers."""
        if not any(self._open.values()):
            return True
        towards = [each.towards for each in self._seen.values() if each.external is not None]
        seconds = [self._server.port is not None, self._server.host is not None]
        least = SAMPLES // max(1, sum(seconds)) - 1
        wanted: tuple[tuple[Towards, int], ...] = (
            ("main", SAMPLES - 1),
            ("port", least * seconds[0]),
            ("host", least * seconds[1]),
        )
        return all(towards.count(word) >= number for word, number in wanted)

    @property
    def tells(self) -> bool:
        """More is known than when this was asked last; a straggler among many samples is not worth a telling."""
        before, self._told = self._told, (self._other_port, self._other_host, self._poisonable)
        return self._told != before

    def add(self, tests: Tests) -> Tests:
        """`tests` with what was found; a silence counts only where the same server answers when asked directly."""
        answered = {each.towards for each in self._seen.values() if each.external is not None}
        port, host = self._other_port, self._other_host
        return structs.replace(
            tests,
            seen=tuple(self._seen.values()),
            other_port=port if port or "port" in answered else None,
            other_host=host if host or "host" in answered or self._server.far is None else None,
            poisonable=self._poisonable,
        )

    def liars(self) -> tuple[str, ...]:
        """Hosts that saw two sockets at one endpoint: no NAT does that, for it could not tell them apart."""
        found = []
        for word, server in (("main", self._server.main), ("port", self._server.port), ("host", self._server.host)):
            views = [each.external for each in self._seen.values() if each.towards == word and each.external]
            if server is not None and len(set(views)) < len(views):
                found.append(server.host)
        return tuple(dict.fromkeys(found))

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""
        return self._touches[0] if self._touches else self._touched_by

    def handle_timeout(self, *, now: float) -> None:
        """Ask for a Touch, or believe that none comes."""
        while self._touches and self._touches[0] <= now:
            self._touches.pop(0)
            self._ask_touch(now)
            self.moved = True
        if self._touched_by is not None and now >= self._touched_by:
            self._touched_by = None
            self._other_host = False if self._invited else None
            self.moved = True

    def hear(self, result: Answer | Silence, *, now: float) -> None:
        """Take what became of a question."""
        self.moved = True
        _, number, word = result.question.what
        self._open.pop(result.question.what, None)
        towards = _TOWARDS.get(word)
        if towards is not None and (number or towards == "main"):
            self._note(number, towards, result)
        if number == 0:
            self._hear_filter(word, result, now)

    # --- samples

    def _sample(self, number: int, fresh: Fresh, at: float) -> None:
        second: list[tuple[Towards, Endpoint | None]] = [("port", self._server.port), ("host", self._server.host)]
        there = [(word, to) for word, to in second if to is not None]
        self._ask(number, "main", fresh, self._server.main, at)
        if there:
            word, to = there[number % len(there)]
            self._ask(number, word, fresh, to, at)

    def _ask(self, number: int, word: str, fresh: Fresh, to: Endpoint | None, at: float) -> None:
        if to is None:
            return
        wait = self._server.wait
        self._put(Question(what=(self.study, number, word), via=fresh.socket, to=to, waits=(wait, wait, 2 * wait)), at)

    def _put(self, question: Question, at: float, *, needed: bool = True) -> None:
        self._open[question.what] = needed
        self._questions.ask(question, at=at)

    def _note(self, number: int, word: Towards, result: Answer | Silence) -> None:
        fresh = self.sockets[min(number, len(self.sockets) - 1)]
        external = result.message.seen if isinstance(result, Answer) else None
        self._seen[number, word] = Seen(
            socket=number,
            local=fresh.port,
            towards=word,
            order=result.order,
            at=result.sent,
            external=external,
            again=number == 0 or not isinstance(result, Answer) or result.tries > 1,
        )

    # --- filtering and poison

    def _filter(self, fresh: Fresh, now: float) -> None:
        server, wait = self._server, self._server.wait
        waits = (wait, wait, wait)
        if server.port is not None:
            expect = (server.port, server.main)
            what: What = (self.study, 0, "changed")
            question = Question(
                what=what, via=fresh.socket, to=server.main, waits=waits, expect=expect, change_port=True
            )
            self._put(question, now, needed=False)
        if server.far is not None:
            expect = (server.far, server.main)
            what = (self.study, 0, "far")
            question = Question(
                what=what,
                via=fresh.socket,
                to=server.main,
                waits=waits,
                expect=expect,
                change_ip=True,
                change_port=True,
            )
            self._put(question, now, needed=False)
        self._ask(0, "main", fresh, server.main, now)

    def _hear_filter(self, word: str, result: Answer | Silence, now: float) -> None:
        came = self._came(result)
        if word == "changed":
            self._other_port = came
            if came:
                self._poisonable = False
            elif came is False:
                self._ask(0, "port", self.sockets[0], self._server.port, now)
        elif word == "far":
            self._other_host = came
        elif word == "main" and isinstance(result, Answer) and self._server.far is None:
            self._mapped = result.message.seen
            if self._server.toucher is not None and self._mapped is not None:
                self._touches = [now + after for after in TOUCHES]
                self._touched_by = self._touches[-1] + TOUCH_WAIT
        elif word == "touched":
            self._other_host, self._touches, self._touched_by = True, [], None
        elif word == "port":
            main = self._seen.get((0, "main"))
            if isinstance(result, Answer) and main is not None and main.external is not None:
                self._poisonable = result.message.seen != main.external

    def _came(self, result: Answer | Silence) -> bool | None:
        """Whether an answer came in that was never asked for there; None: the server does not do that."""
        if isinstance(result, Answer):
            elsewhere = result.source != self._server.main and result.message.kind == "response"
            return True if elsewhere else None
        return False

    def _ask_touch(self, now: float) -> None:
        if self._mapped is None or self._server.toucher is None:
            return
        via, host = self.sockets[0].socket, self._server.touch_host
        if not self._questions.invite(via, host, now=now):
            return
        self._invited = True
        transaction = self._questions.expect(
            (self.study, 0, "touched"),
            via=via,
            sources=(udp(host, 0),),
            lifetime=TOUCHES[-1] + TOUCH_WAIT,
            now=now,
        )
        signal = Touch(attempt=0, port=self._mapped.port, transaction=transaction)
        self.signals.append(SendSignal(self._server.toucher, signal))
