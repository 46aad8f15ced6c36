"""Real sockets on the loopback: pairs of ports, even ports, TTL, what the kernel refuses, limits."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator

import anyio
import pytest

from punch.commands import OpenSockets, SendDatagram
from punch.driver.sockets import Sockets, Told, bind_fresh, bind_pair, icmp_word, raise_file_limit, source_of
from punch.facts import SendFailed, SocketClosed, SocketFailed, SocketOpened
from punch.values import Endpoint, SocketId, udp

Heard = tuple[bytes, Endpoint, SocketId]


class Bench:
    """Sockets, and what they said."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.heard: list[Heard] = []
        self._news = asyncio.Event()
        self.sockets = Sockets(receive=self._receive, tell=self._tell)

    def _receive(self, payload: bytes, source: Endpoint, via: SocketId) -> None:
        self.heard.append((payload, source, via))
        self._news.set()

    def _tell(self, fact: Told) -> None:
        self.told.append(fact)
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        with anyio.fail_after(5):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def opened(self, role: str) -> list[SocketOpened]:
        return [fact for fact in self.told if isinstance(fact, SocketOpened) and fact.role == role]


def on_bench(script: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        bench = Bench()
        try:
            await script(bench)
        finally:
            bench.sockets.close_all()

    anyio.run(run)


def test_main_and_alternate_lie_one_above_the_other() -> None:
    async def script(bench: Bench) -> None:
        port = bench.sockets.open_own()
        main, alternate = bench.opened("main"), bench.opened("alternate")
        assert {fact.local.port for fact in main} == {port}
        assert {fact.local.port for fact in alternate} == {port + 1}
        assert udp("0.0.0.0", port) in [fact.local for fact in main]
        assert len({fact.socket for fact in (*main, *alternate)}) == len(main) + len(alternate)

    on_bench(script)


def test_a_port_in_use_is_an_error_and_leaves_nothing_open() -> None:
    number, pairs = bind_pair(0)
    try:
        with pytest.raises(OSError, match="in use"):
            bind_pair(number)
        with pytest.raises(OSError, match="in use"):
            bind_pair(number - 1)
    finally:
        for _, sock in pairs:
            sock.close()
    again, pairs = bind_pair(number)
    assert again == number
    for _, sock in pairs:
        sock.close()


def test_engine_sockets_come_with_their_request_even_or_on_a_port() -> None:
    async def script(bench: Bench) -> None:
        bench.sockets.open(OpenSockets(7, 20, parity="even"))
        fresh = bench.opened("engine")
        assert len(fresh) == 20
        assert all(fact.request == 7 and fact.local.port % 2 == 0 for fact in fresh)
        bench.sockets.close(fresh[0].socket)
        assert bench.told[-1:] == [SocketClosed(fresh[0].socket)]
        bench.sockets.open(OpenSockets(8, 1, port=fresh[0].local.port))
        assert bench.opened("engine")[-1].local.port == fresh[0].local.port
        bench.sockets.open(OpenSockets(9, 1, port=fresh[0].local.port))
        assert bench.told[-1:] == [SocketFailed(9, 1, "EADDRINUSE")]

    on_bench(script)


@contextlib.contextmanager
def few_files(spare: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open("/dev/null") as probe:
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno() + spare, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_files_used_up_is_a_fact_that_says_how_many_are_missing() -> None:
    async def script(bench: Bench) -> None:
        with few_files(10):
            bench.sockets.open(OpenSockets(3, 64))
        opened = len(bench.opened("engine"))
        assert 0 < opened <= 10
        assert bench.told[-1:] == [SocketFailed(3, 64 - opened, "EMFILE")]

    on_bench(script)


def test_the_soft_limit_of_files_is_raised_and_never_lowered() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        raise_file_limit(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
        raise_file_limit(250)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_datagram_goes_and_comes_with_the_ttl_asked_for() -> None:
    async def script(bench: Bench) -> None:
        bench.sockets.open_own()
        via = bench.opened("main")[0].socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(5)
            peer.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
            for ttl, seen in ((7, 7), (0, 64)):
                bench.sockets.send(SendDatagram(via, udp(*peer.getsockname()), b"knock", ttl))
                payload, ancillary, _, source = peer.recvmsg(64, 64)
                assert payload == b"knock"
                assert [struct.unpack("=i", data)[0] for _, _, data in ancillary] == [seen]
            peer.sendto(b"come in", source)
            await bench.until(lambda: bool(bench.heard))
            assert bench.heard == [(b"come in", udp(*peer.getsockname()), via)]

    on_bench(script)


def test_icmp_errors_come_back_as_facts_and_do_not_eat_the_next_datagram() -> None:
    async def script(bench: Bench) -> None:
        bench.sockets.open_own()
        via = bench.opened("main")[0].socket
        with bind_fresh(socket.AF_INET, even=False, port=0) as closed:
            nobody = udp("127.0.0.1", closed.getsockname()[1])
        bench.sockets.send(SendDatagram(via, nobody, b"x"))
        await bench.until(lambda: SendFailed(via, nobody, "icmp 3/3") in bench.told)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(5)
            bench.sockets.send(SendDatagram(via, nobody, b"x"))
            bench.sockets.send(SendDatagram(via, udp(*peer.getsockname()), b"y"))
            assert peer.recv(64) == b"y"

    on_bench(script)


def test_what_cannot_be_sent_is_told() -> None:
    async def script(bench: Bench) -> None:
        bench.sockets.open_own()
        via = bench.opened("main")[0].socket
        bench.sockets.send(SendDatagram(via, udp("255.255.255.255", 9), b"x"))
        bench.sockets.send(SendDatagram(via, udp("::1", 9), b"x"))
        bench.sockets.send(SendDatagram(SocketId(99), udp("127.0.0.1", 9), b"x"))
        failed = [fact.error for fact in bench.told if isinstance(fact, SendFailed)]
        assert failed == ["EACCES", "EAFNOSUPPORT", "EBADF"]

    on_bench(script)


def test_a_taken_socket_is_the_callers() -> None:
    async def script(bench: Bench) -> None:
        bench.sockets.open(OpenSockets(1, 1))
        (fresh,) = bench.opened("engine")
        sock = bench.sockets.take(fresh.socket)
        assert sock is not None
        bench.sockets.close(fresh.socket)
        bench.sockets.close_all()
        assert sock.getsockname()[1] == fresh.local.port
        sock.close()

    on_bench(script)


def test_words_of_the_error_queue() -> None:
    assert icmp_word(struct.pack("=IBBBBII", errno.EACCES, 2, 3, 13, 0, 0, 0)) == "icmp 3/13"
    assert icmp_word(struct.pack("=IBBBBII", errno.EHOSTUNREACH, 1, 0, 0, 0, 0, 0)) == "EHOSTUNREACH"
    assert icmp_word(b"short") == ""


def test_link_local_sources_keep_their_interface() -> None:
    index = socket.if_nametoindex("lo")
    assert source_of(("fe80::1", 5, 0, index)) == udp("fe80::1%lo", 5)
    assert source_of(("::1", 5, 0, 0)) == udp("::1", 5)
