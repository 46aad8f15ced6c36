"""How `paths` keeps its engine: what it is told, what of its wishes is carried out, what becomes of holes."""

from __future__ import annotations

import pytest

from overlay.paths import commands as do
from overlay.paths import events as happened
from overlay.paths import facts as told
from overlay.paths import punching
from overlay.paths.way import SMALL
from overlay.values import Direct, Label
from overlay.wire.messages import Challenge, Ping
from punch import facts as tell
from punch.commands import CloseSocket, OpenSockets, SendDatagram, SendSignal
from punch.config import PunchConfig, StunConfig
from punch.events import HoleOpened, ProfileChanged, ReflexiveFound
from punch.signals import Stop
from punch.values import NatProfile, SocketId, udp
from tests.kit.room import BOB, BOB_END, FRESH, HOME, OWN, VPS, VPS_END, Room
from tests.kit.scripted import ScriptedEngine


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(punching, "Engine", ScriptedEngine)
    return Room()


def test_sockets_network_and_candidates_are_told(room: Room) -> None:
    assert [(each.socket, each.role) for each in room.engine.told(tell.SocketOpened)] == [(1, "main"), (2, "alternate")]
    assert room.engine.told(tell.NetworkChanged) == [
        tell.NetworkChanged("192.168.1.1 192.168.1.0/24", (HOME.host,), broadcast=("192.168.1.255",)),
    ]
    (candidates,) = room.engine.told(tell.CandidatesChanged)
    assert [(each.endpoint, each.kind) for each in candidates.candidates] == [(HOME, "local")]
    room.tell(told.AddressesChanged(((HOME.host, 24, "eth0"),), "192.168.1.254"))
    assert room.engine.told(tell.NetworkChanged)[1].key == "192.168.1.254 192.168.1.0/24"


def test_peers_are_introduced_once_a_way_is_proven(room: Room) -> None:
    room.meet()
    ups = room.engine.told(tell.PeerUp)
    assert [(each.peer, each.seal_key, each.open_key, each.epoch, each.first) for each in ups] == [
        (VPS, b"s" * 32, b"o" * 32, 0, True),
        (BOB, b"a" * 32, b"b" * 32, 3, True),
    ]
    direct = {each.peer: each.direct for each in room.engine.told(tell.PeerDirect)}
    assert direct == {VPS: True, BOB: False}
    assert room.engine.told(tell.PeerHeard) == [tell.PeerHeard(VPS, VPS_END.host)]
    room.tell(told.ProbeKeys(BOB, 4, b"c" * 32, b"d" * 32))
    assert room.engine.told(tell.PeerUp)[-1].epoch == 4
    room.tell(told.SessionDown(BOB))
    assert room.engine.told(tell.PeerDown) == [tell.PeerDown(BOB)]


def test_members_that_were_dialled_in_public_are_servers(room: Room) -> None:
    room.meet()
    assert room.engine.told(tell.ServersKnown)[-1] == tell.ServersKnown((VPS_END,), (), (VPS,))
    room.tell(told.SessionDown(VPS))
    assert room.engine.told(tell.ServersKnown)[-1] == tell.ServersKnown((), (), ())


def test_named_servers_are_resolved_with_their_own_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(punching, "Engine", ScriptedEngine)
    room = Room(("stun.example", "[2001:db8::1]:99", "not an address"))
    assert [each.address for each in room.asked(do.Resolve)] == ["stun.example:3478", "[2001:db8::1]:99"]
    server = udp("203.0.113.3", 3478)
    room.tell(told.Resolved("stun.example:3478", (server, udp("127.0.0.1", 3478)), ""))
    assert room.engine.told(tell.ServersKnown)[-1] == tell.ServersKnown((), (server,), ())
    room.run(61.0)
    assert len(room.asked(do.Resolve)) == 2, "a name that failed is tried again"


def test_what_the_engine_asks_is_asked(room: Room) -> None:
    room.meet()
    wishes = (
        SendDatagram(SocketId(1), BOB_END, b"\x08", 5),
        OpenSockets(4, 2, parity="even"),
        SendSignal(BOB, Stop(1, "off")),
    )
    room.asks(*wishes)
    assert tuple(room.out[-3:]) == wishes


