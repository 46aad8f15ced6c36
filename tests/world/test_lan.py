"""Members on one link, whom nobody told of each other; the link's group is a function here."""

from __future__ import annotations

from typing import Any

import pytest

from overlay.identity import network_keys
from overlay.node.commands import SendBeacon
from overlay.node.facts import BeaconHeard, PolicyChanged
from overlay.paths import nearby
from overlay.session.layout import mac1
from overlay.shell.virtual import VirtualNode
from punch.sim.host import Datagram
from punch.values import Endpoint, udp
from tests.kit.village import Village

PORT = 27182


class Lan:
    """A village on one switch."""

    def __init__(self, seed: int = 1) -> None:
        self.village = Village(seed)
        self.world = self.village.world
        self.said: list[tuple[str, bytes, float]] = []
        self._waiting: list[tuple[str, bytes]] = []

    def join(self, name: str, *peers: str, lan: bool = True, **changed: Any) -> VirtualNode:
        number = len(self.village.nodes) + 1
        address = f"10.9.{number >> 8}.{number & 255}"
        node = self.village.join(name, *peers, address=address, prefix=16, **changed)
        node._do[SendBeacon] = lambda command: self._waiting.append((name, command.payload))
        policy = PolicyChanged(True, node.node._rooms.setup.peers, (), lan=lan)
        node.tell(policy, now=self.world.now)
        return node

    def source(self, name: str) -> Endpoint:
        return udp(self.world.addresses(name)[0], PORT)

    def run(self, seconds: float) -> None:
        until = self.world.now + seconds
        while self.world.now < until:
            self.world.run_for(0.02)
            waiting, self._waiting = self._waiting, []
            for name, payload in waiting:
                self.said.append((name, payload, self.world.now))
                for other, node in list(self.village.nodes.items()):
                    node.tell(BeaconHeard(payload, self.source(name)), now=self.world.now)
                    assert other in self.village.nodes

    def hear(self, name: str, payload: bytes, source: Endpoint) -> None:
        self.village.nodes[name].tell(BeaconHeard(payload, source), now=self.world.now)

    def drops(self, name: str) -> dict[str, int]:
        return self.village.look(name).drops


def m1(seen: list[Datagram]) -> list[Datagram]:
    """First messages of handshakes."""
    return [each for each in seen if each.payload[:2] == bytes((4, 1))]


def beacon(number: int, *, name: str = "home") -> bytes:
    """One that anybody who knows the name can make."""
    nonce = number.to_bytes(16, "little")
    return nonce + mac1(network_keys(name, bytes(32)).mac_key, nonce)


def test_two_meet_and_then_leave_each_other_alone() -> None:
    lan = Lan()
    with lan.world:
        lan.join("ann")
        lan.run(5.0)
        began = lan.world.now
        lan.join("bob")
        lan.run(0.3)
        assert lan.village.path("ann", "bob") == "direct"
        seen = lan.village.recorded()
        lan.run(130.0)
        assert not m1(seen), "a peer that is known there causes no dial"
        times = [at - began for name, _, at in lan.said if name == "bob"]
        assert times == pytest.approx([0, 1, 3, 63, 123], abs=0.1)
        assert len({payload for _, payload, _ in lan.said}) == len(lan.said)
        assert all(len(payload) == 32 for _, payload, _ in lan.said)
        assert lan.drops("ann").get("guess", 0) == 0


def test_switched_off_it_says_and_hears_nothing() -> None:
    lan = Lan()
    with lan.world:
        lan.join("ann")
        lan.join("bob", lan=False)
        lan.run(10.0)
        assert "bob" not in {name for name, _, _ in lan.said}
        assert lan.village.path("ann", "bob") == "unknown"


def test_a_crowd_on_the_link_does_not_fall_upon_a_newcomer() -> None:
    lan = Lan(2)
    with lan.world:
        for number in range(10):
            lan.join(f"n{number}", *(("n0",) if number else ()))
        lan.run(4.0)
        lan.join("new")
        lan.run(2.0)
        assert sum(peer.state == "connected" for peer in lan.village.look("new").peers) == 10
        assert "guess" not in lan.drops("new")


def test_another_secret_on_the_link_is_dialled_once_an_hour_and_told_only_to_who_is_alone() -> None:
    lan = Lan(3)
    with lan.world:
        lan.join("ann")
        lan.join("bob", "ann")
        lan.run(2.0)
        lan.join("eve", keys=network_keys("home", b"e" * 32))
        lan.run(4.0)
        seen = lan.village.recorded()
        lan.run(600.0)
        assert not [each for each in m1(seen) if each.source == lan.source("ann")]
        assert "wrong_secret" not in lan.village.problems("ann")
        assert "wrong_secret" in lan.village.problems("eve")
        assert lan.drops("ann")["beacon_rate"] > 3


def test_what_is_no_beacon_or_comes_from_elsewhere_causes_nothing() -> None:
    lan = Lan(4)
    with lan.world:
        lan.join("ann")
        lan.run(4.0)
        seen = lan.village.recorded()
        near = udp("10.9.7.7", PORT)
        for payload in (b"", bytes(31), bytes(32), bytes(33), beacon(1, name="other")):
            lan.hear("ann", payload, near)
        far = ("192.0.2.7", "127.0.0.1", "10.9.255.255", "224.0.0.1", lan.world.addresses("ann")[0], "10.200.0.1")
        for number, host in enumerate(far):
            lan.hear("ann", beacon(number), udp(host, PORT))
        lan.hear("ann", beacon(99), udp("10.9.7.7", 0))
        lan.run(5.0)
        assert not m1(seen)
        assert lan.drops("ann")["beacon_mac"] == 2
        assert lan.drops("ann")["beacon_malformed"] == 3
        assert lan.drops("ann")["beacon_off_link"] == len(far) + 1


def test_a_beacon_causes_one_dial_of_four_packets_at_most_and_a_flood_of_them_few() -> None:
    lan = Lan(5)
    with lan.world:
        lan.join("ann")
        lan.run(4.0)
        seen = lan.village.recorded()
        for number in range(5):
            lan.hear("ann", beacon(7), udp("10.9.7.7", PORT))
            lan.hear("ann", beacon(100 + number), udp("10.9.7.7", PORT))
        lan.run(30.0)
        assert len(m1(seen)) <= 4
        for number in range(3000):
            lan.hear("ann", beacon(1000 + number), udp(f"10.9.{20 + (number >> 8)}.{number & 255}", PORT))
        lan.run(10.0)
        assert len(m1(seen)) <= 4 * (nearby.DEPTH + 2)
        assert lan.drops("ann")["beacon_rate"] > 2900


def test_a_member_whose_record_names_the_place_is_not_dialled_again() -> None:
    lan = Lan(6)
    with lan.world:
        lan.join("ann")
        lan.join("bob", "ann")
        lan.run(3.0)
        seen = lan.village.recorded()
        lan.hear("ann", beacon(5), lan.source("bob"))
        lan.run(5.0)
        assert not m1(seen)
