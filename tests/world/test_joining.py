"""Devices that share a name and a secret become one network, in virtual time."""

import itertools
import os
import subprocess
import sys

import msgspec
import pytest

from overlay.identity import network_keys
from overlay.node import happenings
from overlay.node.events import NodeUp, PeerGone, PeerJoined
from overlay.node.facts import LeaveAsked, PolicyChanged, WallClockJumped
from overlay.node.snapshot import Snapshot
from punch.sim import Link
from punch.values import Endpoint, udp
from tests.kit.contract import STATUS, faults
from tests.kit.village import Village


def test_two_nodes_meet_directly() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        assert village.paths(within=1.0, ann_vps="direct") < 0.3
        snapshot = village.look("ann")
        assert snapshot.network.members == 2
        assert snapshot.peers[0].rtt_ms == pytest.approx(40.0, abs=1)
        assert snapshot.self.ipv4 is not None
        assert snapshot.peers[0].ipv4 == village.look("vps").self.ipv4


def test_the_server_relays_for_two_that_cannot_reach_each_other() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        village.join("bob", "vps")
        village.part("ann", "bob")
        assert village.paths(within=1.0, ann_bob="relay via vps") < 0.8
        peer = village.peer("ann", "bob")
        assert peer is not None
        assert peer.path.hops == 2
        assert peer.path.endpoint == str(udp(village.world.addresses("vps")[0], 27182))
        assert peer.rtt_ms == pytest.approx(80.0, abs=2)


def test_public_endpoints_are_used_once_challenged() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        village.join("bob", "vps")
        village.paths(within=2.0, ann_bob="direct", ann_vps="direct", bob_vps="direct")


def test_a_chain_of_introductions_ends_with_all_knowing_all() -> None:
    village = Village()
    with village.world:
        names = [f"n{number}" for number in range(10)]
        village.join(names[0])
        for earlier, name in itertools.pairwise(names):
            village.join(name, earlier)
        assert village.world.run_until(village.all_connected, within=10.0) < 6.0


@pytest.mark.parametrize("seed", range(8))
def test_joining_survives_loss_delay_and_reordering(seed: int) -> None:
    village = Village(seed, link=Link(delay=0.02, jitter=0.03, loss=0.1, duplicate=0.05))
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        village.join("bob", "vps")
        village.part("ann", "bob")
        village.paths(within=20.0, ann_bob="relay via vps", ann_vps="direct", bob_vps="direct")


def test_a_wrong_secret_is_told_to_the_one_that_dials_and_counted_by_the_other() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("eve", "vps", keys=network_keys("home", b"x" * 32))
        village.world.run_until(lambda: "wrong_secret" in village.problems("eve"), within=2.0)
        assert village.look("eve").peers == []
        village.world.run_for(30.0)
        assert village.look("vps").peers == []
        assert sum(village.look("vps").drops.values()) > 0


def test_a_wrong_network_name_leads_nowhere_and_says_so() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("eve", "vps", keys=network_keys("office", b"k" * 32))
        village.world.run_until(lambda: "no_peer" in village.problems("eve"), within=5.0)
        assert village.look("vps").drops


def test_a_name_that_does_not_resolve_is_a_problem_and_is_tried_again() -> None:
    village = Village()
    with village.world:
        vps = village.join("vps")
        names: dict[str, tuple[Endpoint, ...]] = {}
        village.join("ann", "vps.example", resolver=names)
        village.world.run_until(lambda: "no_peer" in village.problems("ann"), within=5.0)
        assert "does not resolve" in village.look("ann").problems[0].text
        names["vps.example"] = (udp(village.world.addresses("vps")[0], 27182),)
        village.paths(within=70.0, ann_vps="direct")
        assert village.problems("ann") == []
        assert vps.node.id.hex() == village.look("ann").peers[0].id


def test_leaving_is_known_at_once() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        ann = village.join("ann", "vps")
        village.paths(within=2.0, ann_vps="direct")
        ann.tell(LeaveAsked(), now=village.world.now)
        village.world.run_for(0.1)
        gone = village.events("vps", PeerGone)
        assert [(event.name, event.left) for event in gone] == [("ann", True)]
        assert village.path("vps", "ann") == "gone"
        assert village.look("vps").network.members == 1


