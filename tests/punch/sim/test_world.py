"""The clock, and what tests do to hosts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from punch.sim import Datagram, Link, OpenRouter, Stuck, TooLate, World
from punch.sim.journal import Journal
from punch.values import Endpoint, udp
from tests.punch.sim.hosts import Beat, Echo, Listener

A, B, C = "198.51.100.1", "198.51.100.2", "2001:db8::3"


def pair(*, link: Link | None = None, seed: int = 1) -> tuple[World, Listener, Echo]:
    """A listener at A and an echo at B."""
    world = World(seed=seed) if link is None else World(seed=seed, link=link)
    ann, bob = Listener(), Echo()
    world.add("ann", ann, A)
    world.add("bob", bob, B)
    return world, ann, bob


def test_a_datagram_crosses_both_access_wires_each_way() -> None:
    world, ann, bob = pair()
    ann.say(A, B)
    world.run(until=1.0)
    assert bob.heard == [(0.02, A, b"hello")]
    assert ann.heard == [(0.04, B, b"re:hello")]
    assert world.now == 1.0
    assert world.journal.counts == {"arrived": 2}


def test_time_jumps_to_what_a_host_waits_for() -> None:
    world = World(seed=1)
    beat = Beat(A, B, every=3600.0, count=25)
    world.add("ann", beat, A)
    world.run(until=24 * 3600.0)
    assert beat.woken == [3600.0 * hour for hour in range(25)]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    delay=st.floats(0.0, 0.2),
    jitter=st.floats(0.0, 0.2),
    rate=st.one_of(st.none(), st.floats(1e5, 1e7)),
    every=st.floats(0.001, 0.05),
)
def test_everything_happens_in_order_of_time(
    seed: int, delay: float, jitter: float, rate: float | None, every: float
) -> None:
    world = World(seed=seed, link=Link(delay=delay, jitter=jitter, rate=rate))
    ears = Listener()
    world.add("ears", ears, C, A)
    for number in range(3):
        address = f"203.0.113.{number}"
        world.add(f"beat{number}", Beat(address, A, every=every * (number + 1), count=20), address)
    world.run(until=60.0)
    times = [entry.at for entry in world.journal.entries()]
    assert times == sorted(times)
    for number in range(3):
        mine = [(at, payload) for at, source, payload in ears.heard if source == f"203.0.113.{number}"]
        assert mine == sorted(mine)
        assert len(mine) == 20
        assert all(at >= order * every * (number + 1) + 2 * delay - 1e-9 for order, (at, _) in enumerate(mine))


def test_waiting_for_something_ends_when_it_happened() -> None:
    world, ann, bob = pair()
    ann.say(A, B)
    assert world.run_until(lambda: bool(bob.heard), within=5.0) == pytest.approx(0.02)
    assert world.now == pytest.approx(0.02)
    assert ann.heard == []


def test_waiting_too_long_shows_the_conversation() -> None:
    def wait() -> None:
        world, ann, _ = pair(link=Link(loss=1.0))
        with world:
            ann.say(A, B)
            world.run_until(lambda: False, within=5.0)

    with pytest.raises(TooLate) as caught:
        wait()
    (note,) = caught.value.__notes__
    assert note.startswith("world 1, at 5.0000 s:\nsequenceDiagram")
    assert "h0-xh1: 0.0000 5 B 68656c6c (loss)" in note


def test_a_host_that_goes_round_in_circles_is_named() -> None:
    class Restless(Listener):
        def next_timeout(self) -> float | None:
            return 1.0

        def handle_timeout(self, *, now: float) -> None:
            return

    world = World(seed=1)
    world.add("restless", Restless(), A)
    with pytest.raises(Stuck, match="restless"):
        world.run(until=2.0)


def test_a_block_is_one_way_and_a_cut_both() -> None:
    world, ann, bob = pair()
    world.block("bob", "ann")
    ann.say(A, B)
    world.run_for(1.0)
    assert (len(bob.heard), len(ann.heard)) == (1, 0)
    world.unblock("bob", "ann")
    ann.say(A, B)
    world.run_for(1.0)
    assert (len(bob.heard), len(ann.heard)) == (2, 1)
    world.cut("ann", "bob")
    ann.say(A, B)
    world.run_for(1.0)
    world.heal("ann", "bob")
    ann.say(A, B)
    world.run_for(1.0)
    assert (len(bob.heard), len(ann.heard)) == (3, 2)
    assert world.journal.counts["blocked"] == 2


def test_a_host_without_its_cable_hears_and_says_nothing() -> None:
    world, ann, bob = pair()
    world.unplug("bob")
    ann.say(A, B)
    bob.say(B, A)
    world.run_for(1.0)
    assert (bob.heard, ann.heard) == ([], [])
    world.replug("bob")
    ann.say(A, B)
    world.run_for(1.0)
    assert len(ann.heard) == 1
    assert world.journal.counts["unplugged"] == 2


def test_a_crash_leaves_what_was_sent_on_its_way() -> None:
    world, ann, bob = pair()
    bob.say(B, A, b"last words")
    ann.say(A, B)
    world.run_for(0.015)
    assert world.remove("bob") is bob
    world.run_for(1.0)
    assert ann.payloads() == [b"last words"]
    assert world.journal.counts == {"arrived": 1, "gone": 1}
    again = Echo()
    world.add("bob", again, B)
    ann.say(A, B)
    world.run_for(1.0)
    assert len(again.heard) == 1
    assert bob.heard == []


def test_names_and_addresses_are_taken_once() -> None:
    world, ann, _ = pair()
    with pytest.raises(ValueError, match="ann is in the world"):
        world.add("ann", ann, "198.51.100.9")
    with pytest.raises(ValueError, match=f"{B} is taken on internet"):
        world.attach("ann", B)


@pytest.mark.parametrize(("keeps", "left"), [(0, 0), (3, 3)])
def test_a_sleeper_finds_what_its_buffer_held(keeps: int, left: int) -> None:
    world = World(seed=1)
    sleeper = Beat(A, B, every=1.0, count=100)
    world.add("sleeper", sleeper, A)
    world.add("caller", Beat(B, A, every=1.0, count=10), B)
    world.at(2.5, lambda: world.sleep("sleeper", keeps=keeps))
    world.at(50.0, lambda: world.wake("sleeper"))
    world.run(until=49.0)
    assert sleeper.woken == [0.0, 1.0, 2.0]
    assert len(sleeper.heard) == 3
    world.run(until=60.5)
    assert sleeper.woken[3:] == [50.0, *map(float, range(51, 61))]
    assert len(sleeper.heard) == 3 + left
    assert world.journal.counts["asleep"] == 7 - left


def test_taps_change_drop_and_repeat() -> None:
    world, ann, bob = pair()

    def tamper(datagram: Datagram) -> Datagram | list[Datagram] | None:
        match datagram.payload:
            case b"drop":
                return None
            case b"twice":
                return [datagram, datagram]
            case b"change":
                return Datagram(datagram.source, datagram.to, b"changed")
        return datagram

    world.tap(tamper)
    for payload in (b"drop", b"twice", b"change", b"keep"):
        ann.say(A, B, payload)
    world.run_for(1.0)
    assert bob.payloads() == [b"twice", b"twice", b"changed", b"keep"]
    assert world.journal.counts["tapped"] == 1
    world.untap(tamper)
    ann.say(A, B, b"drop")
    world.run_for(1.0)
    assert bob.payloads()[4:] == [b"drop"]


def test_a_tap_may_send_to_a_third_host() -> None:
    world, ann, bob = pair()
    carol = Listener()
    world.add("carol", carol, "203.0.113.3")
    world.tap(lambda datagram: Datagram(datagram.source, udp("203.0.113.3", 1), datagram.payload))
    ann.say(A, B)
    world.run_for(1.0)
    assert (bob.heard, carol.payloads()) == ([], [b"hello"])


def test_injected_datagrams_come_from_anybody() -> None:
    world, _, bob = pair()
    world.inject(Datagram(udp("8.8.8.8", 53), udp(B, 1), b"spoofed"))
    world.inject(Datagram(udp("8.8.8.8", 53), udp("192.0.2.77", 1), b"nowhere"))
    world.run_for(1.0)
    assert bob.heard == [(0.01, "8.8.8.8", b"spoofed")]
    assert world.journal.counts == {"no_route": 2, "arrived": 1}


def test_a_link_of_its_own_between_two_hosts() -> None:
    world, ann, bob = pair()
    world.between("ann", "bob", Link(delay=0.5))
    ann.say(A, B)
    world.run_for(1.0)
    assert bob.heard[0][0] == 0.5
    assert ann.heard[0][0] == 0.52
    world.between("ann", "bob", None)
    ann.say(A, B)
    world.run_for(1.0)
    assert bob.heard[1][0] == pytest.approx(1.02)


def test_wires_change_while_the_world_runs() -> None:
    world, ann, bob = pair()
    world.relink("bob", Link(loss=1.0))
    ann.say(A, B)
    world.run_for(1.0)
    assert bob.heard == []
    world.relink("bob", Link(delay=0.1))
    ann.say(A, B)
    world.run_for(1.0)
    assert bob.heard[0][0] == pytest.approx(1.11)


def test_a_shared_wire_down_serves_in_order_of_time() -> None:
    world = World(seed=1)
    ears = Listener()
    world.add("ears", ears, A, link=Link(delay=0.0, rate=1e6))
    far, close = Listener(), Listener()
    world.add("far", far, B, link=Link(delay=0.5))
    world.add("close", close, "198.51.100.3", link=Link(delay=0.001))
    far.say(B, A, b"far")
    world.run_for(0.01)
    close.say("198.51.100.3", A, b"close")
    world.run_for(1.0)
    assert ears.payloads() == [b"close", b"far"]
    assert ears.heard[0][0] < 0.02


def test_nobody_at_an_address_is_a_loss() -> None:
    world, ann, _ = pair()
    ann.say(A, "192.0.2.1")
    ann.say("192.0.2.9", B)
    ann.say("::", C)
    world.run_for(1.0)
    assert world.journal.counts == {"no_route": 3}


def test_a_wildcard_source_is_filled_in_by_family_and_segment() -> None:
    world, ann, bob = pair()
    world.lan("home")
    world.attach("ann", "192.168.1.2", network="home")
    world.attach("bob", "192.168.1.3", network="home")
    world.attach("ann", C)
    world.attach("bob", "2001:db8::4")
    for to in (B, "192.168.1.3", "2001:db8::4"):
        ann.say("::" if ":" in to else "0.0.0.0", to)
    world.run_for(1.0)
    assert sorted(source for _, source, _ in bob.heard) == ["192.168.1.2", A, C]
    assert world.addresses("ann") == [A, "192.168.1.2", C]
    world.detach("ann", A)
    assert world.addresses("ann") == ["192.168.1.2", C]


class Translator:
    """A toy: everything inside has one address outside, ports are kept, the last to send hears the answers."""

    def __init__(self, address: str) -> None:
        self.addresses = (address,)
        self._inside = ""

    def routes(self, address: str) -> bool:
        return False

    def outward(self, datagram: Datagram, *, now: float) -> Datagram | None:
        self._inside = datagram.source.host
        return Datagram(Endpoint("udp", self.addresses[0], datagram.source.port), datagram.to, datagram.payload)

    def inward(self, datagram: Datagram, *, now: float) -> Datagram | None:
        if not self._inside:
            return None
        return Datagram(datagram.source, Endpoint("udp", self._inside, datagram.to.port), datagram.payload)


def test_a_segment_behind_an_open_router_is_part_of_the_internet() -> None:
    world, ann, bob = pair()
    world.lan("office", router=OpenRouter(), uplink=Link(delay=0.1))
    carol = Echo()
    world.add("carol", carol, "203.0.113.3", network="office")
    ann.say(A, "203.0.113.3")
    carol.say("203.0.113.3", B, b"out")
    world.run_for(1.0)
    assert carol.heard[0][0] == pytest.approx(0.1102)
    assert ann.payloads() == [b"re:hello"]
    assert bob.payloads() == [b"out"]
    world.remove("carol")
    ann.say(A, "203.0.113.3")
    world.run_for(1.0)
    assert world.journal.counts["no_route"] == 1


def test_routers_translate_one_behind_the_other() -> None:
    world, ann, bob = pair()
    world.lan("carrier", router=Translator("203.0.113.7"))
    world.lan("home", router=Translator("100.64.0.2"), upstream="carrier")
    carol = Listener()
    world.add("carol", carol, "192.168.1.2", network="home")
    ann.say(A, "203.0.113.7", b"unasked")
    world.run_for(1.0)
    assert carol.heard == []
    assert world.journal.counts == {"router": 1}
    carol.say("192.168.1.2", B, b"out")
    world.run_for(1.0)
    assert bob.heard[0][1] == "203.0.113.7"
    assert carol.payloads() == [b"re:out"]


def test_the_same_private_address_may_be_in_two_homes() -> None:
    world = World(seed=1)
    homes = []
    for number in (1, 2):
        world.lan(f"home{number}", router=Translator(f"203.0.113.{number}"))
        homes.append((Listener(), Echo()))
        world.add(f"pc{number}", homes[-1][0], "192.168.1.2", network=f"home{number}")
        world.add(f"nas{number}", homes[-1][1], "192.168.1.3", network=f"home{number}")
    homes[0][0].say("192.168.1.2", "192.168.1.3", b"mine")
    world.run_for(1.0)
    assert homes[0][1].payloads() == [b"mine"]
    assert homes[1][1].heard == []


def test_a_datagram_for_one_that_left_its_home_does_not_come_out_again() -> None:
    world, ann, _ = pair()
    world.lan("home", router=Translator("203.0.113.7"))
    carol = Listener()
    world.add("carol", carol, "192.168.1.2", network="home")
    carol.say("192.168.1.2", B, b"out")
    world.run_for(1.0)
    world.remove("carol")
    ann.say(A, "203.0.113.7")
    world.run_for(1.0)
    assert world.journal.counts["no_route"] == 1


def test_an_address_routed_from_two_segments_is_refused() -> None:
    world, ann, _ = pair()
    world.lan("office", router=OpenRouter())
    with pytest.raises(ValueError, match="taken on internet"):
        world.attach("ann", B, network="office")
    assert ann.heard == []


def test_dice_are_each_hosts_own() -> None:
    one, two = World(seed=1), World(seed=2)
    assert one.dice("ann").random() == World(seed=1).dice("ann").random()
    assert len({one.dice("ann").random(), one.dice("bob").random(), two.dice("ann").random()}) == 3


def test_a_thousand_hosts() -> None:
    world = World(seed=1, journal=Journal(keep=10))
    names = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(1000)]
    for number, address in enumerate(names):
        world.add(f"h{number}", Beat(address, names[number * 7 % 1000], every=1.0, count=5), address)
    world.run(until=10.0)
    assert world.journal.counts == {"arrived": 5000}
