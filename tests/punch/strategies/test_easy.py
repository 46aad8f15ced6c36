"""The strategies without a search: when they send, where to, and when they give up."""

from __future__ import annotations

from punch.strategies.low_ttl import LowTtl, opening_ttl
from punch.strategies.reachable import Reachable
from punch.strategies.simultaneous import Simultaneous
from punch.strategies.targets import Target
from punch.values import NatProfile, udp
from tests.punch.strategies.desks import FakeDesk

PUBLIC = Target(udp("198.51.100.9", 27182))
SIX = Target(udp("2001:db8::9", 27182))


def test_simultaneous_sends_at_its_offsets_and_gives_up() -> None:
    desk = FakeDesk()
    assert desk.run(Simultaneous(desk, (PUBLIC,))) == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert desk.over == (1.5, "exhausted")
    assert {via for _, via, _, _ in desk.sent} == {1}


def test_ipv6_has_its_own_offsets_and_socket() -> None:
    desk = FakeDesk()
    assert desk.run(Simultaneous(desk, (SIX,))) == [0.0, 0.05, 0.15, 0.4]
    assert {via for _, via, _, _ in desk.sent} == {2}


def test_what_is_better_has_a_start() -> None:
    desk = FakeDesk()
    desk.run(Simultaneous(desk, (SIX, PUBLIC)))
    assert [at for at, via, _, _ in desk.sent if via == 1] == [0.1, 0.2, 0.3, 0.5, 0.9]


def test_without_a_target_it_ends_at_once() -> None:
    desk = FakeDesk()
    assert desk.run(Simultaneous(desk, ())) == []
    assert desk.over == (0.0, "exhausted")


def test_with_a_search_behind_it_it_makes_room_in_time() -> None:
    desk = FakeDesk()
    assert desk.run(Simultaneous(desk, (PUBLIC,), until=0.5)) == [0.0, 0.1, 0.2, 0.4]
    assert desk.over == (0.5, "exhausted")


def test_a_poisonable_nat_sends_first() -> None:
    theirs = FakeDesk(remote=NatProfile(poisonable=True))
    assert theirs.run(Simultaneous(theirs, (PUBLIC,)))[0] == 0.2
    ours = FakeDesk(local=NatProfile(poisonable=True))
    assert ours.run(Simultaneous(ours, (PUBLIC,)))[0] == 0.0


def test_a_late_wakeup_sends_once_not_all_that_was_missed() -> None:
    desk = FakeDesk()
    strategy = Simultaneous(desk, (PUBLIC,))
    strategy.begin(now=0.0)
    strategy.due("send", now=5.0)
    assert [at for at, _, _, _ in desk.sent] == [0.0, 5.0]


def test_the_symmetric_side_knocks_at_the_reachable_one() -> None:
    desk = FakeDesk()
    assert desk.run(Reachable(desk, PUBLIC.endpoint, knocks=True)) == [0.0, 0.2, 0.5]
    assert desk.over == (1.1, "exhausted")


def test_the_reachable_side_sends_nothing_or_opens_its_filter() -> None:
    desk = FakeDesk()
    assert desk.run(Reachable(desk, None, knocks=False)) == []
    assert desk.over == (1.1, "exhausted")
    desk = FakeDesk()
    assert desk.run(Reachable(desk, PUBLIC.endpoint, knocks=False)) == [0.0, 0.4]


def test_openings_die_on_the_way_before_the_knocks() -> None:
    opener = FakeDesk(local=NatProfile(distance=3))
    opener.run(LowTtl(opener, (PUBLIC, SIX), opens=True))
    assert [(at, ttl) for at, _, _, ttl in opener.sent] == [(0.0, 4), (0.1, 4), (0.3, 4), (0.6, 0), (0.9, 0)]
    knocker = FakeDesk()
    assert knocker.run(LowTtl(knocker, (PUBLIC,), opens=False)) == [0.2, 0.4, 0.8]
    assert {ttl for _, _, _, ttl in knocker.sent} == {0}


def test_an_unmeasured_distance_has_a_default() -> None:
    assert opening_ttl(NatProfile()) == 8
    assert opening_ttl(NatProfile(distance=1)) == 2


def test_without_budget_all_of_it_comes_later() -> None:
    class Poor(FakeDesk):
        """No budget until 0.3 s."""

        def room(self, *, now: float) -> float:
            return 0.0 if now < 0.3 else 40.0

        def room_at(self, packets: float, *, now: float) -> float:
            return max(0.3, now)

    desk = Poor()
    assert desk.run(Simultaneous(desk, (PUBLIC,))) == [0.3, 0.4, 0.5, 0.7, 1.1]
    assert desk.over == (1.8, "exhausted")
