"""A member that restarts is back without CPace and without a guess token, and so is who slept or was set back."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from overlay.identity import network_keys
from overlay.node.facts import WallClockJumped
from overlay.shell.virtual import VirtualNode, remembered
from punch.sim import Link
from punch.sim.host import Datagram
from punch.sim.model import NatModel
from tests.kit.village import Village, packet

HANDSHAKE = 4
M1, R1, R2 = 1, 5, 6


def disk(node: VirtualNode) -> dict[str, Any]:
    """What a restarted node is handed of an earlier run."""
    return remembered(node.memory)


def kinds(seen: list[Datagram]) -> list[int]:
    """Kinds of the handshake frames that went as datagrams."""
    return [each.payload[1] for each in seen if each.payload[:1] == bytes((HANDSHAKE,))]


def restart(village: Village, name: str, *peers: str, **where: Any) -> None:
    """Killed, a second later back with what its disk remembers."""
    gone = village.crash(name)
    village.world.run_for(1.0)
    village.join(name, *peers, **where, **disk(gone))


def village_address(village: Village, node: VirtualNode) -> str | None:
    """The overlay address of a node."""
    return node.snapshot(now=village.world.now).self.ipv4


def tokens(village: Village) -> int:
    """Guess tokens that are missing anywhere."""
    rooms = [node.node._rooms.session for node in village.nodes.values()]
    return sum(len(each._answerer._guesses) + len(each._dialler._guesses) for each in rooms)


def drops(village: Village) -> dict[str, int]:
    """What was dropped in sessions, by all nodes."""
    total: dict[str, int] = {}
    for node in village.nodes.values():
        for reason, count in node.node._rooms.session.drops.items():
            total[reason] = total.get(reason, 0) + count
    return total


@pytest.mark.parametrize("given", [True, False], ids=["with --peer", "from its disk alone"])
def test_a_restart_is_back_within_two_round_trips_by_tickets_alone(given: bool) -> None:
    village = Village(5)
    with village.world as world:
        village.trio()
        address = world.addresses("ann")[0]
        gone = village.crash("ann")
        world.run_for(1.0)
        seen = village.recorded()
        began = world.now
        village.join("ann", *(("vps",) if given else ()), address=address, **disk(gone))
        village.part("ann", "bob")
        village.paths(within=2.0, ann_vps="direct", ann_bob="relay via vps")
        village.ping("ann", "bob", within=0.5)
        assert world.now - began < 0.8
        assert M1 not in kinds(seen)
        assert kinds(seen).count(R2) >= 1
        assert tokens(village) == 0
        assert "resume_unknown" not in drops(village)


def test_where_the_links_are_short_a_relayed_packet_passes_both_ways_at_once() -> None:
    village = Village(12, link=Link(delay=0.0002))
    with village.world as world:
        village.trio()
        address = world.addresses("ann")[0]
        gone = village.crash("ann")
        world.run_for(1.0)
        ann, bob = village.join("ann", "vps", address=address, **disk(gone)), village.nodes["bob"]
        village.part("ann", "bob")
        began, came = world.now, [0, 0]
        for _ in range(50):
            for node, (source, target) in ((ann, (ann, bob)), (bob, (bob, ann))):
                there, back = (str(village_address(village, each)) for each in (source, target))
                node.send(packet(there, back), now=world.now)
            world.run_for(0.002)
            came = [came[k] + len(node.received()) for k, node in enumerate((ann, bob))]
            if all(came):
                break
        assert world.now - began < 0.05


def test_behind_nats_over_the_relay_too() -> None:
    village = Village(6)
    with village.world as world:
        village.join("vps")
        village.behind("ann", NatModel(), "vps")
        village.behind("bob", NatModel(), "vps")
        village.paths(within=8.0, ann_vps="direct", bob_vps="direct")
        world.run_for(3.0)
        seen = village.recorded()
        restart(village, "bob", "vps", address="192.168.2.2", network="bob's home", prefix=24)
        world.run_until(lambda: village.path("bob", "ann") not in ("unknown", "connecting"), within=3.0)
        village.ping("bob", "ann", within=1.0)
        assert M1 not in kinds(seen)
        assert tokens(village) == 0
        assert "guess" not in drops(village)


def test_over_and_over_and_both_at_once() -> None:
    village = Village(7)
    with village.world as world:
        village.trio(relayed=False)
        seen = village.recorded()
        for round_ in range(6):
            names = ("ann",) if round_ % 2 else ("ann", "vps")
            homes = {name: world.addresses(name)[0] for name in names}
            gone = {name: village.crash(name) for name in names}
            world.run_for(0.5)
            for name in reversed(names):
                peers = ("vps",) if name == "ann" else ()
                village.join(name, *peers, address=homes[name], **disk(gone[name]))
            village.paths(within=4.0, ann_vps="direct", bob_vps="direct")
            world.run_for(1.0)
        assert M1 not in kinds(seen)
        assert tokens(village) == 0


def test_who_lost_its_disk_is_met_anew_at_once() -> None:
    village = Village(8)
    with village.world as world:
        village.trio(relayed=False)
        address = world.addresses("ann")[0]
        gone = village.crash("ann")
        village.join("ann", "vps", address=address, sequence=gone.memory["sequence"])
        village.paths(within=2.0, ann_vps="direct", ann_bob="direct")
        assert tokens(village) == 0


def test_a_changed_secret_lets_nobody_back_with_an_old_ticket() -> None:
    village = Village(9)
    with village.world as world:
        village.trio(relayed=False)
        homes = {name: world.addresses(name)[0] for name in village.nodes}
        stolen = disk(village.nodes["bob"])
        for name in ("vps", "ann", "bob"):
            village.crash(name)
        other = network_keys("home", b"n" * 32)
        village.join("vps", address=homes["vps"], keys=other)
        village.join("ann", "vps", address=homes["ann"], keys=other)
        village.paths(within=3.0, ann_vps="direct")
        village.join("bob", "vps", address=homes["bob"], **stolen)
        world.run_for(30.0)
        assert village.path("bob", "vps") in ("unknown", "connecting")
        assert len(village.look("vps").peers) == 1


def test_a_host_set_back_discards_its_sessions_and_resumes_them() -> None:
    village = Village(10)
    with village.world as world:
        village.trio()
        seen = village.recorded()
        village.nodes["ann"].tell(WallClockJumped(), now=world.now)
        assert village.path("ann", "vps") != "direct"
        village.paths(within=3.0, ann_vps="direct", ann_bob="relay via vps")
        assert M1 not in kinds(seen)
        village.ping("ann", "bob")


def test_the_clone_of_a_device_is_let_in_like_the_device() -> None:
    village = Village(11)
    with village.world as world:
        village.trio(relayed=False)
        ann, dice = village.nodes["ann"], world.dice("clone")
        setup = replace(ann.node._rooms.setup, boot=b"a clone!", **disk(ann))
        clone = VirtualNode(setup, (("203.0.1.9", 32, "eth0"),), keygen=dice.randbytes, entropy=dice, now=world.now)
        world.add("clone", clone, "203.0.1.9", network="internet")
        village.nodes["clone"] = clone
        world.run_for(5.0)
        assert village.path("clone", "vps") == "direct"
        assert tokens(village) == 0
