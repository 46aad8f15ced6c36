"""Nobody aims this node by a forged source or a false word: which holes are claimed, whose word counts."""

from __future__ import annotations

import ipaddress

import pytest

from overlay.paths import facts as told
from overlay.paths import punching
from overlay.paths.board import KNOCKS
from overlay.paths.holes import MOST_CLAIMED
from overlay.paths.proving import MOST_CANDIDATES
from overlay.paths.way import BASE_SIZE, SMALL
from overlay.values import Direct, Label
from punch import facts as tell
from punch.commands import CloseSocket
from punch.events import HoleOpened
from punch.probe import PROBE_BYTES
from punch.values import Endpoint, SocketId, udp
from tests.kit.room import BOB, BOB_END, FRESH, HOME, OWN, VPS, VPS_END, Room
from tests.kit.scripted import ScriptedEngine

INNER = (ipaddress.ip_network("10.44.0.0/16"), ipaddress.ip_network("fd12:3456:789a::/48"))


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(punching, "Engine", ScriptedEngine)
    made = Room(overlay=INNER)
    made.meet()
    made.out.clear()
    return made


@pytest.mark.parametrize(
    "end",
    [
        udp("127.0.0.1", 5000),
        udp("224.0.0.1", 5000),
        udp("::1", 5000),
        udp("10.44.3.7", 27182),
        udp("fd12:3456:789a::7", 27182),
        udp(HOME.host, 5000),
        udp("192.168.1.255", 5000),
        udp("172.16.5.5", 5060),
        udp("203.0.113.9", 53),
    ],
)
def test_a_hole_that_leads_where_nobody_may_be_dialled_is_refused(room: Room, end: Endpoint) -> None:
    where = room.hole(works=True, end=end)
    assert room.challenges(where) == []
    assert room.engine.told(tell.HoleRefused) == [tell.HoleRefused(BOB, FRESH, end)]
    assert room.asked(CloseSocket) == [CloseSocket(FRESH)]
    assert room.paths.drops["hole_endpoint"] == 1


def test_a_port_of_the_system_that_the_record_names_is_fair(room: Room) -> None:
    end = udp("203.0.113.9", 443)
    room.tell(told.MemberKnown(BOB, ((end, "given"),)))
    assert room.challenges(room.hole(works=True, end=end))
    assert room.paths.view(BOB).kind == "direct"


def test_an_honest_hole_is_proven_in_one_round_trip_by_a_small_challenge(room: Room) -> None:
    sizes = room.challenges(room.hole(works=True))
    assert room.now == 0.0
    assert room.paths.view(BOB).kind == "direct"
    assert sizes[0] == SMALL
    assert SMALL + PROBE_BYTES <= 3 * PROBE_BYTES, "with the answer, what the probe pays for"
    assert BASE_SIZE in sizes[1:], "and is to show then that it carries the base size"


