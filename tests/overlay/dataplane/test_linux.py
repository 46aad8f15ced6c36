"""The plane on real sockets and a loop; a pair of Unix sockets stands for the TUN, so no privilege is needed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from overlay.dataplane import port
from overlay.dataplane.linux import LinuxPlane, endpoint_of, receive_batches, socket_address
from overlay.dataplane.turns import TurnsLoop
from overlay.wire.frame import HEADER
from punch.values import Endpoint, SocketId
from punch.values import udp as udp_endpoint
from tests.overlay.dataplane.packets import A4, B4, csum_vnet, packed, udp
from tests.overlay.dataplane.sides import inner, key, label, node

IP_PKTINFO = 8


class UnixTun:
    """A device whose host holds the other end."""

    offloads = 7

    def __init__(self) -> None:
        self.host, self.plane = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.host.setblocking(False)
        self.plane.setblocking(False)
        self.readv = partial(os.readv, self.plane.fileno())
        self.write = partial(os.write, self.plane.fileno())
        self.writev = partial(os.writev, self.plane.fileno())

    def fileno(self) -> int:
        return self.plane.fileno()

    def close(self) -> None:
        self.host.close()
        self.plane.close()

    def taken(self) -> list[bytes]:
        records = []
        try:
            while True:
                records.append(self.host.recv(70_000))
        except BlockingIOError:
            return records


class Full(socket.socket):
    """A socket that is full a few times."""

    refusals = 0

    def sendmsg(self, *arguments: object) -> int:
        if self.refusals:
            self.refusals -= 1
            raise BlockingIOError
        return super().sendmsg(*arguments)  # type: ignore[arg-type]


class Host:
    """Node n: its plane, its device, its socket on loopback."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop, stack: ExitStack, *, tun: bool = True) -> None:
        self.number = number
        self.loop = loop
        self.tun = UnixTun()
        stack.callback(self.tun.close)
        self.sock = stack.enter_context(Full(socket.AF_INET, socket.SOCK_DGRAM))
        self.sock.setblocking(False)
        self.sock.bind(("0.0.0.0", 0))
        receive_batches(self.sock)
        self.frames: list[tuple[bytes, Endpoint, SocketId]] = []
        self.facts: list[port.Fact] = []
        self.plane = LinuxPlane(
            self.tun if tun else None,
            receive=lambda payload, source, via: self.frames.append((payload, source, via)),
            tell=self.facts.append,
            clock=loop.time,
        )
        self.plane.attach(loop)
        stack.callback(self.plane.detach)
        self.plane.add_socket(SocketId(1), self.sock)
        self.plane.apply(port.PutSelf((packed(inner(number)[0]),)))

    @property
    def outer(self) -> int:
        return int(self.sock.getsockname()[1])

    def meet(self, other: Host) -> None:
        peer = node(other.number)
        mine, theirs = key(self.number, other.number), key(other.number, self.number)
        cipher = "aes256gcm"
        for command in (
            port.PutRoute(packed(inner(other.number)[0]), peer),
            port.PutKeys(peer=peer, cipher=cipher, open_epoch=0, open_key=theirs, seal_epoch=0, seal_key=mine),
            port.PutLabel(label(self.number, other.number), peer, False),
            port.PutWay(peer, (self.way(other),)),
        ):
            self.plane.apply(command)

    def way(self, other: Host, via: int = 1) -> port.Way:
        to = udp_endpoint("127.0.0.1", other.outer)
        return port.Way(SocketId(via), to, label(other.number, self.number), 1452, port.FULL_ENVELOPE)

    def say(self, packet: bytes) -> None:
        self.tun.host.send(csum_vnet(packet) + packet)


MakeHost = Callable[..., Host]


@pytest.fixture(params=[asyncio.SelectorEventLoop, TurnsLoop])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def make(loop: asyncio.AbstractEventLoop) -> Iterator[MakeHost]:
    with ExitStack() as stack:
        yield lambda number, **options: Host(number, loop, stack, **options)


def run(loop: asyncio.AbstractEventLoop, done: Callable[[], object], patience: float = 2.0) -> None:
    """Let the loop turn until `done`, or for as long as patience lasts."""
    end = loop.time() + patience
    while not done() and loop.time() < end:
        loop.run_until_complete(asyncio.sleep(0.001))


def arrived(loop: asyncio.AbstractEventLoop, host: Host, count: int) -> list[bytes]:
    """Records that come out at a host, once there are `count`."""
    got: list[bytes] = []

    def enough() -> bool:
        got.extend(host.tun.taken())
        return len(got) >= count

    run(loop, enough)
    return got


def pair(make: MakeHost) -> tuple[Host, Host]:
    one, two = make(1), make(2)
    one.meet(two)
    two.meet(one)
    return one, two


def test_a_batch_over_real_sockets(make: MakeHost, loop: asyncio.AbstractEventLoop) -> None:
    one, two = pair(make)
    got: list[bytes] = []
    for batch in range(4):
        for number in range(10):
            one.say(udp(A4, B4, bytes((10 * batch + number,)) * 1200, port=number))
        got += arrived(loop, two, 10)
    assert [record[38] for record in got] == list(range(40))
    assert two.plane.counters().drops == {}
    assert two.plane.counters().peers[node(1)].complete >= 1


def test_a_full_socket_is_waited_for(make: MakeHost, loop: asyncio.AbstractEventLoop) -> None:
    one, two = pair(make)
    one.sock.refusals = 4
    for number in range(5):
        one.say(udp(A4, B4, b"x" * 100, port=number))
    got = arrived(loop, two, 5)
    assert one.sock.refusals == 0
    assert [int.from_bytes(record[32:34], "big") for record in got] == list(range(5))
    one.say(udp(A4, B4, b"after"))
    assert arrived(loop, two, 1)[0].endswith(b"after")


