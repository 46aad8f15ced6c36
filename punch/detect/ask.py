"""The machine that finds out what NAT is in front of this host.

    idle --servers, main socket--> hello --answer--> survey --done--> studies, one by one --> rest
                                     |                  `-- known network: what is remembered
                                     `-- silence: blocked or no server, asked again ever more slowly

The profile is told as soon as it is enough to choose a strategy, and again whenever it grows. NAT is an affair of
IPv4: IPv6 servers and sockets are not asked. A server is not believed whose word stands against that of two others, or
cannot be true; what is one's word against one other's is told as the strictest, and as undecided.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterator

from msgspec import structs

from punch import stun
from punch.commands import Command
from punch.detect.answer import prefix_of
from punch.detect.classify import Tests, classify, undecided
from punch.detect.hello import FIRST_WAITS, LATER_WAITS, Hello, Target, choose, speaks_ipv4, targets
from punch.detect.memory import Memory, Place
from punch.detect.questions import Questions, RoomAt, Spend
from punch.detect.signs import Signs
from punch.detect.strangers import Strangers
from punch.detect.studies import Study, wanted
from punch.detect.supply import Fresh, Supply
from punch.detect.survey import FRESH, Server, Survey
from punch.events import Event, ProfileChanged, ReflexiveFound
from punch.facts import (
    DetectAsked,
    Fact,
    NetworkChanged,
    PolicyChanged,
    ServersKnown,
    SocketClosed,
    SocketFailed,
    SocketOpened,
)
from punch.manners import Manners
from punch.timers import Timers
from punch.values import Endpoint, NatProfile, SocketId

RETRIES = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds until servers that were silent are asked again; the last one for ever."""
REPEAT = 0.3
"""Seconds until a run that one host alone answered is repeated, once in a network."""
LEAST_ANSWERS = 3
"""With fewer the server is taken for gone, and another run follows."""


