"""The detector in worlds: what it reads, how soon, with how few packets, and what it does when things go wrong."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from punch import stun
from punch.commands import SendDatagram
from punch.config import PunchConfig
from punch.detect.ask import Detector
from punch.events import ReflexiveFound
from punch.facts import DetectAsked, NetworkChanged, PolicyChanged, ServersKnown, SocketClosed
from punch.limiter import TokenBucket
from punch.manners import Manners
from punch.sim import Datagram
from punch.sim.zoo import KINDS, misread
from punch.stun import Message
from punch.values import NatProfile, SocketId, udp
from tests.punch.detect.village import PORT, S_HOST, T2_HOST, T_HOST, Asking, Village


def village(kind: str, *, seed: int = 1, until: float = 3.5, **more: object) -> Village:
    made = Village(KINDS[kind], seed=seed, **more)  # type: ignore[arg-type]
    made.start()
    made.world.run(until=until)
    return made


def chosen_at(made: Village) -> float:
    """When mapping and allocation were told."""
    return next(at for at, each in made.asking.profiles() if "unknown" not in (each.mapping, each.allocation))


@pytest.mark.parametrize("kind", ["open", "nat1", "nat2", "nat3", "adm", "nat4-sequential-fifty", "nat4-uniform"])
def test_what_a_choice_needs_is_known_in_time_and_with_few_packets(kind: str) -> None:
    made = village(kind)
    assert misread(KINDS[kind], made.asking.profile) == ()
    assert chosen_at(made) < 0.3
    assert sum(at < 1.0 for at, _ in made.asking.sent) <= 32


def test_40_ms_each_way_and_loss_still_take_less_than_a_second() -> None:
    took = sorted(chosen_at(village("nat3", seed=seed, delay=0.02, loss=0.02)) for seed in range(40))
    assert took[20] < 0.4
    assert took[-1] < 1.0


def test_a_lone_server_tells_all_but_what_needs_another_host() -> None:
    made = village("nat3", seconds=False)
    profile = made.asking.profile
    assert (profile.type, profile.mapping, profile.filtering) == ("NAT3", "eim", "apdf")
    assert "mapping" in made.asking.detector.undecided
    made = village("nat1", seconds=False)
    assert made.asking.profile.type == "NAT2"  # the strictest that is left
    assert "filtering" in made.asking.detector.undecided


def test_a_second_host_that_comes_later_settles_what_was_open() -> None:
    made = village("nat1", until=0.0)
    asking, world = made.asking, made.world
    lone = ServersKnown(made.servers.servers[:1], peers=made.servers.peers[:1])
    asking.tell(lone, now=0.0)
    world.run(until=5.0)
    before = len(asking.sent)
    asking.tell(lone, now=5.0)
    world.run(until=8.0)
    assert len(asking.sent) == before
    asking.tell(made.servers, now=8.0)
    world.run(until=10.0)
    assert asking.profile.type == "NAT1"
    assert asking.detector.undecided == ("lifetime", "distance")


def test_a_server_with_two_addresses_needs_no_help() -> None:
    for kind in ("nat1", "nat2", "nat3", "adm", "nat4-uniform"):
        made = village(kind, seconds=False, second_address=True)
        assert misread(KINDS[kind], made.asking.profile) == ()
        assert made.asking.signals == []


def test_a_server_of_another_maker_without_second_port_decides_little_and_says_so() -> None:
    made = village("nat4-uniform", until=0.0)
    for service in (made.first, made.second):
        for local, socket in list(service.ids.items()):
            if local.port != PORT:
                service.answerer.tell(SocketClosed(socket))
    servers = (udp(S_HOST, PORT), udp(T_HOST, PORT))
    made.asking.tell(ServersKnown((), configured=servers), now=0.0)
    made.world.run(until=3.0)
    assert made.asking.profile.type == "NAT4"
    assert made.asking.profile.filtering == "unknown"
    assert {"mapping", "filtering"} <= set(made.asking.detector.undecided)


def test_the_main_socket_is_found_first() -> None:
    made = village("nat3")
    at, found = next((at, event) for at, event in made.asking.news if isinstance(event, ReflexiveFound))
    assert at < 0.1
    assert found.endpoint == made.asking.profile.reflexive == udp("198.51.100.8", PORT)


def test_all_sockets_are_closed_in_the_end_and_the_background_is_quiet() -> None:
    made = village("nat3", until=300.0)
    asking = made.asking
    assert asking.open_sockets == 0
    assert asking.next_timeout() is None
    assert len(asking.sent) <= 60
    assert (asking.profile.lifetime, asking.profile.distance, asking.profile.hairpin) == (20.0, 1, False)
    assert asking.detector.undecided == ()


@pytest.mark.parametrize(
    ("kind", "lifetime", "distance"),
    [("nat3-forgetful", 5.0, 1), ("cgn-preserving", 20.0, 3), ("nat4-forgetful", 5.0, None), ("nat1", None, None)],
)
def test_lifetime_and_distance(kind: str, lifetime: float | None, distance: int | None) -> None:
    profile = village(kind, until=300.0).asking.profile
    assert (profile.lifetime, profile.distance) == (lifetime, distance)


def test_a_known_network_is_not_measured_again_and_an_unknown_one_is() -> None:
    made = village("nat3", until=60.0)
    asking, world = made.asking, made.world
    sent, profile = len(asking.sent), asking.profile
    asking.tell(NetworkChanged("cafe", ("10.0.0.2",)), now=60.0)
    assert asking.profile == NatProfile()
    world.run(until=62.0)
    assert len(asking.sent) > sent + 15
    sent = len(asking.sent)
    asking.tell(NetworkChanged("home", (asking.host,)), now=62.0)
    world.run(until=64.0)
    assert len(asking.sent) <= sent + 3
    assert asking.profile == profile
    assert asking.detector.age(now=64.0) == pytest.approx(63.0, abs=1.0)


def test_somebody_asks_again() -> None:
    made = village("nat3", until=60.0)
    asking, world = made.asking, made.world
    for nat in made.nats:
        nat.become(KINDS["nat4-sequential"].models[0])
    asking.tell(DetectAsked(), now=60.0)
    world.run(until=61.0)
    assert (asking.profile.type, asking.profile.allocation) == ("NAT4", "sequential")
    age = asking.detector.age(now=61.0)
    assert age is not None
    assert age < 1.0


def test_asking_while_it_is_under_way_costs_nothing() -> None:
    plain = village("nat3", until=1.0)
    made = Village(KINDS["nat3"], seed=1)
    made.start()
    for at in (0.0, 0.01, 0.1, 0.2):
        made.world.at(at, lambda at=at: made.asking.tell(DetectAsked(), now=at))  # type: ignore[misc]
    made.world.run(until=1.0)
    assert len(made.asking.sent) == len(plain.asking.sent)


def test_a_network_change_midway_starts_over() -> None:
    made = Village(KINDS["nat3"], seed=3)
    made.start()
    made.world.run(until=0.1)
    assert made.asking.detector.busy
    made.asking.tell(NetworkChanged("cafe", (made.asking.host,)), now=0.1)
    assert made.asking.open_sockets <= 10
    made.world.run(until=3.0)
    assert made.asking.profile.type == "NAT3"
    assert made.asking.open_sockets <= 10


def test_blocked_is_said_in_time_and_asked_again_ever_more_slowly() -> None:
    made = village("blocked", until=3.0)
    asking = made.asking
    assert asking.profile.blocked
    assert asking.profiles()[0][0] < 3.0
    made.world.run(until=600.0)
    assert len(asking.sent) < 80
    for nat in made.nats:
        nat.become(KINDS["nat3"].models[0])
    made.world.run(until=700.0)
    assert asking.profile.type == "NAT3"


def silent_servers(*hosts: str, configured: bool = False) -> Village:
    """40 s of a host whose servers do not answer."""
    made = Village(KINDS["nat3"], seed=1)
    servers = tuple(udp(host, PORT) for host in hosts)
    made.asking.start(ServersKnown((), configured=servers) if configured else ServersKnown(servers))
    made.world.run(until=40.0)
    return made


def test_one_silent_member_is_no_server_and_several_are_a_wall() -> None:
    lone = silent_servers("203.0.113.77").asking
    assert lone.profile == NatProfile()
    assert {"mapping", "filtering", "allocation"} <= set(lone.detector.undecided)
    assert silent_servers("203.0.113.77", "203.0.113.78").asking.profile.blocked
    assert silent_servers("203.0.113.77", configured=True).asking.profile.blocked


def test_what_comes_by_udp_says_that_it_is_not_blocked() -> None:
    detector = (asking := silent_servers("203.0.113.77", "203.0.113.78").asking).detector
    detector.signs.heard(b"peer")
    detector.reconsider(now=40.0)
    assert not detector.profile.blocked
    detector.tell(DetectAsked(), now=40.0)
    asking.handle_timeout(now=50.0)
    assert not detector.profile.blocked
    detector.signs.lost(b"peer")
    detector.signs.came(now=100.0)
    assert detector.signs.works(now=159.0)
    assert not detector.signs.works(now=161.0)


def test_silent_servers_leave_what_is_known_while_udp_comes_in() -> None:
    made = village("nat3", until=60.0)
    made.asking.detector.signs.heard(b"peer")
    made.first.deaf = made.second.deaf = True
    made.asking.tell(DetectAsked(), now=60.0)
    made.world.run(until=90.0)
    types = [made.asking.profile.type]
    made.asking.tell(NetworkChanged("cafe", (made.asking.host,)), now=90.0)
    types.append(made.asking.profile.type)
    made.world.run(until=120.0)
    types.append(made.asking.profile.type)
    assert types == ["NAT3", "unknown", "blocked"]


def test_new_servers_end_the_waiting() -> None:
    made = Village(KINDS["nat3"], seed=1)
    made.asking.start(ServersKnown((udp("203.0.113.77", PORT),), peers=(b"dead",)))
    made.world.run(until=40.0)
    assert made.asking.profile == NatProfile()
    made.asking.tell(made.servers, now=40.0)
    made.world.run(until=41.0)
    assert made.asking.profile.type == "NAT3"


@pytest.mark.parametrize("at", [0.045, 0.08, 0.12])
def test_a_server_that_vanishes_midway_is_done_without(at: float) -> None:
    made = Village(KINDS["nat3"], seed=1)
    made.world.at(at, lambda: setattr(made.first, "deaf", True))
    made.start()
    made.world.run(until=30.0)
    assert made.asking.profile.type == "NAT3"
    assert made.asking.open_sockets == 0 or made.asking.detector.profile.lifetime is None


def test_a_dead_second_host_is_not_waited_for_long() -> None:
    made = Village(KINDS["nat4-uniform"], seed=1)
    made.second.deaf = True
    made.start()
    made.world.run(until=10.0)
    assert chosen_at(made) < 0.7
    assert misread(KINDS["nat4-uniform"], made.asking.profile) == ()


def test_few_sockets_are_enough_for_something() -> None:
    for sockets, allocation in ((0, "unknown"), (1, "unknown"), (4, "sequential")):
        made = Village(KINDS["nat4-sequential"], seed=1)
        made.asking = Asking(made.asking.host, entropy=random.Random(1), sockets=sockets)
        made.world._stations["asking"].host = made.asking
        made.start()
        made.world.run(until=30.0)
        assert made.asking.profile.type == "NAT4"
        assert sockets or made.asking.open_sockets == 0
        assert made.asking.profile.allocation == allocation or sockets == 1


def test_a_lost_main_socket_stops_nothing_for_good() -> None:
    made = Village(KINDS["nat3"], seed=1)
    made.start()
    made.world.run(until=0.01)
    asking = made.asking
    asking.open_own(PORT + 2, alternate=False)
    asking.tell(SocketClosed(SocketId(1)), now=0.01)
    made.world.run(until=3.0)
    assert asking.profile.type == "NAT3"


def test_switched_off_nothing_is_sent_and_nothing_stays_open() -> None:
    made = Village(KINDS["nat3"], seed=1)
    made.start()
    made.world.run(until=0.1)
    asking = made.asking
    asking.tell(PolicyChanged(PunchConfig(enabled=False)), now=0.1)
    sent = len(asking.sent)
    assert asking.open_sockets == 0
    asking.tell(DetectAsked(), now=0.1)
    asking.tell(NetworkChanged("cafe", (asking.host,)), now=0.2)
    made.world.run(until=100.0)
    assert len(asking.sent) == sent
    asking.tell(PolicyChanged(PunchConfig()), now=100.0)
    made.world.run(until=102.0)
    assert asking.profile.type == "NAT3"


def test_ipv6_servers_alone_are_not_asked() -> None:
    made = Village(KINDS["nat3"], seed=1)
    made.asking.start(ServersKnown((udp("2001:db8::1", PORT),), peers=(b"six",)))
    made.world.run(until=10.0)
    assert made.asking.sent == []
    assert made.asking.profile == NatProfile()


def test_a_host_without_ipv4_is_not_called_blocked() -> None:
    made = Village(KINDS["nat3"], seed=1)
    made.asking.tell(NetworkChanged("six", ("2001:db8::7",)), now=0.0)
    made.asking.tell(made.servers, now=0.0)
    made.world.run(until=10.0)
    assert (made.asking.sent, made.asking.profile) == ([], NatProfile())


def test_a_tight_budget_makes_it_slow_but_not_wrong() -> None:
    made = Village(KINDS["nat4-sequential"], seed=1)
    made.asking.bucket = TokenBucket(depth=5, rate=10, now=0.0)
    made.start()
    made.world.run(until=10.0)
    assert misread(KINDS["nat4-sequential"], made.asking.profile) == ()


def test_an_address_as_it_is_needs_no_nat() -> None:
    made = village("open")
    profile = made.asking.profile
    assert (profile.type, profile.open, profile.filtering) == ("open", True, "eif")
    assert made.asking.detector.undecided == ()


# --- answers that lie, come late or twice


def test_forged_answers_change_nothing_and_are_counted() -> None:
    made = Village(KINDS["nat3"], seed=2)
    lie = udp("192.0.2.66", 6666)

    def forge(datagram: Datagram) -> list[Datagram]:
        """Before each answer come: another's transaction, another source, a cut one; after it the same again."""
        try:
            message = stun.parse(datagram.payload)
        except stun.StunError:
            return [datagram]
        if message.kind != "response":
            return [datagram]
        other = Message(kind="response", transaction=bytes(12), xor_mapped=lie)
        same = Message(kind="response", transaction=message.transaction, xor_mapped=lie)
        return [
            Datagram(datagram.source, datagram.to, stun.pack(other)),
            Datagram(udp(datagram.source.host, 99), datagram.to, stun.pack(same)),
            Datagram(udp("203.0.113.200", PORT), datagram.to, stun.pack(same)),
            Datagram(datagram.source, datagram.to, datagram.payload[:-4]),
            datagram,
            Datagram(datagram.source, datagram.to, stun.pack(same)),
        ]

    for nat in made.nats:
        nat.become(KINDS["nat1"].models[0])  # lets all of it in
    made.world.tap(forge)
    made.start()
    made.world.run(until=3.0)
    drops = made.asking.detector.drops
    assert made.asking.profile.type == "NAT1"
    assert made.asking.profile.hosts == ("198.51.100.8",)
    for reason in ("stun_unknown", "stun_wrong_source", "stun_length", "stun_again"):
        assert drops[reason] > 10, reason