def test_a_hole_that_carries_only_what_is_small_is_given_up(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    where = room.hole(works=False)
    room.works = (*room.works, where)
    monkeypatch.setattr(room, "answers", lambda to, pad: to in room.works and (to != where or pad == SMALL))
    room.run(0.3)
    assert room.paths.view(BOB).kind == "direct"
    room.run(5.0)
    assert room.paths.view(BOB).kind == "relay"


def test_forged_sources_bring_a_victim_little_and_not_for_long(room: Room) -> None:
    sizes: list[int] = []
    for number in range(100):
        end = udp("203.0.113.200", 4000 + number)
        sizes += room.challenges(room.hole(works=False, end=end))
        room.run(5.0)
        sizes += room.challenges(Direct(FRESH, end))
    assert set(sizes) == {SMALL}
    assert len(sizes) <= KNOCKS
    assert room.paths.drops["knock_budget"] > 0


def test_many_holes_at_once_are_refused(room: Room) -> None:
    for number in range(3 * MOST_CLAIMED):
        room.happens(HoleOpened(BOB, SocketId(1), udp(f"203.0.113.{number}", 4000), None))
    assert len(room.engine.told(tell.HoleRefused)) == 2 * MOST_CLAIMED
    assert room.paths.drops["hole_claims"] == 2 * MOST_CLAIMED


def test_sources_that_the_newest_frame_names_are_few_at_a_time_and_never_inner(room: Room) -> None:
    peer = room.paths.peer(BOB)
    assert peer is not None
    for number in range(3 * MOST_CANDIDATES):
        room.tell(told.Heard(BOB, Direct(SocketId(1), udp("203.0.113.200", 4000 + number)), 1200, True))
    room.tell(told.Heard(BOB, Direct(SocketId(1), udp("10.44.3.7", 4000)), 1200, True))
    assert sum(way.candidate for way in peer.ways.values()) == MOST_CANDIDATES
    assert room.paths.drops["source_overlay"] == 1


def test_a_socket_stays_open_as_long_as_a_way_leads_by_it(room: Room) -> None:
    room.hole(works=True)
    room.tell(told.Heard(BOB, Direct(FRESH, udp("203.0.113.77", 5555)), 500, True))
    room.run(8.0)
    assert room.paths.view(BOB).kind == "direct"
    assert room.asked(CloseSocket) == [], "the other way died, its socket is the hole's too"
    room.tell(told.SessionDown(BOB))
    assert room.asked(CloseSocket) == [CloseSocket(FRESH)]


def test_only_the_relay_of_a_pair_vouches_and_only_while_it_carries(room: Room) -> None:
    host, other = "203.0.113.9", "198.51.100.66"
    room.tell(told.HostHeard(VPS, BOB, host))
    assert room.engine.told(tell.Heard) == [tell.Heard(BOB, host, VPS)]
    mallory = type(BOB)(b"\x09" * 32)
    room.tell(told.SessionUp(mallory, Direct(SocketId(1), udp("203.0.113.50", 4000)), Label(9), True, None))
    for by, about in ((mallory, BOB), (BOB, BOB), (VPS, OWN), (VPS, mallory)):
        room.tell(told.HostHeard(by, about, other))
    room.tell(told.CircuitLost(BOB, VPS))
    room.tell(told.HostHeard(VPS, BOB, other))
    assert len(room.engine.told(tell.Heard)) == 1
    assert room.paths.drops["heard_unasked"] == 3
    assert room.paths.drops["heard_foreign"] == 2


def test_a_word_that_comes_before_its_circuit_is_proven_is_kept_until_then(room: Room) -> None:
    room.tell(told.CircuitLost(BOB, VPS))
    room.works = (Direct(SocketId(1), VPS_END),)
    room.tell(told.CircuitReady(BOB, VPS, Label(8)))
    room.tell(told.HostHeard(VPS, BOB, BOB_END.host))
    assert room.engine.told(tell.Heard) == []
    room.works = (Direct(SocketId(1), VPS_END), VPS)
    room.run(0.5)
    assert room.engine.told(tell.Heard) == [tell.Heard(BOB, BOB_END.host, VPS)]


def test_the_engine_knows_what_is_inside_and_what_is_broadcast(room: Room) -> None:
    (network,) = room.engine.told(tell.NetworkChanged)
    assert network.overlay == tuple(str(each) for each in INNER)
    assert network.broadcast == ("192.168.1.255",)


def test_a_bridge_or_a_vpn_that_comes_is_not_another_network(room: Room) -> None:
    home, bridge = (HOME.host, 24, "eth0"), ("172.17.0.1", 16, "docker0")
    room.tell(told.AddressesChanged((home, bridge), "192.168.1.1"))
    room.tell(told.AddressesChanged((home,), "192.168.1.1"))
    assert {each.key for each in room.engine.told(tell.NetworkChanged)} == {"192.168.1.1 192.168.1.0/24"}
    room.tell(told.AddressesChanged((("192.168.1.9", 24, "wlan0"),), "192.168.1.254"))
    assert room.engine.told(tell.NetworkChanged)[-1].key == "192.168.1.254 192.168.1.0/24"


def test_private_addresses_are_near_only_by_the_word_of_the_relay_too(room: Room) -> None:
    ours, near = "203.0.113.77", udp("172.16.5.5", 27182)
    assert (udp(ours, 1000), "stun") in room.paths.own_endpoints()
    room.tell(told.MemberKnown(BOB, ((near, "local"), (udp(ours, 5000), "stun"))))
    assert room.challenges(Direct(SocketId(1), near)) == []
    room.tell(told.HostHeard(VPS, BOB, "198.51.100.9"))
    assert room.challenges(Direct(SocketId(1), near)) == []
    room.tell(told.HostHeard(VPS, BOB, ours))
    assert room.challenges(Direct(SocketId(1), near)) == [BASE_SIZE]
    room.hole(works=True, end=udp("172.16.5.5", 6000))
    assert room.paths.view(BOB).kind == "direct"
