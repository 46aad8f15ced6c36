"""Relays and strangers that lie: each lie ends as a counted drop, and the mesh goes on."""

from __future__ import annotations

import pytest

from overlay.node.events import PongHeard
from overlay.node.facts import PingAsked
from overlay.wire.frame import CONTROL, HANDSHAKE
from punch.sim.host import Datagram
from punch.values import Endpoint, udp
from tests.kit.village import Village, packet


def relayed(seed: int = 1) -> Village:
    """ann and bob by way of vps, eve a third member beside."""
    village = Village(seed)
    village.trio("eve")
    return village


def home(village: Village, name: str) -> Endpoint:
    """Where a node of the village listens."""
    return udp(village.world.addresses(name)[0], 27182)


def send(village: Village, a: str, b: str) -> None:
    """An application at `a` sends a packet to `b`."""
    source, target = village.look(a).self.ipv4, village.look(b).self.ipv4
    assert source is not None
    assert target is not None
    village.nodes[a].send(packet(source, target), now=village.world.now)


def drops(village: Village, name: str) -> int:
    """All drops counted at a node."""
    return sum(village.look(name).drops.values())


def test_a_relay_that_sends_to_a_third_node_fails_at_its_label() -> None:
    village = relayed()
    with village.world:
        vps, bob, eve = home(village, "vps"), home(village, "bob"), home(village, "eve")

        def misdirect(datagram: Datagram) -> Datagram:
            if datagram.source == vps and datagram.to == bob and datagram.payload[0] == CONTROL:
                return Datagram(vps, eve, datagram.payload)
            return datagram

        before = village.look("eve").drops
        village.world.tap(misdirect)
        village.nodes["ann"].tell(PingAsked(village.nodes["bob"].node.id, 7), now=village.world.now)
        village.world.run_for(1.0)
        after = village.look("eve").drops
        assert after.get("label_unknown", 0) > before.get("label_unknown", 0)
        assert not any(event.token == 7 for event in village.events("ann", PongHeard))


def test_a_relay_that_duplicates_and_reorders_delivers_each_message_once() -> None:
    village = relayed()
    with village.world:
        vps = home(village, "vps")
        held: list[Datagram] = []

        def shuffle(datagram: Datagram) -> list[Datagram]:
            if datagram.source != vps:
                return [datagram]
            held.append(datagram)
            if len(held) < 3:
                return []
            out, held[:] = [*reversed(held), *held], []
            return out

        village.world.tap(shuffle)
        for _ in range(5):
            village.nodes["ann"].tell(PingAsked(village.nodes["bob"].node.id, 9), now=village.world.now)
            village.world.run_for(1.0)
        assert village.look("ann").drops.get("replayed", 0) + village.look("bob").drops.get("replayed", 0) > 0
        assert len([event for event in village.events("ann", PongHeard) if event.token == 9]) <= 5


def test_a_relay_that_swallows_is_left_for_another_under_traffic() -> None:
    village = relayed()
    with village.world:
        vps, bob = home(village, "vps"), home(village, "bob")
        village.world.tap(lambda each: None if each.source == vps and each.to == bob else each)

        def arrives() -> bool:
            send(village, "ann", "bob")
            return bool(village.nodes["bob"].received())

        def both_left() -> bool:
            arrives()
            return village.path("ann", "bob") == village.path("bob", "ann") == "relay via eve"

        for _ in range(200):
            village.world.run_for(0.5)
            if both_left():
                break
        assert both_left()


def test_frames_from_a_wrong_address_move_nothing_before_a_challenge() -> None:
    village = relayed()
    with village.world:
        ann, vps, eve = home(village, "ann"), home(village, "vps"), home(village, "eve")
        stolen: list[Datagram] = []

        def steal(datagram: Datagram) -> Datagram | None:
            if datagram.source == ann and datagram.to == vps and datagram.payload[0] == CONTROL and not stolen:
                stolen.append(datagram)
                return Datagram(eve, vps, datagram.payload)
            return datagram

        village.world.tap(steal)
        village.world.run_for(60.0)
        assert stolen
        peer = village.peer("vps", "ann")
        assert peer is not None
        assert peer.path.endpoint == str(ann)
        village.ping("ann", "vps")