def test_a_killed_node_falls_silent_and_comes_back() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        ann = village.join("ann", "vps")
        village.paths(within=2.0, ann_vps="direct")
        address = village.world.addresses("ann")[0]
        village.crash("ann")
        village.world.run_until(lambda: bool(village.events("vps", PeerGone)), within=120.0)
        memory = ann.memory
        village.join("ann", "vps", address=address, remembered_ipv4=memory["ipv4"], sequence=memory["sequence"])
        village.paths(within=3.0, ann_vps="direct")
        assert village.look("ann").self.ipv4 == memory["ipv4"]


def test_a_restart_at_once_replaces_the_session_and_the_circuits() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        ann = village.join("ann", "vps")
        village.join("bob", "vps")
        village.part("ann", "bob")
        village.paths(within=2.0, ann_bob="relay via vps")
        address = village.world.addresses("ann")[0]
        village.crash("ann")
        village.join("ann", "vps", address=address, remembered_ipv4=ann.memory["ipv4"], sequence=ann.memory["sequence"])
        village.part("ann", "bob")
        village.world.run_for(3.0)
        village.ping("ann", "bob")
        village.ping("bob", "ann")


def test_a_restart_without_a_peer_finds_its_way_back() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        ann = village.join("ann", "vps")
        village.paths(within=2.0, ann_vps="direct")
        village.world.run_for(1.0)
        address = village.world.addresses("ann")[0]
        village.crash("ann")
        memory = ann.memory
        assert memory["records"]
        village.join(
            "ann",
            address=address,
            remembered_ipv4=memory["ipv4"],
            sequence=memory["sequence"],
            records=memory["records"],
            endpoints=tuple(udp(text.rpartition(":")[0], int(text.rpartition(":")[2])) for text in memory["endpoints"]),
        )
        village.paths(within=3.0, ann_vps="direct")


def test_relay_off_refuses_and_says_so_to_the_one_that_asked() -> None:
    village = Village()
    with village.world:
        village.join("vps", relay=False)
        village.join("ann", "vps")
        village.join("bob", "vps")
        village.part("ann", "bob")
        village.world.run_until(lambda: "relay_off" in village.problems("ann"), within=5.0)
        assert village.path("ann", "bob") == "connecting"
        assert "vps" in village.look("ann").problems[0].text


def test_relay_switched_off_while_it_carries_ends_the_circuit() -> None:
    village = Village()
    with village.world:
        vps = village.join("vps")
        village.join("ann", "vps")
        village.join("bob", "vps")
        village.part("ann", "bob")
        village.paths(within=2.0, ann_bob="relay via vps")
        vps.tell(PolicyChanged(False, (), ()), now=village.world.now)
        village.world.run_until(lambda: village.path("ann", "bob") != "relay via vps", within=5.0)
        vps.tell(PolicyChanged(True, (), ()), now=village.world.now)
        village.paths(within=90.0, ann_bob="relay via vps")


def test_nodes_with_one_name_get_distinct_ones() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("a", "vps", label="home")
        village.join("b", "vps", label="home")
        village.world.run_until(village.all_connected, within=3.0)
        village.world.run_for(2.0)
        assert sorted(peer.name for peer in village.look("vps").peers) == ["home", "home-2"]


def test_both_dial_each_other_at_the_same_moment() -> None:
    village = Village()
    with village.world:
        village.join("ann", "203.0.0.2")
        village.join("bob", "203.0.0.1")
        village.paths(within=2.0, ann_bob="direct")
        village.world.run_for(60.0)
        village.ping("ann", "bob")


def test_sessions_live_through_rekeys_suspend_and_a_jump_of_the_clock() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        village.join("bob", "vps")
        village.part("ann", "bob")
        village.paths(within=2.0, ann_bob="relay via vps")
        village.world.run_for(600.0)
        village.ping("ann", "bob")
        village.world.sleep("ann")
        village.world.run_for(400.0)
        village.world.wake("ann")
        village.world.run_for(30.0)
        village.ping("ann", "bob")
        village.nodes["ann"].tell(WallClockJumped(), now=village.world.now)
        village.world.run_for(10.0)
        village.ping("ann", "bob")