class Detector:
    """Measures once in each network, and when asked; see the module. `drops` counts answers that were refused."""

    def __init__(
        self,
        *,
        entropy: random.Random,
        spend: Spend,
        room_at: RoomAt,
        request_ids: Callable[[], int],
        manners: Manners,
        enabled: bool = True,
    ) -> None:
        self.profile = NatProfile()
        """As far as known."""
        self.undecided: tuple[str, ...] = ()
        """Fields of the profile that more than one reading is left of."""
        self.signs = Signs()
        """Whether UDP comes in: to be told of what others heard."""
        self._strangers = Strangers(manners)
        self._questions = Questions(entropy, spend=spend, room_at=room_at, strangers=self._strangers)
        self._timers: Timers[str] = Timers()
        self._commands: deque[Command] = deque()
        self._events: deque[Event] = deque()
        self._supply = Supply(request_ids, self._commands)
        self._enabled = enabled
        self._mains: dict[SocketId, Endpoint] = {}
        self._servers = ServersKnown(())
        self._network = NetworkChanged("", ())
        self._memory = Memory()
        self._measured: float | None = None
        self._retries = 0
        self._anew = False
        """What is remembered does not count."""
        self._repeated = False
        """A run that only one host answered was repeated in this network."""
        self._supplied = False
        """Sockets were asked for in this run."""
        self._liars: dict[str, None] = {}
        """Hosts whose answers were found to be false in this network."""
        self._hello: Hello | None = None
        self._survey: Survey | None = None
        self._study: Study | None = None
        self._studies: deque[Study] = deque()
        self._server: Server | None = None
        self._tests = Tests()
        self._wake: float | None = None
        """The next timeout, as of the last pump."""

    # --- what others ask

    @property
    def drops(self) -> Counter[str]:
        """Answers refused, by reason."""
        return self._questions.drops

    @property
    def busy(self) -> bool:
        """The quick part of a measurement is under way."""
        return self._hello is not None or self._survey is not None

    @property
    def has_news(self) -> bool:
        """Commands or events wait to be drained."""
        return bool(self._commands or self._events)

    def age(self, *, now: float) -> float | None:
        """Seconds since the profile was measured; None: it was not."""
        return None if self._measured is None else now - self._measured

    # --- the six verbs

    def tell(self, fact: Fact, *, now: float) -> None:
        """Hear what concerns detection; the rest is passed over."""
        match fact:
            case SocketOpened():
                if not self._opened(fact, now):
                    return
            case SocketFailed():
                self._supply.failed(fact)
            case SocketClosed():
                if not self._closed(fact, now):
                    return
            case ServersKnown():
                self._servers_known(fact, now)
            case NetworkChanged():
                self._network_changed(fact, now)
            case DetectAsked():
                self._ask_anew(now)
            case PolicyChanged():
                self._switch(fact.config.enabled, now)
            case _:
                return
        self._pump(now)

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> bool:
        """Take an answer; False: it is not one of ours, nor came to a socket of ours.

        True says that nobody else need look at it: it was used, or refused and counted in `drops`.
        """
        try:
            message = stun.parse(payload)
        except stun.StunError as error:
            return self._refuse(str(error), via)
        return self.hear(message, source, via=via, now=now)

    def _refuse(self, reason: str, via: SocketId) -> bool:
        self.drops[reason] += (mine := self._supply.has(via))
        return mine

    def hear(self, message: stun.Message, source: Endpoint, *, via: SocketId, now: float) -> bool:
        """`receive` for what was parsed already."""
        if not self._questions.receive(message, source, via=via, now=now):
            return self._refuse("stun_unknown", via)
        self.signs.came(now=now)
        self._pump(now)
        return True

    def reconsider(self, *, now: float) -> None:
        """`signs` may have been told of something that came."""
        if self.profile.blocked and self.signs.works(now=now):
            self._tell_no_server()

    def next_timeout(self) -> float | None:
        """See `Machine`."""
        return self._wake

    def _earliest(self) -> float | None:
        times = [self._timers.next(), self._supply.due, self._questions.next_timeout()]
        times += [part.next_timeout() for part in (self._hello, self._survey, self._study) if part is not None]
        return min([at for at in times if at is not None], default=None)

    def handle_timeout(self, *, now: float) -> None:
        """See `Machine`."""
        if self._wake is None or now < self._wake:
            return
        for _ in self._timers.expired(now):
            self._begin(now)
        if self._supply.due is not None and now >= self._supply.due:
            self._supply.settle()
        for part in (self._hello, self._survey, self._study):
            if part is not None:
                part.handle_timeout(now=now)
        self._pump(now)

    def commands(self) -> Iterator[Command]:
        """See `Machine`."""
        while self._commands:
            yield self._commands.popleft()

    def events(self) -> Iterator[Event]:
        """See `Machine`."""
        while self._events:
            yield self._events.popleft()

    # --- facts

    def _opened(self, fact: SocketOpened, now: float) -> bool:
        """False: it is no affair of detection."""
        if fact.role == "main" and not fact.local.is_ipv6:
            self._mains[fact.socket] = fact.local
            self._want(now)
            return True
        return self._supply.opened(fact)

    def _closed(self, fact: SocketClosed, now: float) -> bool:
        """False: it was no affair of detection."""
        asked = self._questions.drop(fact.socket)
        if fact.socket not in self._mains:
            return self._supply.closed(fact.socket) or asked
        first = fact.socket == next(iter(self._mains))
        del self._mains[fact.socket]
        if first and self.busy:
            self._begin(now)
        return True

    def _ask_anew(self, now: float) -> None:
        """Somebody wants to know; what is being measured is as good as new."""
        self._anew = True
        self._liars.clear()
        if not self.busy or self._retries:
            self._retries = 0
            self._begin(now)

    def _servers_known(self, fact: ServersKnown, now: float) -> None:
        news, self._servers = fact != self._servers, fact
        self._strangers.know(each.endpoint.host for each in targets(fact))
        if self.busy or not news:
            return
        if self._measured is None:
            self._retries = 0
            self._begin(now)
        elif self._thin:
            self._anew = True
            self._begin(now)

    def _network_changed(self, fact: NetworkChanged, now: float) -> None:
        earlier, self._network = self._network.key, fact
        if not earlier and self.busy:
            self._tests = structs.replace(self._tests, addresses=self._own_addresses())
            return
        if earlier != fact.key:
            self._publish(NatProfile(), ())
        self._retries = 0
        self._measured = None
        self._repeated = False
        self._liars.clear()
        self.signs.anew()
        self._begin(now)

    def _switch(self, enabled: bool, now: float) -> None:
        if enabled == self._enabled:
            return
        self._enabled = enabled
        if enabled:
            self._want(now)
        else:
            self._stop()

    @property
    def _targets(self) -> list[Target]:
        """Servers that are believed."""
        return [each for each in targets(self._servers) if each.endpoint.host not in self._liars]

    @property
    def _thin(self) -> bool:
        """The last run had one host to ask only, and that left something undecided; by now there are more."""
        hosts = {each.endpoint.host for each in self._targets}
        if self._server is None or self._server.host is not None or len(hosts) < 2:
            return False
        return "mapping" in self.undecided or "filtering" in self.undecided

    # --- a run

    def _want(self, now: float) -> None:
        """Measure, unless that was done here or is being done, or waits for its turn."""
        if self._measured is None and not self.busy and self._timers.next() is None:
            self._begin(now)

    def _stop(self) -> None:
        """Leave off, whatever is under way."""
        self._timers.clear("retry")
        self._questions.clear()
        self._supply.release()
        self._hello = self._survey = self._study = None
        self._studies.clear()

    def _begin(self, now: float) -> None:
        """Start over, with whoever is there to be asked."""
        self._stop()
        self._strangers.begin()
        asked = choose(self._targets, self._retries)
        main = next(iter(self._mains), None)
        if not self._enabled or not asked or main is None or not speaks_ipv4(self._network.addresses):
            return
        self._tests = Tests(addresses=self._own_addresses())
        self._server = None
        waits = LATER_WAITS if self._retries else FIRST_WAITS
        self._hello = Hello(self._questions, main, asked, waits=waits, now=now)
        self._supplied = not self._retries
        if self._supplied:
            self._supply.order(FRESH, now=now)

    def _own_addresses(self) -> tuple[str, ...]:
        bound = tuple(local.host for local in self._mains.values() if local.host != "0.0.0.0")
        return self._network.addresses + tuple(host for host in bound if host not in self._network.addresses)

    def _pump(self, now: float) -> None:
        """Let everything go on that can, until nothing moves."""
        moved = True
        while moved:
            self._questions.handle_timeout(now=now)
            moved = self._hear(now)
            moved = self._step(now) or moved
        self._commands.extend(self._questions.outgoing())
        self._wake = self._earliest()

    def _hear(self, now: float) -> bool:
        if not self._questions.has_results:
            return False
        for result in self._questions.results():
            for part in (self._hello, self._survey, self._study):
                if part is not None and part.study == result.question.what[0]:
                    part.hear(result, now=now)
        return True

    def _step(self, now: float) -> bool:
        """Go on from what is done; False: nothing is."""
        if self._hello is not None:
            return self._step_hello(self._hello, now)
        if self._survey is not None:
            return self._step_survey(self._survey, now)
        if self._study is not None and self._study.done():
            self._tests = self._study.add(self._tests)
            self._study = None
            self._supply.release()
            self._tell_profile()
            self._remember()
            self._next_study(now)
            return True
        if self._study is None and self._studies and self._supply.ready:
            self._study = self._studies.popleft()
            self._study.begin(self._supply.sockets, now=now)
            return True
        return False

    def _step_hello(self, hello: Hello, now: float) -> bool:
        if hello.silent:
            self.signs.silent(hello.targets)
            self._silence(now)
            return True
        self._reflexive(hello.reflexive)
        if not hello.done:
            return False
        remembered = None if self._anew else self._memory.find(self._place(), now=now)
        if remembered is not None:
            self._hello = None
            self._supply.release()
            self._server = hello.server()
            self._measured = remembered.at
            self._tests = structs.replace(remembered.tests, reflexive=hello.reflexive, addresses=self._tests.addresses)
            self._tell_profile()
            return True
        if not self._supplied:
            self._supplied = True
            self._supply.order(FRESH, now=now)
        if not self._supply.ready:
            return False
        self._hello = None
        self._distrust(*hello.liars)
        self._server = hello.server()
        differ = hello.differ or self._server.named
        self._tests = structs.replace(self._tests, differ=differ, agree=hello.agreed is not None)
        sockets = self._supply.sockets or self._main_alone()
        self._survey = Survey(self._questions, self._server, sockets, now=now)
        return True

    def _main_alone(self) -> tuple[Fresh, ...]:
        """Without a fresh socket the main one shows the mapping at least."""
        return tuple(Fresh(socket, local.port) for socket, local in self._mains.items())[:1]

    def _step_survey(self, survey: Survey, now: float) -> bool:
        if not survey.moved:
            return False
        survey.moved = False
        self._commands.extend(survey.signals)
        survey.signals.clear()
        if not survey.enough:
            return False
        if liars := survey.liars():
            self._distrust(*liars)
            self._begin_without(now)
            return True
        self._tests = survey.add(self._tests)
        seen = self._tests.seen
        if not survey.done:
            self._measured = now
            if survey.tells:
                self._tell_profile()
            return False
        self._survey = None
        self._supply.release()
        answered = sum(each.external is not None for each in seen if each.towards == "main")
        if not any(each.external for each in seen):
            self._silence(now)
            return True
        self._tell_profile()
        if answered < min(LEAST_ANSWERS, len(survey.sockets)):
            self._measured = None
            self._later(now)
            return True
        if self._thin and not self._repeated:
            self._repeated = self._anew = True
            self._measured = None
            self._timers.set("retry", now + REPEAT)
            return True
        self._measured, self._anew, self._retries = now, False, 0
        self._remember()
        assert self._server is not None
        self._studies = wanted(self._questions, self._server, self._tests, self.profile)
        self._next_study(now)
        return True

    def _next_study(self, now: float) -> None:
        if self._studies:
            self._supply.order(self._studies[0].sockets, now=now)

    def _distrust(self, *hosts: str) -> None:
        """What these say is not true."""
        self._liars |= dict.fromkeys(hosts)
        self.drops["stun_untrue"] += len(hosts)

    def _begin_without(self, now: float) -> None:
        """Start over without those that are not believed; where nobody is left, later with all."""
        if self._targets:
            self._begin(now)
        else:
            self._liars.clear()
            self._silence(now)

    def _silence(self, now: float) -> None:
        """Nobody answers: say what that means, and try again later."""
        self._stop()
        self._tests = Tests()
        if self.signs.is_blocked(now=now):
            self._publish(NatProfile(blocked=True), ())
        elif self.profile.type in ("unknown", "blocked"):
            self._tell_no_server()
        self._later(now)

    def _tell_no_server(self) -> None:
        """UDP may come in, but nobody tells what is in front of us."""
        self._publish(NatProfile(), undecided(Tests(), NatProfile()))

    def _later(self, now: float) -> None:
        """Try again, ever more slowly."""
        self._timers.set("retry", now + RETRIES[min(self._retries, len(RETRIES) - 1)])
        self._retries += 1

    # --- what is known

    def _reflexive(self, endpoint: Endpoint | None) -> None:
        if endpoint is not None and endpoint != self._tests.reflexive:
            self._tests = structs.replace(self._tests, reflexive=endpoint)
            self._events.append(ReflexiveFound(endpoint))

    def _tell_profile(self) -> None:
        profile = classify(self._tests)
        self._publish(profile, undecided(self._tests, profile))

    def _publish(self, profile: NatProfile, left: tuple[str, ...]) -> None:
        self.undecided = left
        if profile != self.profile:
            self.profile = profile
            self._events.append(ProfileChanged(profile))

    def _place(self) -> Place | None:
        """Where we are; None: that is not known."""
        reflexive = self._tests.reflexive
        return None if reflexive is None else (self._network.key, prefix_of(reflexive.host))

    def _remember(self) -> None:
        if self._measured is not None:
            self._memory.keep(self._place(), self._tests, at=self._measured)
