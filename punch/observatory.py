"""What this host sees of itself through STUN, and what it tells others: detector, samples, canary, service.

answer --> detector, sampler, canary: whose transaction is it?        request --> service
facts  --> all of them, and the sockets they need
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable

from punch import stun
from punch.canary import Canary
from punch.config import PunchConfig, StunConfig
from punch.detect.answer import Answerer
from punch.detect.ask import Detector
from punch.events import Event, ProfileChanged
from punch.facts import (
    DetectAsked,
    NetworkChanged,
    PeerHeard,
    PolicyChanged,
    ServersKnown,
    SocketClosed,
    SocketFailed,
    SocketOpened,
)
from punch.manners import on_link
from punch.outlet import Outlet
from punch.sampler import Sampler
from punch.signals import Touch
from punch.values import Endpoint, PeerId, SocketId

Told = SocketOpened | SocketFailed | SocketClosed | NetworkChanged | ServersKnown | DetectAsked | PolicyChanged

MOST_HEARD = 1024
"""Peers whose place is remembered; the one told longest ago gives way."""


class Observatory:
    """All of it."""

    def __init__(
        self,
        config: PunchConfig,
        settings: StunConfig,
        outlet: Outlet,
        *,
        entropy: random.Random,
        request_ids: Callable[[], int],
        now: float,
    ) -> None:
        self.events: deque[Event] = deque()
        self.sampler = Sampler(outlet, entropy)
        self._outlet = outlet
        self._answerer = Answerer(settings, now=now)
        self._canary = Canary(outlet.budget, entropy)
        self._detector = Detector(
            entropy=entropy,
            spend=self._spend,
            room_at=self._room_at,
            request_ids=request_ids,
            manners=outlet.manners,
            enabled=config.enabled,
        )
        self._heard_from: dict[PeerId, str] = {}

    @property
    def drops(self) -> Counter[str]:
        """What came and was not used."""
        return self._answerer.drops + self._detector.drops

    def age(self, *, now: float) -> float | None:
        """Seconds since the profile was measured; None: it was not."""
        return self._detector.age(now=now)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Fields of our profile that more than one reading is left of."""
        return self._detector.undecided

    @property
    def is_looking(self) -> bool:
        """The quick part of a measurement is under way."""
        return self._detector.busy

    @property
    def has_news(self) -> bool:
        """Detection wants something, or found something."""
        return self._detector.has_news

    def tell(self, fact: Told, *, now: float) -> None:
        """Hear what concerns it."""
        match fact:
            case SocketOpened() | SocketClosed() | NetworkChanged():
                self._answerer.tell(fact)
            case ServersKnown():
                self.sampler.servers = self._canary.servers = (*fact.servers, *fact.configured)
            case PolicyChanged(stun=StunConfig() as settings):
                self._answerer.reload(settings)
            case _:
                pass
        if isinstance(fact, SocketClosed):
            self.sampler.forget(fact.socket)
        self._detector.tell(fact, now=now)

    def heard_from(self, fact: PeerHeard) -> None:
        """Where a peer that may ask for a Touch is."""
        self._heard_from.pop(fact.peer, None)
        self._heard_from[fact.peer] = fact.host
        while len(self._heard_from) > MOST_HEARD:
            del self._heard_from[next(iter(self._heard_from))]
        if self._is_far(fact.host):
            self._detector.signs.heard(fact.peer)

    def lost(self, peer: PeerId) -> None:
        """It is heard no more, and asks for no Touch."""
        self._heard_from.pop(peer, None)
        self._detector.signs.lost(peer)

    def _is_far(self, host: str) -> bool:
        """Whether what comes from there came through whatever is in front of us."""
        return not on_link(host, self._outlet.addresses)

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> bool:
        """A STUN message came; False: nothing follows from it."""
        looked = self._detector.busy
        try:
            message = stun.parse(payload)
        except stun.StunError as error:
            self._outlet.drops[str(error)] += 1
            return False
        if self._is_far(source.host):
            self._detector.signs.came(now=now)
        if message.kind == "request":
            self._outlet.commands.extend(self._answerer.answer(message, source, via=via, now=now))
        elif self.sampler.receive(message, source, via=via, now=now) or self._canary.receive(
            message, source, via=via, now=now
        ):
            pass
        elif self._detector.hear(message, source, via=via, now=now):
            self._outlet.budget.answered(via, source)
        else:
            self._outlet.drops["stun_unknown"] += 1
        news = self._detector.has_news or self.sampler.has_results
        return news or self._detector.busy != looked or self._detector.profile.blocked

    def touch(self, peer: PeerId, signal: Touch, *, now: float) -> None:
        """`peer` asks us to send one datagram to where we hear it from."""
        host = self._heard_from.get(peer)
        via = self._outlet.main6 if host is not None and ":" in host else self._outlet.main
        if host is None or via is None:
            self._outlet.drops["touch_refused"] += 1
        else:
            self._outlet.commands.extend(self._answerer.touch(signal, host=host, via=via, now=now))

    def watch(self, searching: bool, *, now: float) -> None:
        """Whether attempts run: then canaries fly."""
        main = self._outlet.main
        if searching and main is not None:
            self._canary.start(main, now=now)
            self._fly(now)
        else:
            self._canary.stop()

    def _fly(self, now: float) -> None:
        at = self._canary.at
        if at is None or now < at:
            return
        self._canary.handle_timeout(now=now)
        self._outlet.commands.extend(self._canary.outgoing())

    def settle(self, *, now: float) -> None:
        """Send what is to be sent, tell what was found."""
        self._fly(now)
        if self._detector.profile.blocked:
            self._detector.reconsider(now=now)
        if not self._detector.has_news:
            return
        self._outlet.commands.extend(self._detector.commands())
        for event in self._detector.events():
            if isinstance(event, ProfileChanged):
                self._outlet.profile = event.profile
                self._outlet.budget.entry_life = event.profile.lifetime
            self.events.append(event)

    def next_timeout(self) -> float | None:
        """When something is due."""
        canary, detector = self._canary.at, self._detector.next_timeout()
        if canary is None or detector is None:
            return detector if canary is None else canary
        return min(canary, detector)

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        self._detector.handle_timeout(now=now)

    def _spend(self, via: SocketId, to: tuple[Endpoint, ...], now: float) -> bool:
        return self._outlet.budget.spend(via, to[0], now=now, measuring=True, beside=to[1:])

    def _room_at(self, packets: float, now: float) -> float:
        return self._outlet.budget.room_at(packets, now=now)
