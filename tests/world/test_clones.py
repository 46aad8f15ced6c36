"""The same state folder on two hosts that run at once: both persons are told, nothing storms, and it passes.

      vps          one id, the same tickets; the session of vps with it is whose handshake came last
     /   \\
   ann   twin
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from overlay.node.events import PongHeard
from overlay.node.facts import LeaveAsked, PingAsked
from overlay.shell.virtual import VirtualNode, remembered
from punch.sim.host import Datagram
from punch.sim.model import NatModel
from tests.kit.village import Village

HANDSHAKE = 4
CODE = "duplicate_id"
TWIN = "203.0.1.9"


def copied(village: Village, disk: dict[str, Any], *, of: str = "ann") -> None:
    """A host `twin` that runs a copy of the state folder of `of`, as it was when `disk` was read."""
    world, dice = village.world, village.world.dice("twin")
    setup = replace(village.nodes[of].node._rooms.setup, boot=dice.randbytes(8), **remembered(disk))
    twin = VirtualNode(setup, ((TWIN, 32, "eth0"),), keygen=dice.randbytes, entropy=dice, now=world.now)
    world.add("twin", twin, TWIN, network="internet")
    village.nodes["twin"] = twin


def told(village: Village, *names: str) -> bool:
    """Whether all of these show that their identity runs twice."""
    return all(CODE in village.problems(name) for name in names)


def handshakes(seen: list[Datagram]) -> int:
    """Handshake frames among these."""
    return sum(each.payload[:1] == bytes((HANDSHAKE,)) for each in seen)


def reach(village: Village, a: str, b: str, *, within: float) -> None:
    """One ping of several passes; between idle members a session that the other end dropped shows by its keepalives."""
    until = village.world.now + within
    while not village.events(a, PongHeard) or village.events(a, PongHeard)[-1].peer != village.nodes[b].node.id:
        assert village.world.now < until
        village.nodes[a].tell(PingAsked(village.nodes[b].node.id, 5), now=village.world.now)
        village.world.run_for(1.0)


@pytest.mark.parametrize("idle", [3.0, 100.0])
def test_both_are_told_within_seconds_that_a_copy_runs(idle: float) -> None:
    village = Village(11)
    with village.world as world:
        village.trio(relayed=False)
        world.run_for(idle)
        copied(village, dict(village.nodes["ann"].disk))
        world.run_until(lambda: told(village, "ann", "twin"), within=5.0)
        assert not any(told(village, other) for other in ("vps", "bob"))
        text = next(each.text for each in village.look("ann").problems if each.code == CODE)
        assert TWIN in text


def test_an_old_copy_is_told_too() -> None:
    village = Village(12)
    with village.world as world:
        village.trio(relayed=False)
        old = dict(village.nodes["ann"].disk)
        world.run_for(600.0)
        copied(village, old)
        world.run_until(lambda: told(village, "ann", "twin"), within=5.0)


def test_both_started_at_once_from_one_folder_are_told() -> None:
    village = Village(13)
    with village.world as world:
        village.trio(relayed=False)
        home, gone = world.addresses("ann")[0], village.crash("ann")
        world.run_for(2.0)
        village.join("ann", "vps", address=home, **remembered(gone.disk))
        copied(village, gone.disk)
        world.run_until(lambda: told(village, "ann", "twin"), within=10.0)


def test_behind_nats_both_are_told_by_the_one_they_reach() -> None:
    village = Village(14)
    with village.world as world:
        village.join("vps")
        village.behind("ann", NatModel(), "vps")
        village.behind("bob", NatModel(), "vps")
        village.paths(within=8.0, ann_vps="direct", bob_vps="direct")
        world.run_for(30.0)
        copied(village, dict(village.nodes["ann"].disk))
        world.run_until(lambda: told(village, "ann", "twin"), within=5.0)


def test_a_pair_that_runs_on_costs_the_others_little() -> None:
    village = Village(15)
    with village.world as world:
        village.trio(relayed=False)
        copied(village, dict(village.nodes["ann"].disk))
        world.run_for(20.0)
        seen = village.recorded()
        sequence = village.nodes["vps"].node.member(village.nodes["ann"].node.id)
        records = 0
        for _ in range(200):
            for name in ("ann", "twin"):
                village.nodes[name].tell(PingAsked(village.nodes["vps"].node.id, 7), now=world.now)
            world.run_for(1.0)
            now = village.nodes["vps"].node.member(village.nodes["ann"].node.id)
            records, sequence = records + (now != sequence), now
            assert told(village, "ann", "twin")
        assert records <= 20
        assert handshakes(seen) <= 100


@pytest.mark.parametrize("politely", [False, True])
@pytest.mark.parametrize("ends", ["ann", "twin"])
def test_when_one_ends_the_other_goes_on_and_the_problem_goes(ends: str, politely: bool) -> None:
    village = Village(16)
    with village.world as world:
        village.trio(relayed=False)
        copied(village, dict(village.nodes["ann"].disk))
        world.run_until(lambda: told(village, "ann", "twin"), within=5.0)
        world.run_for(30.0)
        if politely:
            village.nodes[ends].tell(LeaveAsked(), now=world.now)
            world.run_for(1.0)
        village.crash(ends)
        stays = "twin" if ends == "ann" else "ann"
        for other in ("vps", "bob"):
            reach(village, stays, other, within=90.0)
            reach(village, other, stays, within=90.0)
        world.run_until(lambda: not told(village, stays), within=600.0)
        assert village.path(stays, "vps") == "direct"


def test_a_restart_is_no_copy() -> None:
    village = Village(17)
    with village.world as world:
        village.trio(relayed=False)
        home = world.addresses("ann")[0]
        for seconds in (0.2, 3.0, 20.0):
            gone = village.crash("ann")
            world.run_for(seconds)
            village.join("ann", "vps", address=home, **remembered(gone.disk))
            world.run_for(seconds)
        gone = village.crash("ann")
        village.join("ann", "vps", address="203.0.1.77", **remembered(gone.disk | {"sequence": 0}))
        world.run_for(60.0)
        assert not told(village, "ann")
        assert village.path("ann", "vps") == "direct"