def test_traffic_by_a_relay_wants_a_direct_way_once_a_second(room: Room) -> None:
    room.meet()
    room.now = 10.0
    routes = [each.routes for each in room.asked(do.UseRoutes) if each.peer == BOB]
    assert routes[-1][0].watch, "the plane says when it begins"
    room.tell(told.TrafficBegan(BOB))
    assert room.engine.told(tell.PeerWanted) == [tell.PeerWanted(BOB, "traffic")]
    for n in range(20):
        room.now = 10.0 + n / 10
        room.tell(told.Traffic(BOB, n, 0, n, room.now, room.now, False))
    assert len(room.engine.told(tell.PeerWanted)) == 2
    room.now = 20.0
    room.out.clear()
    room.tell(told.Traffic(BOB, 20, 0, 20, 12.0, 12.0, False))
    (armed,) = [each.routes for each in room.asked(do.UseRoutes)]
    assert armed[0].watch, "and again after a pause"
    room.tell(told.DirectAsked(BOB))
    assert room.engine.told(tell.PeerWanted)[-1] == tell.PeerWanted(BOB, "demand")
    room.tell(told.DirectAsked(VPS))
    assert room.engine.told(tell.PeerWanted)[-1].peer == BOB, "vps is direct"


def test_a_hole_is_proven_and_used_beside_the_relay_first(room: Room) -> None:
    room.meet()
    room.out.clear()
    where = room.hole(works=True)
    challenges = [each for each in room.asked(do.SendOn) if isinstance(each.message, Challenge)]
    assert challenges[0].where == where
    vias = [tuple(route.via for route in each.routes) for each in room.asked(do.UseRoutes) if each.peer == BOB]
    assert vias[0] == (FRESH, SocketId(1)), "both"
    assert vias[-1] == (FRESH,), "until more came through"
    assert room.engine.told(tell.PeerDirect)[-1] == tell.PeerDirect(BOB, True)
    room.asks(CloseSocket(FRESH), CloseSocket(SocketId(1)))
    assert room.asked(CloseSocket) == [], "neither a way's socket nor one of ours is the engine's to close"


def test_a_hole_that_is_not_proven_in_time_is_refused_and_closed(room: Room) -> None:
    room.meet()
    room.out.clear()
    where = room.hole(works=False)
    room.run(2.9)
    assert room.engine.told(tell.HoleRefused) == []
    room.run(0.2)
    assert room.engine.told(tell.HoleRefused) == [tell.HoleRefused(BOB, FRESH, BOB_END)]
    assert room.asked(CloseSocket) == [CloseSocket(FRESH)]
    asked = [each for each in room.asked(do.SendOn) if each.where == where]
    assert [each.pad for each in asked] == [SMALL] * 3, "the engine's answer was the first of 4 packets"
    assert room.paths.view(BOB).kind == "relay"


def test_a_hole_for_a_stranger_is_refused_at_once(room: Room) -> None:
    room.tell(told.SocketOpened(FRESH, udp("0.0.0.0", 50_000), 1, "engine"))
    room.happens(HoleOpened(BOB, FRESH, BOB_END, None))
    assert room.engine.told(tell.HoleRefused) == [tell.HoleRefused(BOB, FRESH, BOB_END)]
    assert room.asked(CloseSocket) == [CloseSocket(FRESH)]


@pytest.mark.parametrize(("lifetime", "every"), [(None, 12.0), (10.0, 8.0), (20.0, 16.0), (40.0, 32.0), (300.0, 55.0)])
def test_a_hole_is_kept_with_the_fewest_packets(room: Room, lifetime: float | None, every: float) -> None:
    room.meet()
    room.hole(works=True, lifetime=lifetime)
    room.run(100.0)
    room.out.clear()
    for _ in range(10):
        room.run(10.0)
        room.tell(told.Heard(BOB, Direct(FRESH, BOB_END), 60, False))
    pings = [each for each in room.asked(do.SendOn) if each.peer == BOB and isinstance(each.message, Ping)]
    assert len(pings) == pytest.approx(100.0 / every, abs=1.0)