def test_late_answers_are_dropped() -> None:
    made = Village(KINDS["nat1"], seed=2)
    held: list[Datagram] = []
    world = made.world

    def hold(datagram: Datagram) -> Datagram | None:
        if datagram.source.port != PORT or world.now > 1.0 or datagram.to.port % 4:
            return datagram
        held.append(datagram)
        return None

    world.tap(hold)
    made.start()
    world.run(until=20.0)
    profile, sent = made.asking.profile, len(made.asking.sent)
    for datagram in held:
        world.inject(datagram)
    world.run(until=21.0)
    assert held
    assert (made.asking.profile, len(made.asking.sent)) == (profile, sent)


def test_a_server_that_ignores_the_change_request_decides_no_filtering() -> None:
    made = Village(KINDS["nat3"], seed=2)

    def stubborn(datagram: Datagram) -> Datagram:
        """Both ports' answers come from the one that was asked."""
        if datagram.to.host == S_HOST and stun.is_stun(datagram.payload):
            message = stun.parse(datagram.payload)
            if message.kind == "request":
                plain = Message(kind="request", transaction=message.transaction)
                return Datagram(datagram.source, datagram.to, stun.pack(plain))
        return datagram

    made.world.tap(stubborn)
    made.start()
    made.world.run(until=3.0)
    assert made.asking.profile.mapping == "eim"
    assert made.asking.profile.filtering == "unknown"
    assert "filtering" in made.asking.detector.undecided


