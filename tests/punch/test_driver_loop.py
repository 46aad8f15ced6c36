"""A scripted machine behind the driver: what goes in comes to it, what it asks is done, timers ring."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from punch.commands import CloseSocket, Command, OpenSockets, SendDatagram, SendSignal
from punch.config import PunchConfig
from punch.driver import loop as driving
from punch.driver.detecting import new_engine
from punch.driver.loop import Driver, clock
from punch.driver.names import resolve, resolve_all, split_address
from punch.driver.network import gateway, look
from punch.events import Event, ReflexiveFound
from punch.facts import Fact, NetworkChanged, ServersKnown, SocketClosed, SocketOpened
from punch.signals import Signal, Stop
from punch.values import Endpoint, PeerId, SocketId, udp


class Scripted:
    """An edge machine that notes what it is told and asks what it was given to ask."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.heard: list[tuple[bytes, Endpoint, SocketId]] = []
        self.todo: list[Command] = []
        self.happened: list[Event] = []
        self.alarm: float | None = None
        self.rang: list[float] = []
        self.news = asyncio.Event()

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> None:
        self.heard.append((payload, source, via))
        self.news.set()

    def tell(self, fact: Fact, *, now: float) -> None:
        self.facts.append(fact)
        self.news.set()

    def next_timeout(self) -> float | None:
        return self.alarm

    def handle_timeout(self, *, now: float) -> None:
        self.rang.append(now)
        self.alarm = None
        self.news.set()

    def commands(self) -> Iterator[Command]:
        while self.todo:
            yield self.todo.pop(0)

    def events(self) -> Iterator[Event]:
        while self.happened:
            yield self.happened.pop(0)

    async def until(self, holds: Callable[[], bool]) -> None:
        with anyio.fail_after(5):
            while not holds():
                self.news.clear()
                await self.news.wait()

    def opened(self, role: str) -> list[SocketOpened]:
        return [fact for fact in self.facts if isinstance(fact, SocketOpened) and fact.role == role]


class Faulty(Scripted):
    """Its timers meet a fault each time."""

    def handle_timeout(self, *, now: float) -> None:
        super().handle_timeout(now=now)
        self.alarm = now
        raise IndexError("a fault")


def test_the_network_is_told_first_then_the_sockets() -> None:
    async def run() -> None:
        engine = Scripted()
        with Driver(engine, say=print, listen=print) as driver:
            assert isinstance(engine.facts[0], NetworkChanged)
            assert engine.opened("main")[0].local.port == driver.port
            assert engine.opened("alternate")[0].local.port == driver.port + 1

    anyio.run(run)


def test_commands_are_obeyed_and_events_heard() -> None:
    async def run() -> None:
        engine = Scripted()
        said: list[tuple[PeerId, Signal]] = []
        events: list[Event] = []
        with Driver(engine, say=lambda peer, signal: said.append((peer, signal)), listen=events.append) as driver:
            (main, *_) = engine.opened("main")
            engine.todo = [OpenSockets(5, 1), SendSignal(PeerId(b"ben"), Stop(1, "done"))]
            engine.happened = [ReflexiveFound(udp("198.51.100.1", 9))]
            driver.tell(NetworkChanged("again", ()))
            await engine.until(lambda: bool(engine.opened("engine")))
            assert said == [(b"ben", Stop(1, "done"))]
            assert events == [ReflexiveFound(udp("198.51.100.1", 9))]
            (fresh,) = engine.opened("engine")
            engine.todo = [SendDatagram(fresh.socket, udp("127.0.0.1", driver.port), b"across")]
            driver.tell(NetworkChanged("again", ()))
            await engine.until(lambda: bool(engine.heard))
            assert engine.heard == [(b"across", udp("127.0.0.1", fresh.local.port), main.socket)]
            engine.todo = [CloseSocket(fresh.socket)]
            driver.tell(NetworkChanged("again", ()))
            await engine.until(lambda: SocketClosed(fresh.socket) in engine.facts)

    anyio.run(run)


def test_a_timer_rings_no_earlier_than_asked() -> None:
    async def run() -> None:
        engine = Scripted()
        with Driver(engine, say=print, listen=print) as driver:
            engine.alarm = due = clock() + 0.02
            driver.tell(NetworkChanged("again", ()))
            await engine.until(lambda: bool(engine.rang))
            assert engine.rang[0] >= due - 0.005

    anyio.run(run)