@pytest.mark.parametrize("kind", [HANDSHAKE, 5, CONTROL, 0, 3, 8, 9, 10, 255])
def test_a_strangers_garbage_is_counted_and_answered_by_nothing_longer(kind: int) -> None:
    village = relayed()
    with village.world:
        vps, stranger = home(village, "vps"), udp("198.51.100.66", 999)
        dice = village.world.dice("garbage")
        answers = 0

        def count(datagram: Datagram) -> Datagram:
            nonlocal answers
            answers += datagram.to == stranger
            return datagram

        village.world.tap(count)
        before = drops(village, "vps")
        for size in (1, 2, 15, 16, 17, 40, 108, 175, 176, 177, 1200, 1472):
            village.world.inject(Datagram(stranger, vps, bytes([kind]) + dice.randbytes(size - 1)))
        village.world.run_for(1.0)
        assert drops(village, "vps") - before >= 12
        assert answers == 0
        village.ping("ann", "bob")


def test_every_datagram_of_a_join_truncated_or_flipped_hurts_nobody() -> None:
    village = Village(5)
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        seen = village.recorded()
        village.paths(within=2.0, ann_vps="direct")
        before = drops(village, "vps") + drops(village, "ann")
        for datagram in seen:
            for size in range(0, len(datagram.payload), 3):
                village.world.inject(Datagram(datagram.source, datagram.to, datagram.payload[:size]))
            for bit in range(0, 8 * min(len(datagram.payload), 200), 5):
                spoiled = bytearray(datagram.payload)
                spoiled[bit // 8] ^= 1 << bit % 8
                village.world.inject(Datagram(datagram.source, datagram.to, bytes(spoiled)))
        village.world.run_for(5.0)
        assert drops(village, "vps") + drops(village, "ann") > before
        assert village.path("ann", "vps") == "direct"
        village.ping("ann", "vps")


def test_a_whole_recorded_join_replayed_opens_nothing() -> None:
    village = Village(6)
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        seen = village.recorded()
        village.paths(within=2.0, ann_vps="direct")
        village.world.run_for(300.0)
        members = village.look("vps").network.members
        for datagram in seen[:100]:
            village.world.inject(datagram)
        village.world.run_for(5.0)
        assert village.look("vps").network.members == members
        assert village.path("ann", "vps") == "direct"
        village.ping("vps", "ann")


def test_a_member_with_a_false_source_draws_at_most_three_times_its_bytes() -> None:
    village = relayed()
    with village.world:
        vps, victim = home(village, "vps"), udp("198.51.100.7", 5555)
        given = drawn = 0

        def lie(datagram: Datagram) -> Datagram:
            nonlocal given, drawn
            drawn += len(datagram.payload) if datagram.to == victim else 0
            if datagram.source == home(village, "eve") and datagram.to == vps:
                given += len(datagram.payload)
                return Datagram(victim, vps, datagram.payload)
            return datagram

        village.world.tap(lie)
        for _ in range(60):
            village.nodes["eve"].tell(PingAsked(village.nodes["vps"].node.id, 5), now=village.world.now)
            village.world.run_for(1.0)
        assert given > 1000
        assert drawn <= 3 * given


def test_a_peer_heard_again_after_silence_is_usable_at_once() -> None:
    village = relayed()
    with village.world:
        village.world.block("vps", "ann")
        village.world.run_until(lambda: village.path("ann", "vps") == "gone", within=120.0)
        village.world.run_for(5.0)
        village.world.unblock("vps", "ann")
        assert village.paths(within=30.0, ann_vps="direct") < 30.0
