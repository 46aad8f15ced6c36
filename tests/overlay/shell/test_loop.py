"""A fault of our own in the running node: nothing stops for it, and it is shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from overlay.dataplane.port import Pulse
from overlay.node import facts as told
from overlay.node.core import Node
from overlay.shell import loop as shell
from overlay.shell import pace
from overlay.shell.loop import Loop, clock
from overlay.shell.storage import Storage
from punch.commands import SendDatagram
from punch.values import SocketId, udp
from tests.kit.village import Village

HERE = udp("203.0.113.1", 1)
FAULT = "IndexError at test_loop.py"


class Faulty:
    """A node whose verbs raise where a test says so; it counts what it was told."""

    def __init__(self, *raises: str) -> None:
        self.raises = raises
        self.told: list[object] = []
        self.woken = 0
        self.asks: list[SendDatagram] = []

    def _meet(self, verb: str) -> None:
        if verb in self.raises:
            raise IndexError(verb)

    def receive(self, payload: bytes, source: object, *, via: object, now: float) -> None:
        self._meet("receive")

    def tell(self, fact: object, *, now: float) -> None:
        self.told.append(fact)
        if not isinstance(fact, told.FaultMet):
            self._meet("tell")

    def next_timeout(self) -> float | None:
        return clock() if "handle_timeout" in self.raises else None

    def handle_timeout(self, *, now: float) -> None:
        self.woken += 1
        self._meet("handle_timeout")

    def commands(self) -> Iterator[SendDatagram]:
        while self.asks:
            yield self.asks.pop(0)

    def events(self) -> Iterator[object]:
        yield from ("event",) if "listen" in self.raises else ()

    @property
    def faults(self) -> list[str]:
        return [fact.place for fact in self.told if isinstance(fact, told.FaultMet)]


class Udp:
    def __init__(self) -> None:
        self.sent = 0

    def send(self, via: object, to: object, payload: bytes, ttl: int = 0) -> None:
        self.sent += 1
        if payload == b"bad":
            raise IndexError("send")

    def open(self, command: object) -> None: ...

    def close_socket(self, socket: object) -> None: ...


class Plane:
    def counters(self) -> Any:
        return None

    def pulses(self, since: float) -> tuple[Pulse, ...]:
        return ()

    def apply(self, command: object) -> None: ...


def run(
    node: Faulty, tmp_path: Path, *, act: Callable[[Loop], None] = lambda loop: None, udp: Udp | None = None
) -> None:
    def listen(event: object) -> None:
        raise IndexError("listen")

    async def live() -> None:
        storage = Storage(tmp_path / "state", print)
        loop = Loop(plane=Plane(), udp=udp or Udp(), device=None, storage=storage, listen=listen)
        loop.start(cast(Node, node))
        act(loop)
        await asyncio.sleep(0.1)
        loop.stop()

    asyncio.run(live())


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TICK", 0.01)


@pytest.mark.parametrize("verb", ["tell", "handle_timeout", "listen"])
def test_the_tick_goes_on(verb: str, tmp_path: Path) -> None:
    node = Faulty(verb)
    run(node, tmp_path)
    assert sum(isinstance(fact, told.CountersPulled) for fact in node.told) >= 4
    assert FAULT in node.faults[0]


def test_a_timer_that_always_fails_does_not_spin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TICK", 10.0)
    monkeypatch.setattr(shell, "FAULT_PAUSE", 0.02)
    node = Faulty("handle_timeout")
    run(node, tmp_path)
    assert 2 <= node.woken <= 6


def test_a_datagram_that_meets_a_fault_is_lost_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    node, wire = Faulty("receive"), Udp()

    def act(loop: Loop) -> None:
        for _ in range(3):
            node.asks.append(SendDatagram(SocketId(1), HERE, b"bad"))
            node.asks.append(SendDatagram(SocketId(1), HERE, b"good"))
            loop.receive(b"x", HERE, SocketId(1))

    with caplog.at_level(logging.ERROR, "overlay"):
        run(node, tmp_path, act=act, udp=wire)
    assert wire.sent == 6
    assert len(node.faults) == 6
    assert len(caplog.records) == 2, "each place is logged once"


def test_it_is_counted_and_shown() -> None:
    village = Village()
    with village.world:
        ann = village.join("ann")
        village.world.run_for(1.0)
        for _ in range(2):
            ann.tell(told.FaultMet("IndexError at engine.py:56"), now=village.world.now)
        assert village.problems("ann") == ["fault"]
        assert village.look("ann").drops["fault"] == 2