def test_an_idle_pair_sends_at_most_six_datagrams_a_minute() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        village.paths(within=2.0, ann_vps="direct")
        village.world.run_for(60.0)
        seen = village.recorded()
        village.world.run_for(600.0)
        assert village.path("ann", "vps") == "direct"
        assert len(seen) / 10 <= 6


def test_up_and_joined_are_told_once() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        village.world.run_for(30.0)
        assert len(village.events("ann", NodeUp)) == 1
        assert len(village.events("ann", PeerJoined)) == 1


def test_the_same_seed_tells_the_same_story_under_any_hash_seed() -> None:
    script = (
        "from tests.kit.village import Village\n"
        "v = Village(7)\n"
        "v.join('vps'); v.join('ann', 'vps'); v.join('bob', 'vps'); v.part('ann', 'bob')\n"
        "v.world.run_for(300.0)\n"
        "print(v.world.journal.digest())\n"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert digests[0] == digests[1]
    assert digests[0].strip()


def test_a_snapshot_is_what_the_contract_says() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        village.paths(within=2.0, ann_vps="direct")
        snapshot = village.look("ann")
        assert isinstance(snapshot, Snapshot)
        assert snapshot.self.endpoints[0].kind == "public"
        assert snapshot.punch.enabled is True
        assert snapshot.peers[0].punch.state == "idle"
        assert faults(msgspec.to_builtins(snapshot), STATUS) == []


def test_a_given_peer_that_left_is_dialled_until_it_is_back_even_without_its_memory() -> None:
    village = Village()
    with village.world:
        vps = village.join("vps")
        village.join("ann", "vps")
        village.paths(within=2.0, ann_vps="direct")
        village.world.run_for(5.0)
        vps.tell(LeaveAsked(), now=village.world.now)
        village.world.run_for(1.0)
        address = village.world.addresses("vps")[0]
        village.crash("vps")
        village.world.run_until(lambda: village.problems("ann") == ["no_peer"], within=10.0)
        village.join("vps", address=address)
        village.paths(within=70.0, ann_vps="direct")
        assert village.problems("ann") == []


@pytest.mark.parametrize("seed", [0, 15, 18, 36])
def test_a_new_identity_where_a_remembered_one_lived_is_met(seed: int) -> None:
    village = Village(seed)
    with village.world:
        village.join("anna")
        ben = village.join("ben", "anna")
        village.join("old", "anna")
        village.world.run_until(village.all_connected, within=5.0)
        village.world.run_for(2.0)
        memory = dict(ben.memory)
        address, place = village.world.addresses("old")[0], village.world.addresses("ben")[0]
        village.nodes["old"].tell(LeaveAsked(), now=village.world.now)
        village.world.run_for(1.0)
        village.crash("old")
        village.crash("ben")
        village.world.run_for(1.0 if seed % 2 else 0.01)
        village.join(
            "ben",
            address=place,
            remembered_ipv4=memory["ipv4"],
            sequence=memory["sequence"],
            records=memory["records"],
            endpoints=tuple(udp(text.rpartition(":")[0], 27182) for text in memory["endpoints"]),
        )
        village.world.run_for(village.world.dice("x").random() * 3)
        village.join("new", "anna" if seed % 3 else "ben", address=address)
        village.paths(within=5.0, new_ben="direct", new_anna="direct")


def test_the_list_of_the_departed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happenings, "MOST_DEPARTED", 3)
    village = Village()
    with village.world:
        village.join("vps")
        for number in range(5):
            name = f"n{number}"
            village.join(name, "vps")
            village.paths(within=3.0, **{f"{name}_vps": "direct"})
            village.nodes[name].tell(LeaveAsked(), now=village.world.now)
            village.world.run_for(0.5)
            village.crash(name)
        gone = [peer.name for peer in village.look("vps").peers if peer.state == "gone"]
        assert gone == ["n2", "n3", "n4"]
