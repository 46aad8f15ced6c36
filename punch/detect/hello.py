"""Who answers at all: a few servers at once from the main socket, whose outside endpoint this finds.

main socket --> server 1, 2, 3        the first answer, and a moment for the others
                                      -> the one that can do most, and another host beside it
                two see us alike      -> a third that does not is not believed
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from punch.addresses import is_private
from punch.detect.answer import SOFTWARE
from punch.detect.questions import Answer, Question, Questions, Silence
from punch.detect.survey import Server
from punch.facts import ServersKnown
from punch.manners import is_sendable
from punch.values import Endpoint, PeerId, SocketId, udp

ASKED = 3
"""Servers asked at once."""
FIRST_WAITS = (0.2, 0.4, 0.8, 1.2)
LATER_WAITS = (0.5, 1.0)
"""Seconds between repeats at first, and when all were silent before."""
WITNESSES = 3
"""Hosts that must each see another endpoint, so that none of them can have made it up alone."""
MOMENT = 0.02
"""Seconds there and back that are reckoned with at least."""


class Target(Struct, frozen=True):
    """A server, and the member it belongs to, if it is one's."""

    endpoint: Endpoint
    member: bool = False
    peer: PeerId = b""
    configured: bool = False
    """A person named it."""


def targets(servers: ServersKnown) -> list[Target]:
    """IPv4 servers, best first, none twice."""
    found: dict[Endpoint, Target] = {}
    for number, endpoint in enumerate(servers.servers):
        peer = servers.peers[number] if number < len(servers.peers) else b""
        configured = endpoint in servers.configured
        found.setdefault(endpoint, Target(endpoint, member=True, peer=peer, configured=configured))
    for endpoint in servers.configured:
        found.setdefault(endpoint, Target(endpoint, configured=True))
    return [each for each in found.values() if not each.endpoint.is_ipv6 and is_sendable(each.endpoint)]


def speaks_ipv4(addresses: tuple[str, ...]) -> bool:
    """Whether there is anybody to ask: False where all own addresses are known, and none is of IPv4."""
    return not addresses or any(":" not in host for host in addresses)


def choose(known: list[Target], turn: int) -> list[Target]:
    """Whom to ask: one of each host first; `turn` counts the times that all were silent."""
    hosts: set[str] = set()
    first: list[Target] = []
    second: list[Target] = []
    for each in known:
        (second if each.endpoint.host in hosts else first).append(each)
        hosts.add(each.endpoint.host)
    order = first + second
    start = turn * ASKED % len(order) if order else 0
    return (order[start:] + order[:start])[:ASKED]