def test_what_is_intercepted_the_engine_never_sees() -> None:
    async def run() -> None:
        engine = Scripted()
        taken: list[bytes] = []

        def intercept(payload: bytes, source: Endpoint, via: SocketId) -> bool:
            taken.append(payload)
            engine.news.set()
            return payload == b"mine"

        with Driver(engine, say=print, listen=print, intercept=intercept) as driver:
            (main, *_) = engine.opened("main")
            for payload in (b"mine", b"yours"):
                driver.send(SendDatagram(main.socket, udp("127.0.0.1", driver.port), payload))
            await engine.until(lambda: bool(engine.heard))
            assert taken == [b"mine", b"yours"]
            assert [payload for payload, _, _ in engine.heard] == [b"yours"]

    anyio.run(run)


def test_a_fault_of_the_machine_ends_what_met_it_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(driving, "TICK", 0.01)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        engine = Faulty()
        with Driver(engine, say=print, listen=print) as driver:
            (main, *_) = engine.opened("main")
            engine.todo = [SendDatagram(main.socket, udp("127.0.0.1", driver.port), b"across")]
            engine.alarm = clock()
            await engine.until(lambda: len(engine.rang) >= 8)
            await engine.until(lambda: bool(engine.heard))

    anyio.run(run)


def test_the_operating_system_rolls_the_dice(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: dict[str, object] = {}
    monkeypatch.setitem(new_engine.__globals__, "Engine", lambda config, stun, **more: handed.update(more))
    new_engine(PunchConfig())
    assert isinstance(handed["entropy"], random.SystemRandom)


def test_a_taken_port_is_an_error_and_the_driver_can_be_left() -> None:
    async def run() -> None:
        with Driver(Scripted(), say=print, listen=print) as driver:
            second = Driver(Scripted(), say=print, listen=print, port=driver.port)
            with pytest.raises(OSError, match="in use"):
                second.__enter__()

    anyio.run(run)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("stun.example.org", "stun.example.org", 3478),
        ("stun.example.org:19302", "stun.example.org", 19302),
        ("192.0.2.1:5", "192.0.2.1", 5),
        ("2001:db8::1", "2001:db8::1", 3478),
        ("[2001:db8::1]:5", "2001:db8::1", 5),
        ("[2001:db8::1]", "2001:db8::1", 3478),
    ],
)
def test_addresses_of_servers(text: str, host: str, port: int) -> None:
    assert split_address(text) == (host, port)


@pytest.mark.parametrize("text", ["", ":5", "a:0", "a:65536", "a:x", "[::1]5", "a b"])
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST|PORT|1\.\.65535"):
        split_address(text)


def test_numeric_addresses_need_no_resolver() -> None:
    assert anyio.run(resolve, "192.0.2.1") == (udp("192.0.2.1", 3478),)
    assert anyio.run(resolve, "[2001:db8:0::1]:7") == (udp("2001:db8::1", 7),)


def test_the_gateway_is_read_from_the_route_table(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    )
    assert gateway(table) == "192.168.2.1"
    assert gateway(tmp_path / "none") == ""


def test_the_same_network_looks_the_same() -> None:
    assert look() == look()


def test_an_address_is_our_own_too_that_only_these_servers_are_asked_from() -> None:
    towards = look([udp("127.0.0.1", 3478)])
    assert towards.addresses == (*look().addresses, "127.0.0.1")
    assert towards.key == look().key


def test_servers_show_the_engine_where_they_are_asked_from() -> None:
    engine = Scripted()

    async def run() -> None:
        with Driver(engine, say=lambda *_: None, listen=print) as driver:
            driver.tell(ServersKnown((), configured=(udp("127.0.0.1", 3478),)))

    anyio.run(run)
    seen = [fact for fact in engine.facts if isinstance(fact, NetworkChanged | ServersKnown)]
    assert isinstance(seen[-2], NetworkChanged)
    assert "127.0.0.1" in seen[-2].addresses
    assert isinstance(seen[-1], ServersKnown)


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(5) and [])

    async def run() -> None:
        with pytest.raises(OSError) as failed:
            await resolve("stun.example.org", within=0.05)
        assert failed.value.strerror == "the name stun.example.org did not resolve within 0.05 s"
        both = await resolve_all(["stun.example.org", "192.0.2.1"], within=0.05)
        assert both.found == (udp("192.0.2.1", 3478),)
        assert len(both.lost) == 1

    try:
        anyio.run(run)
    finally:
        over.set()