def test_a_socket_that_goes_while_it_is_full(make: MakeHost, loop: asyncio.AbstractEventLoop) -> None:
    one, two = pair(make)
    one.sock.refusals = 1000
    one.say(udp(A4, B4, b"lost"))
    run(loop, lambda: one.sock.refusals < 1000)
    one.plane.remove_socket(SocketId(1))
    one.plane.remove_socket(SocketId(1))
    one.say(udp(A4, B4, b"held"))
    run(loop, lambda: one.facts)
    assert one.facts == [port.TrafficWaiting(node(2))]
    one.sock.refusals = 0
    one.plane.add_socket(SocketId(1), one.sock)
    one.plane.apply(port.PutWay(node(2), (one.way(two),)))
    assert [record[38:] for record in arrived(loop, two, 1)] == [b"held"]
    assert one.plane.counters().drops == {"send_refused": 1}


def test_frames_for_the_hall_with_source_and_socket(make: MakeHost, loop: asyncio.AbstractEventLoop) -> None:
    one = make(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.sendto(b"\x04 m1", ("127.0.0.1", one.outer))
        source = udp_endpoint(*stranger.getsockname())
        run(loop, lambda: one.frames)
    assert one.frames == [(b"\x04 m1", source, SocketId(1))]


def test_a_local_address_of_its_own(make: MakeHost, loop: asyncio.AbstractEventLoop) -> None:
    """What comes to an address is `via` its id, what goes by the id leaves from the address."""
    one, two = pair(make)
    one.sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    one.plane.add_socket(SocketId(7), one.sock, source=packed("127.0.0.3"))
    assert one.plane.leave_from(SocketId(7)) != ()
    assert one.plane.leave_from(SocketId(1)) == one.plane.leave_from(SocketId(99)) == ()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for host in ("127.0.0.3", "127.0.0.1"):
            stranger.sendto(b"\x04", (host, one.outer))
        run(loop, lambda: len(one.frames) == 2)
    assert [via for _, _, via in one.frames] == [SocketId(7), SocketId(1)]
    one.plane.apply(port.PutWay(node(2), (one.way(two, via=7),)))
    one.say(udp(A4, B4, b"from my other address"))
    run(loop, lambda: two.facts)
    (came,) = two.facts
    assert isinstance(came, port.CameFrom)
    assert came.endpoint == udp_endpoint("127.0.0.3", one.outer)
    one.plane.remove_socket(SocketId(7))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"\x04", ("127.0.0.3", one.outer))
        run(loop, lambda: len(one.frames) == 3)
    assert one.frames[-1][2] == SocketId(1)


def test_without_a_device_a_node_still_carries_for_others(make: MakeHost, loop: asyncio.AbstractEventLoop) -> None:
    one, two = pair(make)
    relay = make(3, tun=False)
    through = label(3, 1)
    source, target = (udp_endpoint("127.0.0.1", host.outer) for host in (one, two))
    relay.plane.apply(port.PutCircuit(through, source, label(2, 1), SocketId(1), target))
    to = udp_endpoint("127.0.0.1", relay.outer)
    one.plane.apply(port.PutWay(node(2), (port.Way(SocketId(1), to, through, 1452, port.FULL_ENVELOPE),)))
    one.say(udp(A4, B4, b"carried"))
    assert [record[38:] for record in arrived(loop, two, 1)] == [b"carried"]
    relay.meet(one)
    one.meet(relay)
    one.plane.apply(port.PutRoute(packed(inner(3)[0]), node(3)))
    one.say(udp(A4, inner(3)[0], b"for a node without a device"))
    run(loop, lambda: relay.plane.counters().drops)
    assert relay.plane.counters().drops == {"device_refused": 1}


def test_detached_nothing_moves(make: MakeHost, loop: asyncio.AbstractEventLoop) -> None:
    one, two = pair(make)
    one.plane.detach()
    one.plane.detach()
    one.say(udp(A4, B4, b"x"))
    run(loop, lambda: False, patience=0.02)
    assert two.tun.taken() == []
    one.plane.attach(loop)
    assert len(arrived(loop, two, 1)) == 1


def test_garbage_over_a_real_socket(make: MakeHost, loop: asyncio.AbstractEventLoop) -> None:
    one = make(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for size in (0, 1, 15, 16, 17, 1400):
            stranger.sendto((HEADER.pack(6, 0, 1, 0, 5, 5) + bytes(1400))[:size], ("127.0.0.1", one.outer))
        run(loop, lambda: sum(one.plane.counters().drops.values()) == 6)
    assert one.plane.counters().drops == {"frame_short": 4, "label_unknown": 2}


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        (udp_endpoint("192.0.2.1", 5), ("192.0.2.1", 5)),
        (udp_endpoint("2001:db8::1", 5), ("2001:db8::1", 5, 0, 0)),
        (udp_endpoint("fe80::1%lo", 5), ("fe80::1", 5, 0, 1)),
    ],
)
def test_endpoints_and_socket_addresses(endpoint: Endpoint, address: tuple[str, int]) -> None:
    family, other = socket.AF_INET, socket.AF_INET6
    if endpoint.is_ipv6:
        family, other = other, family
    assert socket_address(family, endpoint) == address
    assert socket_address(other, endpoint) is None
    assert endpoint_of(address) == endpoint


def test_a_zone_this_host_does_not_have() -> None:
    assert socket_address(socket.AF_INET6, udp_endpoint("fe80::1%nosuch0", 5)) is None
    assert socket_address(socket.AF_INET6, udp_endpoint("fe80::1%12345", 5)) == ("fe80::1", 5, 0, 12345)
    assert endpoint_of(("fe80::1", 5, 0, 12345)) == udp_endpoint("fe80::1%12345", 5)
