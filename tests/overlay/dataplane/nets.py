"""The same small network twice: over memory planes, and over real TUNs in namespaces with sockets on loopback.

Node n has the inner addresses 10.9.0.n and fd09::n. Applications talk UDP over it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from overlay.dataplane import port
from overlay.dataplane.linux import LinuxPlane, receive_batches
from overlay.dataplane.memory import MemoryPlane
from overlay.dataplane.segment import fit
from overlay.dataplane.turns import TurnsLoop
from overlay.tun.linux import LinuxTun, open_tun
from overlay.tun.memory import MemoryTun
from overlay.values import Label
from punch.values import Endpoint, SocketId, udp
from tests.overlay.dataplane.packets import csum_vnet, finished, packed, start_of
from tests.overlay.dataplane.packets import udp as udp_packet
from tests.overlay.dataplane.sides import inner, key, label, node

APP_PORT = 4000
RCVBUFFORCE = 33
VIA = SocketId(1)
Result = TypeVar("Result")


class Plane(Protocol):
    def apply(self, command: port.Command) -> None: ...

    def counters(self) -> port.Counters: ...


class Net(Protocol):
    """Nodes whose planes a test commands and whose applications it plays."""

    planes: dict[int, Plane]
    facts: dict[int, list[port.Fact]]
    frames: dict[int, list[bytes]]

    def endpoint(self, number: int) -> Endpoint: ...

    def say(self, sender: int, target: str, payload: bytes) -> None:
        """An application at `sender` sends a UDP datagram to an inner address."""

    def heard(self, number: int, count: int) -> list[bytes]:
        """Payloads the application at a node got since last asked: waits for `count`, then a little for more."""

    def inject(self, number: int, datagram: bytes) -> None:
        """Somebody sends a datagram to a node's socket."""

    def sniffed(self) -> list[bytes]:
        """Datagrams that crossed the outer network, in case it can be known."""


def keys(net: Net, number: int, peer: int) -> None:
    net.planes[number].apply(
        port.PutKeys(
            peer=node(peer),
            cipher="aes256gcm",
            open_epoch=0,
            open_key=key(peer, number),
            seal_epoch=0,
            seal_key=key(number, peer),
        )
    )
    net.planes[number].apply(port.PutLabel(label(number, peer), node(peer), False))


def routes(net: Net, number: int, peer: int) -> None:
    for address in inner(peer):
        net.planes[number].apply(port.PutRoute(packed(address), node(peer)))


def way(
    net: Net,
    number: int,
    peer: int,
    *,
    size: int = 1452,
    limit: int = port.FULL_ENVELOPE,
    by: int | None = None,
    as_label: Label | None = None,
) -> port.Way:
    return port.Way(VIA, net.endpoint(by or peer), as_label or label(peer, number), size, limit)


def meet(net: Net, number: int, peer: int, **options: int) -> None:
    routes(net, number, peer)
    keys(net, number, peer)
    net.planes[number].apply(port.PutWay(node(peer), (way(net, number, peer, **options),)))  # type: ignore[arg-type]


class MemoryNet:
    """Planes over lists."""

    def __init__(self, count: int) -> None:
        self.planes: dict[int, Plane] = {}
        self.facts: dict[int, list[port.Fact]] = {}
        self.frames: dict[int, list[bytes]] = {}
        self._tuns: dict[int, MemoryTun] = {}
        self._wire: deque[tuple[Endpoint, Endpoint, bytes]] = deque()
        self._seen: list[bytes] = []
        self._memory: dict[int, MemoryPlane] = {}
        for number in range(1, count + 1):
            self._add(number)

    def _add(self, number: int) -> None:
        tun = self._tuns[number] = MemoryTun()
        facts: list[port.Fact] = []
        frames: list[bytes] = []
        own = self.endpoint(number)
        plane = MemoryPlane(
            tun,
            send=lambda via, to, datagram: self._wire.append((own, to, datagram)),
            receive=lambda payload, source, via: frames.append(payload),
            tell=facts.append,
            clock=lambda: 1000.0,
        )
        plane.apply(port.PutSelf(tuple(packed(each) for each in inner(number))))
        self.planes[number] = self._memory[number] = plane
        self.facts[number], self.frames[number] = facts, frames

    def endpoint(self, number: int) -> Endpoint:
        return udp(f"192.0.2.{number}", 27182)

    def say(self, sender: int, target: str, payload: bytes) -> None:
        source = inner(sender)[":" in target]
        packet = udp_packet(source, target, payload, port=APP_PORT)
        self._tuns[sender].put(packet, csum_vnet(packet))

    def heard(self, number: int, count: int) -> list[bytes]:
        self._run()
        got = []
        tun = self._tuns[number]
        while tun.taken:
            for record in fit(tun.taken.popleft(), 4, 0):
                packet = finished(record)
                got.append(packet[start_of(packet) + 8 :])
        return got

    def inject(self, number: int, datagram: bytes) -> None:
        self._wire.append((udp("203.0.113.9", 9), self.endpoint(number), datagram))

    def sniffed(self) -> list[bytes]:
        self._run()
        seen, self._seen = self._seen, []
        return seen

    def _run(self) -> None:
        for plane in self._memory.values():
            plane.poll_tun()
        while self._wire:
            source, to, datagram = self._wire.popleft()
            self._seen.append(datagram)
            for number, plane in self._memory.items():
                if self.endpoint(number) == to:
                    plane.datagram(datagram, source, VIA)


