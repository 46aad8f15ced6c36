"""The sockets of a node: which ports, which addresses, which options."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from overlay.dataplane.linux import LinuxPlane
from overlay.errors import OverlayError
from overlay.node.facts import SendFailed, SocketFailed, SocketOpened
from overlay.shell.carriers.udp import Told, UdpCarrier
from punch.commands import OpenSockets
from punch.values import Endpoint, SocketId, udp

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PROBE = 10, 23, 3
UDP_GRO = 104
IP_TTL, IP_RECVTTL = 2, 12
HAS_IPV6 = Path("/proc/net/if_inet6").exists() and Path("/proc/net/if_inet6").read_text(encoding="ascii") != ""

Frame = tuple[bytes, Endpoint, SocketId]


class Node:
    """A plane without a device, on a loop of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.frames: list[Frame] = []
        self.plane = LinuxPlane(
            None,
            receive=self.take,
            tell=lambda fact: None,
            clock=self.loop.time,
        )
        self.plane.attach(self.loop)

    def take(self, payload: bytes, source: Endpoint, via: SocketId) -> None:
        self.frames.append((payload, source, via))

    def heard(self, count: int) -> list[Frame]:
        """Frames that came in, once there are `count`."""
        end = self.loop.time() + 2.0
        while len(self.frames) < count and self.loop.time() < end:
            self.loop.run_until_complete(asyncio.sleep(0.001))
        frames, self.frames = self.frames, []
        return frames

    def close(self) -> None:
        self.plane.detach()
        self.loop.close()


@pytest.fixture
def node() -> Iterator[Node]:
    with closing(Node()) as made:
        yield made


@pytest.fixture
def free() -> int:
    """A port that is free, as is the one above it."""
    for port in range(41_000, 60_000, 2):
        with ExitStack() as stack:
            try:
                for number in (port, port + 1):
                    for family in (socket.AF_INET, socket.AF_INET6) if HAS_IPV6 else (socket.AF_INET,):
                        stack.enter_context(_taking(family, number))
            except OSError:
                continue
            return port
    raise AssertionError("no pair of ports is free")


