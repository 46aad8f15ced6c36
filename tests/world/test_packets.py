"""Packets through whole nodes, data plane and TUN double included, in virtual time."""

import pytest

from punch.sim import Link
from punch.sim.host import Datagram
from tests.kit.village import Village, packet


def inner(village: Village, name: str, version: int) -> str:
    """The overlay address of a node."""
    own = village.look(name).self
    address = own.ipv4 if version == 4 else own.ipv6
    assert address is not None
    return address


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("relayed", [False, True])
def test_packets_pass_both_ways(relayed: bool, version: int) -> None:
    village = Village()
    with village.world:
        village.trio(relayed=relayed)
        for a, b in (("ann", "bob"), ("bob", "ann")):
            sent = [packet(inner(village, a, version), inner(village, b, version), bytes([n]) * 900) for n in range(20)]
            for each in sent:
                village.nodes[a].send(each, now=village.world.now)
            village.world.run_for(0.5)
            assert village.nodes[b].received() == sent
        assert village.look("vps").peers
        assert village.nodes["vps"].received() == []


def test_traffic_is_counted_and_reported() -> None:
    village = Village()
    with village.world:
        village.trio(relayed=True)
        for _ in range(10):
            village.nodes["ann"].send(packet(inner(village, "ann", 4), inner(village, "bob", 4)), now=village.world.now)
            village.world.run_for(1.0)
        peer = village.peer("ann", "bob")
        other = village.peer("bob", "ann")
        assert peer is not None
        assert other is not None
        assert peer.loss == 0.0
        assert peer.tx_bytes == other.rx_bytes > 0
        assert peer.jitter_ms is not None


def test_a_packet_sent_before_the_way_is_known_arrives() -> None:
    village = Village()
    with village.world:
        village.trio(relayed=True)
        ann, bob = inner(village, "ann", 4), inner(village, "bob", 4)
        village.world.unplug("vps")
        village.world.run_for(80.0)
        village.nodes["ann"].send(packet(ann, bob), now=village.world.now)
        village.world.replug("vps")
        village.world.run_for(4.0)
        assert village.nodes["bob"].received() == [packet(ann, bob)]


def test_a_spoofed_inner_source_is_a_counted_drop() -> None:
    village = Village()
    with village.world:
        village.trio(relayed=False)
        village.nodes["ann"].send(packet(inner(village, "vps", 4), inner(village, "bob", 4)), now=village.world.now)
        village.world.run_for(0.5)
        assert village.nodes["bob"].received() == []
        assert village.look("bob").drops["source_foreign"] == 1


def test_replayed_data_is_delivered_once() -> None:
    village = Village()
    with village.world:
        village.trio(relayed=True)
        village.world.tap(lambda datagram: [datagram, datagram])
        village.nodes["ann"].send(packet(inner(village, "ann", 4), inner(village, "bob", 4)), now=village.world.now)
        village.world.run_for(1.0)
        assert len(village.nodes["bob"].received()) == 1
        assert village.look("bob").drops["replayed"] >= 1


@pytest.mark.parametrize("seed", range(4))
def test_garbled_frames_never_arrive_and_never_hurt(seed: int) -> None:
    village = Village(seed)
    with village.world:
        village.trio(relayed=True)
        dice = village.world.dice("garble")

        def garble(datagram: Datagram) -> Datagram:
            if dice.random() < 0.5:
                return datagram
            spoiled = bytearray(datagram.payload)
            for _ in range(dice.randrange(1, 4)):
                spoiled[dice.randrange(len(spoiled))] ^= 1 << dice.randrange(8)
            cut = dice.randrange(1, len(spoiled) + 1) if dice.random() < 0.3 else len(spoiled)
            return Datagram(datagram.source, datagram.to, bytes(spoiled[:cut]))

        village.world.tap(garble)
        whole = packet(inner(village, "ann", 4), inner(village, "bob", 4))
        for _ in range(200):
            village.nodes["ann"].send(whole, now=village.world.now)
            village.world.run_for(0.05)
        arrived = village.nodes["bob"].received()
        assert arrived
        assert all(each == whole for each in arrived)
        assert sum(village.look("bob").drops.values()) > 0


def test_games_over_a_lossy_link_lose_what_the_link_loses() -> None:
    village = Village(3, link=Link(delay=0.01, loss=0.02, jitter=0.005))
    with village.world:
        village.trio(relayed=False)
        for _ in range(500):
            village.nodes["ann"].send(
                packet(inner(village, "ann", 4), inner(village, "bob", 4), bytes(200)), now=village.world.now
            )
            village.world.run_for(0.02)
        assert 450 <= len(village.nodes["bob"].received()) <= 500