def test_an_idle_hole_is_let_go_when_a_relay_stands(room: Room) -> None:
    room.meet()
    room.hole(works=True)
    room.tell(told.CircuitLost(BOB, VPS))
    room.out.clear()
    for _ in range(31):
        room.run(10.0)
        room.tell(told.Heard(VPS, Direct(SocketId(1), VPS_END), 60, False))
        room.tell(told.Heard(BOB, Direct(FRESH, BOB_END), 60, False))
    assert room.paths.view(BOB).kind == "direct", "without a relay it stays"
    assert room.asked(do.FindRelay)
    room.tell(told.CircuitReady(BOB, VPS, Label(8)))
    for _ in range(8):
        room.run(10.0)
        room.tell(told.Heard(VPS, Direct(SocketId(1), VPS_END), 60, False))
        room.tell(told.Heard(BOB, VPS, 60, False))
    assert room.paths.view(BOB).kind == "relay"
    assert room.asked(CloseSocket) == [CloseSocket(FRESH)]
    assert room.engine.told(tell.PeerDirect)[-1] == tell.PeerDirect(BOB, False)


def test_traffic_keeps_a_hole(room: Room) -> None:
    room.meet()
    room.hole(works=True)
    for n in range(70):
        room.run(10.0)
        room.tell(told.Traffic(BOB, n, 0, n, room.now, room.now, False))
        room.tell(told.Heard(BOB, Direct(FRESH, BOB_END), 60, False))
    assert room.paths.view(BOB).kind == "direct"


def test_where_we_are_seen_is_an_endpoint_of_ours(room: Room) -> None:
    seen = udp("203.0.113.77", 31_000)
    room.happens(ReflexiveFound(seen))
    assert room.paths.own_endpoints() == [(HOME, "local"), (seen, "stun")]
    assert room.engine.told(tell.CandidatesChanged)[-1].candidates[1].kind == "stun"
    room.tell(told.AddressesChanged((("192.168.9.2", 24, "eth0"),), "192.168.9.1"))
    assert (seen, "stun") not in room.paths.own_endpoints(), "another network"


def test_a_profile_is_told_once_it_settles(room: Room) -> None:
    list(room.paths.events())
    room.engine.profile = NatProfile(mapping="eim", lifetime=20.0)
    for _ in range(3):
        room.happens(ProfileChanged(room.engine.profile))
    assert not [each for each in room.paths.events() if isinstance(each, happened.NatSeen)]
    room.run(0.6)
    assert [each for each in room.paths.events() if isinstance(each, happened.NatSeen)] == [
        happened.NatSeen(room.engine.profile)
    ]


def test_only_members_beside_the_peer_vouch_for_it(room: Room) -> None:
    room.meet()
    room.tell(told.HostHeard(VPS, BOB, "203.0.113.9"))
    assert room.engine.told(tell.Heard) == [tell.Heard(BOB, "203.0.113.9", VPS)]
    room.tell(told.HostHeard(BOB, BOB, "198.51.100.66"))
    room.tell(told.HostHeard(VPS, BOB, "no address"))
    room.tell(told.HostHeard(VPS, OWN, "203.0.113.9"))
    assert len(room.engine.told(tell.Heard)) == 1
    assert room.paths.drops == {"heard_foreign": 2, "heard_malformed": 1}


def test_settings_reach_the_engine(room: Room) -> None:
    config, stun = PunchConfig(enabled=False), StunConfig(serve="off")
    room.tell(told.PunchPolicy(config, stun))
    assert room.engine.told(tell.PolicyChanged) == [tell.PolicyChanged(config, stun)]
    room.tell(told.PeerPolicy(BOB, None, "auto"))
    room.tell(told.DetectAsked())
    assert room.engine.facts[-2:] == [tell.PeerPolicy(BOB, None, "auto"), tell.DetectAsked()]
