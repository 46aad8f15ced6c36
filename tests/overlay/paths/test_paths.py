"""The machine of ways alone: what it asks for when this host's network comes and goes."""

import random

from overlay.paths import commands as do
from overlay.paths import facts as told
from overlay.paths.paths import Paths
from overlay.routing.costs import weighed_ms
from overlay.values import Direct, NodeId
from punch.config import PunchConfig, StunConfig
from punch.values import SocketId, udp

VPS = udp("198.51.100.1", 27182)


def paths() -> Paths:
    """A room with one IPv4 socket."""
    room = Paths(
        own=NodeId(bytes(32)),
        overlay=(),
        punch=PunchConfig(),
        stun=StunConfig(),
        weigh=weighed_ms,
        entropy=random.Random(1),
        now=0.0,
    )
    room.tell(told.SocketOpened(SocketId(1), udp("0.0.0.0", 27182)), now=0.0)
    return room


def test_the_first_network_after_a_start_without_one_is_dialled_at_once() -> None:
    room = paths()
    room.tell(told.AddressesChanged(()), now=0.0)
    room.tell(told.PeersGiven(("vps.example",), (), ()), now=0.0)
    room.tell(told.Resolved("vps.example", (), "no network"), now=0.0)
    assert list(room.commands()) == [do.Resolve("vps.example")]
    room.handle_timeout(now=1.0)
    room.tell(told.Resolved("vps.example", (), "no network"), now=1.0)
    room.tell(told.Resolved("vps.example", (), "no network"), now=1.0)
    list(room.commands())
    room.tell(told.AddressesChanged((("203.0.113.5", 24, "eth0"),)), now=1.5)
    room.handle_timeout(now=1.7)
    assert list(room.commands()) == [do.Resolve("vps.example")]


def test_addresses_nobody_may_dial_are_refused_with_a_reason() -> None:
    room = paths()
    room.tell(told.AddressesChanged((("203.0.113.5", 24, "eth0"),)), now=0.0)
    given = ("127.0.0.1", "224.0.0.9", "0.0.0.0")
    room.tell(told.PeersGiven(given, (udp("192.168.77.5", 1),), ()), now=0.0)
    for host in given:
        room.tell(told.Resolved(host, (udp(host, 27182),), ""), now=0.0)
    assert not [each for each in room.commands() if isinstance(each, do.Dial)]
    room.handle_timeout(now=3.1)
    (tried,) = [each.tried for each in room.events() if hasattr(each, "tried")]
    assert all("never dialled" in each for each in tried[:3])


def test_a_given_address_is_dialled_by_the_socket_of_its_family() -> None:
    room = paths()
    room.tell(told.AddressesChanged((("203.0.113.5", 24, "eth0"),)), now=0.0)
    room.tell(told.PeersGiven(("vps.example",), (), ()), now=0.0)
    room.tell(told.Resolved("vps.example", (udp("2001:db8::1", 27182), VPS), ""), now=0.0)
    dials = [each for each in room.commands() if isinstance(each, do.Dial)]
    assert dials == [do.Dial(Direct(SocketId(1), VPS), None)]