def test_the_other_port_closed_by_a_firewall_is_no_filter_of_ours() -> None:
    made = Village(KINDS["nat1"], seed=2)
    made.world.tap(lambda each: None if PORT + 1 in (each.to.port, each.source.port) else each)
    made.start()
    made.world.run(until=4.0)
    profile = made.asking.profile
    assert (profile.mapping, profile.filtering) == ("eim", "eif")  # by Touch


def test_what_is_nobodys_is_left_to_others() -> None:
    made = village("nat3")
    detector = made.asking.detector
    answer = stun.pack(Message(kind="response", transaction=bytes(12)))
    assert not detector.receive(answer, udp(S_HOST, PORT), via=SocketId(1), now=4.0)
    assert not detector.receive(b"junk", udp(S_HOST, PORT), via=SocketId(1), now=4.0)
    assert detector.drops["stun_unknown"] == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=30), st.integers(0, 5))
def test_garbage_never_raises(payloads: list[bytes], seed: int) -> None:
    made = Village(KINDS["nat1"], seed=seed)
    made.start()
    made.world.run(until=0.06)
    detector = made.asking.detector
    for number, payload in enumerate(payloads):
        for via in (1, 3, 4, 99):
            detector.receive(payload, udp(S_HOST, number + 1), via=SocketId(via), now=0.06)
    made.world.run(until=3.0)
    assert made.asking.profile.type == "NAT1"


def test_worlds_replay() -> None:
    def told(seed: int) -> list[tuple[float, SendDatagram]]:
        return village("cgn-sequential", seed=seed, loss=0.1).asking.sent

    assert told(5) == told(5)
    assert told(5) != told(6)


def test_nothing_is_aimed_at_anybody_but_servers_and_ourselves() -> None:
    for kind in ("nat1", "nat3-hairpin", "adm", "nat4-uniform"):
        made = village(kind, until=100.0, second_address=True)
        hosts = {each.to.host for _, each in made.asking.sent}
        assert hosts <= {S_HOST, T_HOST, T2_HOST, "198.51.100.8"}


def test_a_detector_without_anything_waits_for_nothing() -> None:
    detector = Detector(
        entropy=random.Random(1),
        spend=lambda *_: True,
        room_at=lambda _, now: now,
        request_ids=lambda: 1,
        manners=Manners(),
    )
    assert detector.next_timeout() is None
    detector.handle_timeout(now=1.0)
    detector.tell(DetectAsked(), now=1.0)
    assert list(detector.commands()) == []
    assert detector.age(now=1.0) is None