class Hello:
    """One round of it."""

    study = "hello"

    def __init__(
        self, questions: Questions, via: SocketId, asked: list[Target], *, waits: tuple[float, ...], now: float
    ) -> None:
        self.targets = asked
        self._open = len(asked)
        self._waits = waits
        self._rtt = 0.0
        self._helped = False
        """Another host answered, or there is none to wait for."""
        self._answers: list[tuple[Target, Answer]] = []
        self._moment: float | None = None
        self.done = False
        """Nothing more is waited for."""
        for number, each in enumerate(asked):
            what = (self.study, number, "hello")
            questions.ask(Question(what=what, via=via, to=each.endpoint, waits=waits), at=now)

    @property
    def silent(self) -> bool:
        """All were asked, and nobody answered."""
        return not self._open and not self._answers

    def next_timeout(self) -> float | None:
        """When the moment for the others is over."""
        return self._moment

    def handle_timeout(self, *, now: float) -> None:
        """Wait for the others no more."""
        if self._moment is not None and now >= self._moment:
            self._moment, self.done = None, True

    def hear(self, result: Answer | Silence, *, now: float) -> None:
        """Take what became of a question."""
        self._open -= 1
        self.done = self.done or not self._open
        if isinstance(result, Silence) or result.message.seen is None or result.message.kind != "response":
            return
        self._answers.append((self.targets[result.question.what[1]], result))
        self._rtt = self._rtt or max(MOMENT, now - result.sent)
        if self._is_settled:
            self._moment = self._moment if self._helped else now + self._rtt / 2
            self._helped = True
        else:
            self._moment = max(now, result.sent + self._waits[0]) + 1.5 * self._rtt

    @property
    def _is_settled(self) -> bool:
        """Whether the other answers are hardly worth a wait: only one host is there, or two agree, or all told."""
        asked = len({each.endpoint.host for each in self.targets})
        told = len(self._views)
        return told == asked or self.agreed is not None

    # --- what they say

    @property
    def _views(self) -> dict[str, Endpoint]:
        """Where each host sees the main socket."""
        views: dict[str, Endpoint] = {}
        for target, answer in self._answers:
            assert answer.message.seen is not None
            views.setdefault(target.endpoint.host, answer.message.seen)
        return views

    @property
    def _voices(self) -> Counter[Endpoint]:
        """How many see it where; a member has one voice, however many addresses."""
        views = self._views
        voices: dict[PeerId | str, Endpoint] = {}
        for target, _ in self._answers:
            host = target.endpoint.host
            voices.setdefault(target.peer or host, views[host])
        return Counter(voices.values())

    @property
    def agreed(self) -> Endpoint | None:
        """Where more than one see the main socket."""
        most = self._voices.most_common(1)
        return most[0][0] if most and most[0][1] > 1 else None

    @property
    def reflexive(self) -> Endpoint | None:
        """Where the main socket is seen, as soon as that is more than one's word, or one's word is all there is."""
        views = list(self._views.values())
        if self.agreed is not None or not views or (len(views) == 1 and not self.done):
            return self.agreed
        return views[0] if len({each.host for each in views}) == 1 else None

    @property
    def differ(self) -> bool:
        """Each sees it at another endpoint, and they are enough for that not to be the doing of one."""
        return self.agreed is None and self._voices.total() >= WITNESSES

    @property
    def liars(self) -> tuple[str, ...]:
        """Hosts whose word stands against that of two others."""
        agreed = self.agreed
        return tuple(host for host, seen in self._views.items() if agreed not in (None, seen))

    def server(self) -> Server:
        """Whom the tests go to, and who helps. Only after somebody answered."""
        liars = self.liars
        honest = [each for each in self._answers if each[0].endpoint.host not in liars]
        best = next((each for each in honest if _second(each[1]) is not None), honest[0])
        target, answer = best
        main = target.endpoint
        others = [each for each, _ in honest if each.endpoint.host != main.host]
        helper = next((each for each in others if each.peer), others[0] if others else None)
        # What a person did not name is believed of its other address only where nobody else can be asked.
        far = _second(answer) if target.configured or helper is None else None
        host = udp(far.host, main.port) if far is not None else helper.endpoint if helper is not None else None
        return Server(
            main=main,
            port=_other_port(target, answer),
            host=host,
            far=far,
            toucher=helper.peer if helper is not None and helper.peer else None,
            touch_host=helper.endpoint.host if helper is not None else "",
            named=target.configured and (far is not None or (helper is not None and helper.configured)),
            rtt=(answer.now - answer.sent) if answer.tries == 1 else 0.2,
        )


def _second(answer: Answer) -> Endpoint | None:
    """OTHER-ADDRESS, if it names another host that can be true."""
    main, other = answer.question.to, answer.message.other
    if other is None or other.host == main.host or other.is_ipv6 or not is_sendable(other):
        return None
    return None if is_private(other.host) and not is_private(main.host) else other


def _other_port(target: Target, answer: Answer) -> Endpoint | None:
    """A member's is PORT + 1 (protocol section 9); of others only what they say."""
    main, other = target.endpoint, answer.message.other
    if target.configured and other is not None and other.port not in (0, main.port):
        return udp(main.host, other.port)
    if (target.member or answer.message.software == SOFTWARE) and main.port < 65535:
        return udp(main.host, main.port + 1)
    return None
