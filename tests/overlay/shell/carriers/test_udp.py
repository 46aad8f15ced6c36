"""The sockets of a node: which ports, which addresses, which options."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from overlay.dataplane.linux import LinuxPlane
from overlay.errors import OverlayError
from overlay.shell.carriers.udp import UdpCarrier
from punch.values import Endpoint, SocketId, udp

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PROBE = 10, 23, 3
UDP_GRO = 104
HAS_IPV6 = Path("/proc/net/if_inet6").exists() and Path("/proc/net/if_inet6").read_text(encoding="ascii") != ""

Frame = tuple[bytes, Endpoint, SocketId]


class Node:
    """A plane without a device, on a loop of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.frames: list[Frame] = []
        self.plane = LinuxPlane(
            None,
            receive=lambda payload, source, via: self.frames.append((payload, source, via)),
            tell=lambda fact: None,
            clock=self.loop.time,
        )
        self.plane.attach(self.loop)

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
        expected = [(SocketId(1), udp("0.0.0.0", free))]
        if HAS_IPV6:
            expected.append((SocketId(2), udp("::", free)))
        assert carrier.sockets() == expected


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
        peer.sendto(b"\x04 dropped", ("127.0.0.1", free + 1))
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
        assert [local for _, local in opened] == [udp("127.0.0.2", free), udp("127.0.0.3", free)]
        assert carrier.sockets()[-2:] == opened
        for id_, local in opened:
            peer.sendto(b"\x04", (local.host, free))
            ((_, source, via),) = node.heard(1)
            assert via == id_
            carrier.send(via, source, b"answer")
            assert peer.recvfrom(100) == (b"answer", (local.host, free))
        again, closed = carrier.know((("127.0.0.2", 8, "lo"), ("127.0.0.4", 8, "lo")))
        assert [local.host for _, local in again] == ["127.0.0.4"]
        assert closed == [opened[1][0]]
        peer.sendto(b"\x04", ("127.0.0.3", free))
        assert node.heard(1)[0][2] == SocketId(1), "an address without an id is the wildcard's"
        assert carrier.know((("127.0.0.2", 8, "lo"),)) == ([], [opened[0][0], again[0][0]])


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
