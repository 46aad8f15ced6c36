"""What NAT is this host behind: one engine without peers, asked until its profile rests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import anyio
from msgspec import Struct

from punch.config import PunchConfig, StunConfig
from punch.detect.classify import Tests, undecided
from punch.detect.words import label, sentence
from punch.driver.loop import Driver, clock
from punch.driver.names import RESOLVE_WITHIN, resolve_all
from punch.engine import Engine
from punch.events import Event, ProfileChanged, ReflexiveFound
from punch.facts import DetectAsked, ServersKnown
from punch.values import Endpoint, NatProfile, PeerId

REST = 0.6
"""Seconds without news after which a profile that names its mapping is taken for complete."""


class Detected(Struct, frozen=True, kw_only=True):
    """What was measured."""

    profile: NatProfile
    endpoints: tuple[Endpoint, ...]
    """Where the main socket was seen from outside, in the order found."""
    servers: tuple[Endpoint, ...]
    """Who was asked."""
    enough: float | None
    """Seconds from the first datagram until it was known well enough to choose a strategy; None: it never was."""
    seconds: float
    """From the first datagram to the last news."""
    words: str
    """One sentence for people."""
    undecided: tuple[str, ...]
    """Fields of the profile that could not be decided, also where the strictest is assumed."""
    lost: tuple[str, ...] = ()
    """A sentence for each server whose name leads nowhere; the others were asked."""


def detect(servers: Sequence[str], *, timeout: float = 5.0, port: int = 0) -> Detected:
    """Measure the NAT in front of this host with STUN servers, each `HOST[:PORT]`; for code without a loop.

    Args:
        timeout: seconds at most, names included.
        port: local UDP port; 0: any free one (the one above it is used too).

    Raises:
        ValueError: a server's address is none.
        OSError: no name resolves, the port is in use, or this host has no UDP.
    """

    async def measure() -> Detected:
        return await detecting(servers, within=timeout, port=port)

    return anyio.run(measure)


async def detecting(servers: Sequence[str], *, within: float = 5.0, port: int = 0) -> Detected:
    """`detect`, inside a running asyncio loop."""
    began = clock()
    resolved = await resolve_all(servers, within=min(RESOLVE_WITHIN, within / 2))
    watch = _Watch()
    engine = new_engine(PunchConfig())
    with Driver(engine, say=_nobody, listen=watch.hear, port=port) as driver:
        driver.tell(ServersKnown((), configured=resolved.found))
        driver.tell(DetectAsked())
        started = clock()
        await watch.rest(until=began + within)
    profile = watch.profile
    return Detected(
        profile=profile,
        endpoints=tuple(watch.endpoints),
        servers=resolved.found,
        enough=watch.enough_at - started if watch.enough_at else None,
        seconds=max(0.0, watch.heard_at - started) if watch.heard_at else clock() - started,
        words=f"{label(profile)}: {sentence(profile)}",
        undecided=_undecided(engine),
        lost=resolved.lost,
    )


def _undecided(engine: Engine) -> tuple[str, ...]:
    """What the engine says; where nobody answered it yet, all of it."""
    profile = engine.profile
    return engine.undecided or (undecided(Tests(), profile) if profile.type == "unknown" else ())


def new_engine(config: PunchConfig) -> Engine:
    """An engine with the dice of the operating system: nobody foresees its transactions, labels and randoms."""
    return Engine(config, StunConfig(serve="off"), entropy=random.SystemRandom(), now=clock())


class _Watch:
    """Hears an engine's events until they cease."""

    def __init__(self) -> None:
        self.profile = NatProfile()
        self.endpoints: list[Endpoint] = []
        self.heard_at = 0.0
        self.enough_at = 0.0
        self._news = asyncio.Event()

    def hear(self, event: Event) -> None:
        if isinstance(event, ProfileChanged):
            self.profile = event.profile
            self.enough_at = self.enough_at or clock()
        elif isinstance(event, ReflexiveFound):
            if event.endpoint not in self.endpoints:
                self.endpoints.append(event.endpoint)
        else:
            return
        self.heard_at = clock()
        self._news.set()

    async def rest(self, *, until: float) -> None:
        """Until the quick part of the profile is there and nothing more comes, at most `until`."""
        while (left := until - clock()) > 0 and not self.profile.blocked:
            wait = min(left, REST) if self._named() else left
            self._news.clear()
            with anyio.move_on_after(wait):
                await self._news.wait()
                continue
            if self._named():
                return

    def _named(self) -> bool:
        return self.profile.open or self.profile.mapping != "unknown"


def _nobody(peer: PeerId, signal: object) -> None:
    """Without peers there is nobody to talk to."""
