"""A node that leaves says so to everybody, whoever carries it there, before its sockets close."""

from __future__ import annotations

import pytest

from overlay.node.events import Left, PeerGone, PeerJoined
from overlay.node.facts import LeaveAsked
from punch.sim import Link
from tests.kit.village import Village


def leave(village: Village, name: str, *, within: float = 0.2) -> None:
    """`name` leaves; by then its sockets are closed."""
    village.nodes[name].tell(LeaveAsked(), now=village.world.now)
    village.world.run_for(within)
    assert len(village.events(name, Left)) == 1
    village.crash(name)


def farewells(village: Village, name: str) -> list[tuple[str, bool]]:
    return [(event.name, event.left) for event in village.events(name, PeerGone)]


@pytest.mark.parametrize("seed", range(5))
def test_it_is_known_at_once_to_those_behind_a_relay_too(seed: int) -> None:
    village = Village(seed)
    with village.world:
        village.trio()
        leave(village, "ann")
        village.world.run_for(0.3)
        assert farewells(village, "vps") == farewells(village, "bob") == [("ann", True)]
        assert village.path("bob", "ann") == "gone" == village.path("vps", "ann")


@pytest.mark.parametrize("lost", [0.01, 0.05])
def test_a_lost_word_is_said_again(lost: float) -> None:
    village = Village()
    with village.world:
        village.trio()
        until = village.world.now + lost
        ann = village.world.addresses("ann")[0]
        village.world.tap(lambda each: None if each.source.host == ann and village.world.now < until else each)
        leave(village, "ann")
        village.world.run_for(0.3)
        assert farewells(village, "vps") == farewells(village, "bob") == [("ann", True)]


def test_nobody_to_tell_nothing_to_wait_for() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.world.run_for(1.0)
        leave(village, "vps", within=0.001)


def test_asked_twice_it_ends_once() -> None:
    village = Village()
    with village.world:
        village.trio()
        for _ in range(3):
            village.nodes["ann"].tell(LeaveAsked(), now=village.world.now)
        village.world.run_for(0.5)
        assert len(village.events("ann", Left)) == 1


@pytest.mark.parametrize("later", [0.1 * step for step in range(8)])
def test_a_dial_that_ends_after_the_farewell_brings_nobody_back(later: float) -> None:
    village = Village(link=Link(delay=0.02))
    with village.world:
        village.join("ann", "203.0.2.2")
        village.world.run_for(0.5 + later)
        village.join("bob", "ann", address="203.0.2.2")
        village.world.run_until(lambda: bool(village.events("ann", PeerJoined)), within=10.0)
        leave(village, "bob", within=0.4)
        village.world.run_for(15.0)
        assert village.path("ann", "bob") == "gone"
        assert len(village.events("ann", PeerJoined)) == 1 == len(village.events("ann", PeerGone))