def _taking(family: int, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    except OSError:
        sock.close()
        raise
    return sock


def test_both_versions_on_one_port(node: Node, free: int) -> None:
    with closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier:
        assert (carrier.port, carrier.port_moved) == (free, False)
        found = [(each.socket, each.local, each.role) for each in carrier.sockets()]
        if HAS_IPV6:
            assert found == [
                (SocketId(1), udp("0.0.0.0", free), "main"),
                (SocketId(2), udp("::", free), "main"),
                (SocketId(3), udp("0.0.0.0", free + 1), "alternate"),
                (SocketId(4), udp("::", free + 1), "alternate"),
            ]
        else:
            assert [local for _, local, _ in found] == [udp("0.0.0.0", free), udp("0.0.0.0", free + 1)]


def test_options(node: Node, free: int) -> None:
    with closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier:
        for family, sock in carrier._sockets.items():
            level, option = (socket.IPPROTO_IP, IP_MTU_DISCOVER)
            if family == socket.AF_INET6:
                level, option = (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER)
                assert sock.getsockopt(level, socket.IPV6_V6ONLY) == 1
                assert sock.getsockopt(level, socket.IPV6_TCLASS) == 0
            else:
                assert sock.getsockopt(level, socket.IP_TOS) == 0, "DSCP 0, not-ECT"
            assert sock.getsockopt(level, option) == PROBE
            assert sock.getsockopt(socket.IPPROTO_UDP, UDP_GRO) == 1
            assert not sock.getblocking()
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 212_992


@pytest.mark.parametrize("above", [0, 1])
def test_a_port_in_use(node: Node, free: int, above: int) -> None:
    with closing(_taking(socket.AF_INET, free + above)):
        with pytest.raises(OverlayError) as refused:
            UdpCarrier(free, may_move=False, plane=node.plane)
        assert (refused.value.code, refused.value.exit_code) == ("port_in_use", 1)
        with closing(UdpCarrier(free, may_move=True, plane=node.plane)) as carrier:
            assert carrier.port_moved
            assert carrier.port > free
            with closing(Node()) as other, closing(UdpCarrier(free, may_move=True, plane=other.plane)) as another:
                assert another.port > carrier.port + 1
    with closing(UdpCarrier(free, may_move=False, plane=node.plane)):
        pass


def test_datagrams_both_ways(node: Node, free: int) -> None:
    with (
        closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(2.0)
        here = udp(*peer.getsockname())
        peer.sendto(b"\x04 m1", ("127.0.0.1", free))
        assert node.heard(1) == [(b"\x04 m1", here, SocketId(1))]
        carrier.send(SocketId(1), here, b"m2")
        assert peer.recvfrom(100) == (b"m2", ("127.0.0.1", free))


@pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 on this host")
def test_ipv6_with_and_without_a_zone(node: Node, free: int) -> None:
    with (
        closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer,
    ):
        peer.bind(("::1", 0))
        peer.settimeout(2.0)
        here = udp("::1", peer.getsockname()[1])
        peer.sendto(b"\x04", ("::1", free))
        assert node.heard(1) == [(b"\x04", here, SocketId(2))]
        carrier.send(SocketId(2), here, b"m2")
        assert peer.recvfrom(100)[0] == b"m2"
        carrier.send(SocketId(2), udp("fe80::1%nosuch0", 9), b"lost")


def test_what_cannot_be_sent_is_lost_quietly(node: Node, free: int) -> None:
    with closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier:
        carrier.send(SocketId(77), udp("127.0.0.1", 9), b"no such socket")
        carrier.send(SocketId(1), udp("::1", 9), b"not by an IPv4 socket")
        carrier.send(SocketId(1), udp("127.0.0.1", 9), bytes(65_508))
        carrier.send(SocketId(1), udp("255.255.255.255", 9), b"no permission")


def test_one_address_needs_no_id_of_its_own(node: Node, free: int) -> None:
    with closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier:
        assert carrier.know((("192.0.2.1", 24, "eth0"), ("2001:db8::1", 64, "eth0"), ("fe80::1", 64, "eth0"))) == (
            [],
            [],
        )


def test_replies_leave_from_the_address_that_was_asked(node: Node, free: int) -> None:
    with (
        closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(2.0)
        opened, closed = carrier.know((("127.0.0.2", 8, "lo"), ("127.0.0.3", 8, "lo")))
        assert closed == []
        assert [each.local for each in opened] == [
            udp("127.0.0.2", free),
            udp("127.0.0.2", free + 1),
            udp("127.0.0.3", free),
            udp("127.0.0.3", free + 1),
        ]
        assert [each.role for each in opened] == ["main", "alternate"] * 2
        assert carrier.sockets()[-4:] == opened
        carrier.connect(node.loop, node.take, lambda fact: None)
        for each in opened:
            peer.sendto(b"\x04", (each.local.host, each.local.port))
            ((_, source, via),) = node.heard(1)
            assert via == each.socket
            carrier.send(via, source, b"answer")
            assert peer.recvfrom(100) == (b"answer", (each.local.host, each.local.port))
        again, closed = carrier.know((("127.0.0.2", 8, "lo"), ("127.0.0.4", 8, "lo")))
        assert [each.local.host for each in again] == ["127.0.0.4", "127.0.0.4"]
        assert closed == [each.socket for each in opened[2:]]
        peer.sendto(b"\x04", ("127.0.0.3", free))
        assert node.heard(1)[0][2] == SocketId(1), "an address without an id is the wildcard's"
        assert carrier.know((("127.0.0.2", 8, "lo"),)) == ([], [each.socket for each in (*opened[:2], *again)])


def test_sockets_that_are_asked_for(node: Node, free: int) -> None:
    facts: list[Told] = []
    with (
        closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        carrier.connect(node.loop, node.take, facts.append)
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(2.0)
        peer.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        here = udp(*peer.getsockname())
        carrier.open(OpenSockets(7, 3, parity="even"))
        opened = [each for each in facts if isinstance(each, SocketOpened)]
        assert [(each.request, each.role, each.local.host) for each in opened] == [(7, "engine", "0.0.0.0")] * 3
        assert all(each.local.port % 2 == 0 for each in opened)
        for each in opened:
            carrier.send(each.socket, here, b"probe", 5)
            payload, ancillary, _, source = peer.recvmsg(100, 64)
            assert (payload, source[1]) == (b"probe", each.local.port)
            assert [int.from_bytes(data, "little") for _, kind, data in ancillary if kind == IP_TTL] == [5]
            peer.sendto(b"\x09", ("127.0.0.1", each.local.port))
            assert node.heard(1) == [(b"\x09", here, each.socket)]
        carrier.open(OpenSockets(8, 1, port=opened[0].local.port))
        assert facts[3:] == [SocketFailed(8, 1, "EADDRINUSE")]
        carrier.close_socket(opened[0].socket)
        carrier.close_socket(SocketId(1))
        carrier.open(OpenSockets(9, 1, port=opened[0].local.port))
        assert isinstance(facts[4], SocketOpened)
        assert facts[4].local == opened[0].local
        assert facts[4].socket != opened[0].socket
        carrier.send(SocketId(1), here, b"still here")
        assert peer.recvfrom(100)[0] == b"still here"


def test_what_the_kernel_refuses_is_told(node: Node, free: int) -> None:
    facts: list[Told] = []
    with closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier:
        carrier.connect(node.loop, node.take, facts.append)
        carrier.send(SocketId(1), udp("255.255.255.255", 9), b"no permission")
        assert facts == [SendFailed(SocketId(1), udp("255.255.255.255", 9), "EACCES")]
        carrier.send(SocketId(1), udp("127.0.0.1", 9), bytes(65_508))
        assert len(facts) == 1


def test_when_files_are_used_up(node: Node, free: int) -> None:
    facts: list[Told] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(UdpCarrier(free, may_move=False, plane=node.plane)) as carrier:
        carrier.connect(node.loop, node.take, facts.append)
        used = len(os.listdir("/proc/self/fd"))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
            carrier.open(OpenSockets(1, 60))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert isinstance(facts[-1], SocketFailed)
        assert facts[-1].error == "EMFILE"
        assert facts[-1].missing + len(facts) - 1 == 60


TRY = """
import sys
from overlay.dataplane.linux import LinuxPlane
from overlay.errors import OverlayError
from overlay.shell.carriers.udp import UdpCarrier
plane = LinuxPlane(None, receive=print, tell=print, clock=float)
try:
    UdpCarrier(80, may_move=False, plane=plane)
except OverlayError as error:
    print(error.code, error.exit_code)
"""


@pytest.mark.kernel
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give it away")
def test_a_low_port_without_permission() -> None:
    done = subprocess.run(
        [
            "setpriv",
            "--bounding-set",
            "-net_bind_service",
            "--inh-caps",
            "-net_bind_service",
            sys.executable,
            "-c",
            TRY,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == "no_permission 5\n"
