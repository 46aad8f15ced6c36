"""A knock that hears whatever the other side's lines may be: `punch.driver.knocking` without sockets.

line --> read --> Deaf driver --> engine, whose datagrams go nowhere
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import cast

from punch.config import StunConfig
from punch.driver.knocking import _Visit
from punch.driver.loop import Driver, Pace
from punch.facts import Fact, SocketOpened
from punch.values import SocketId, udp
from tools.fuzz.engines import EAGER, Sober
from tools.fuzz.machines import settle
from tools.fuzz.target import Feed


class Deaf:
    """As much of a driver as a knock needs."""

    def __init__(self, visit: _Visit) -> None:
        self.pace = Pace()
        self.port = 27182
        self.addresses = ("192.168.1.2",)
        self.now = 0.0
        self._visit = visit
        self._engine = Sober(EAGER, StunConfig(serve="off"), entropy=random.Random(1), now=0.0)
        self._engine.tell(SocketOpened(SocketId(1), udp("0.0.0.0", self.port)), now=0.0)

    def tell(self, fact: Fact) -> None:
        """Time passes with every fact."""
        self.now += 2.5
        settle(self._engine, self.now)
        self._engine.tell(fact, now=self.now)
        for _ in self._engine.commands():
            pass
        for event in self._engine.events():
            self._visit.hear(event)


def knock_room() -> Feed:
    """Each input is all the lines of one other side."""

    def note(text: str) -> None:
        assert text.isprintable(), text

    async def knock(data: bytes) -> None:
        visit = _Visit(lambda line: None, note, "")
        visit.begin(cast(Driver, Deaf(visit)), ())
        await visit.read(_lines(data))

    return lambda data: asyncio.run(knock(data))


async def _lines(data: bytes) -> AsyncIterator[str]:
    for line in data.split(b"\n"):
        yield line.decode(errors="replace")