class LinuxNet:
    """Planes over TUNs, each in a namespace of its own."""

    def __init__(self, count: int) -> None:
        self.planes: dict[int, Plane] = {}
        self.facts: dict[int, list[port.Fact]] = {}
        self.frames: dict[int, list[bytes]] = {}
        self._stack = contextlib.ExitStack()
        self._loop = TurnsLoop()
        self._apps: dict[int, dict[bool, socket.socket]] = {}
        self._outer: dict[int, socket.socket] = {}
        self._names: dict[int, str] = {}
        self.turns = 0
        """How often planes asked for the time: once a turn."""
        self._stranger = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        try:
            for number in range(1, count + 1):
                self._add(number)
        except BaseException:
            self.close()
            raise

    def _add(self, number: int) -> None:
        name = self._stack.enter_context(namespace(f"ovt{os.getpid()}x{number}"))
        self._names[number] = name
        tun = inside(name, lambda: self._device(number))
        self._stack.callback(tun.close)
        outer = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        outer.setblocking(False)
        outer.bind(("127.0.0.1", 0))
        outer.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 8 << 20)
        receive_batches(outer)
        facts: list[port.Fact] = []
        frames: list[bytes] = []
        plane = LinuxPlane(
            tun,
            receive=lambda payload, source, via: frames.append(payload),
            tell=facts.append,
            clock=self._clock,
        )
        plane.add_socket(VIA, outer)
        plane.apply(port.PutSelf(tuple(packed(each) for each in inner(number))))
        plane.attach(self._loop)
        self._stack.callback(plane.detach)
        self._outer[number] = outer
        self._apps[number] = {six: inside(name, lambda six=six: self._app(number, six)) for six in (False, True)}  # type: ignore[misc]
        self.planes[number], self.facts[number], self.frames[number] = plane, facts, frames

    def _clock(self) -> float:
        self.turns += 1
        return self._loop.time()

    def delete_device(self, number: int) -> None:
        subprocess.run(["ip", "-n", self._names[number], "link", "del", "t0"], check=True)

    def _device(self, number: int) -> LinuxTun:
        tun = open_tun("t0", 1380)
        tun.configure(*inner(number), 24, 64)
        return tun

    def _app(self, number: int, six: bool) -> socket.socket:
        app = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        self._stack.enter_context(app)
        app.setblocking(False)
        app.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        app.bind((inner(number)[six], APP_PORT))
        return app

    def close(self) -> None:
        self._stack.close()
        self._loop.close()

    def endpoint(self, number: int) -> Endpoint:
        return udp(*self._outer[number].getsockname())

    def say(self, sender: int, target: str, payload: bytes) -> None:
        self._apps[sender][":" in target].sendto(payload, (target, APP_PORT))

    def heard(self, number: int, count: int) -> list[bytes]:
        got: list[bytes] = []
        self._run(lambda: len(got) >= count, lambda: self._drain(number, got), patience=3.0)
        self._run(lambda: False, lambda: self._drain(number, got), patience=0.1)
        return got

    def _drain(self, number: int, got: list[bytes]) -> None:
        for app in self._apps[number].values():
            with contextlib.suppress(BlockingIOError):
                while True:
                    got.append(app.recv(65536))

    def inject(self, number: int, datagram: bytes) -> None:
        self._stranger.sendto(datagram, self._outer[number].getsockname())
        self._run(lambda: False, lambda: None, patience=0.01)

    def sniffed(self) -> list[bytes]:
        return []

    def _run(self, done: Callable[[], bool], step: Callable[[], None], *, patience: float) -> None:
        end = self._loop.time() + patience
        step()
        while not done() and self._loop.time() < end:
            self._loop.run_until_complete(asyncio.sleep(0.002))
            step()


@contextlib.contextmanager
def namespace(name: str) -> Iterator[str]:
    """A network namespace with loopback up, removed at the end."""
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def inside(name: str, act: Callable[[], Result]) -> Result:
    """Run `act` in a thread that entered the namespace: what it opens stays there."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{name}", "rb") as there:
                if libc.setns(there.fileno(), 0x40000000):
                    raise OSError(ctypes.get_errno(), "setns")
            results.append(act())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
