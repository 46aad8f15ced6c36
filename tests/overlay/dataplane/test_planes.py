"""The same conversations over memory planes and over real TUNs."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest

from overlay.dataplane import port
from overlay.values import Label
from overlay.wire.frame import HEADER
from tests.overlay.dataplane.nets import LinuxNet, MemoryNet, Net, keys, meet, routes, way
from tests.overlay.dataplane.packets import packed
from tests.overlay.dataplane.sides import inner, key, label, node

MakeNet = Callable[[int], Net]


@pytest.fixture(params=["memory", pytest.param("linux", marks=pytest.mark.kernel)])
def make(request: pytest.FixtureRequest) -> Iterator[MakeNet]:
    made: list[LinuxNet] = []

    def make_net(count: int) -> Net:
        if request.param == "memory":
            return MemoryNet(count)
        if os.geteuid() or not os.path.exists("/dev/net/tun"):
            pytest.skip("needs root and /dev/net/tun")
        made.append(LinuxNet(count))
        return made[-1]

    yield make_net
    for net in made:
        net.close()


@pytest.fixture
def pair(make: MakeNet) -> Net:
    net = make(2)
    meet(net, 1, 2)
    meet(net, 2, 1)
    return net


def drops(net: Net, number: int) -> dict[str, int]:
    """What a node dropped; a kernel's own multicast (its router solicitations) apart."""
    return {reason: count for reason, count in net.planes[number].counters().drops.items() if reason != "multicast"}


@pytest.mark.parametrize("six", [False, True])
def test_there_and_back(pair: Net, six: bool) -> None:
    pair.say(1, inner(2)[six], b"question")
    assert pair.heard(2, 1) == [b"question"]
    pair.say(2, inner(1)[six], b"answer")
    assert pair.heard(1, 1) == [b"answer"]
    mine, theirs = pair.planes[1].counters(), pair.planes[2].counters()
    assert mine.peers[node(2)].tx_bytes == theirs.peers[node(1)].rx_bytes > 0
    assert mine.peers[node(2)].complete == theirs.peers[node(1)].complete == 1
    assert (drops(pair, 1), drops(pair, 2)) == ({}, {})


@pytest.mark.parametrize("size", [1, 200, 1300])
def test_a_burst_arrives_in_order(pair: Net, size: int) -> None:
    burst = [number.to_bytes(2, "big") * (size // 2 + 1) for number in range(300)]
    for payload in burst:
        pair.say(1, inner(2)[0], payload)
    assert pair.heard(2, 300) == burst
    assert drops(pair, 2) == {}


def test_datagrams_larger_than_the_devices_mtu_are_fragments_inside(pair: Net) -> None:
    """An IP fragment has no offload, and passes; the receiver's kernel puts it together."""
    if isinstance(pair, MemoryNet):
        pytest.skip("no kernel that fragments")
    pair.say(1, inner(2)[0], b"x" * 5000)
    pair.say(1, inner(2)[1], b"y" * 5000)
    assert sorted(pair.heard(2, 2)) == [b"x" * 5000, b"y" * 5000]
    assert drops(pair, 2) == {}


def test_held_until_keys_and_way(make: MakeNet) -> None:
    net = make(2)
    meet(net, 2, 1)
    routes(net, 1, 2)
    for number in range(5):
        net.say(1, inner(2)[0], bytes((number,)))
    assert net.heard(2, 0) == []
    assert net.facts[1] == [port.TrafficWaiting(node(2))]
    keys(net, 1, 2)
    net.planes[1].apply(port.PutWay(node(2), (way(net, 1, 2),)))
    assert net.heard(2, 5) == [bytes((number,)) for number in range(5)]


def test_two_ways_deliver_once(pair: Net) -> None:
    pair.planes[1].apply(port.PutWay(node(2), (way(pair, 1, 2), way(pair, 1, 2, size=1200))))
    for number in range(50):
        pair.say(1, inner(2)[0], bytes((number,)) * 1000)
    assert pair.heard(2, 50) == [bytes((number,)) * 1000 for number in range(50)]
    assert set(drops(pair, 2)) == {"replayed"}


@pytest.mark.parametrize("offloads", [0, 4, 7])
def test_one_datagram_an_envelope_and_any_offloads(pair: Net, offloads: int) -> None:
    pair.planes[1].apply(port.PutOffloads(node(2), offloads))
    pair.planes[1].apply(port.PutWay(node(2), (way(pair, 1, 2, limit=1452 - 32),)))
    burst = [bytes((number,)) * 1000 for number in range(40)]
    for payload in burst:
        pair.say(1, inner(2)[0], payload)
    assert pair.heard(2, 40) == burst
    assert pair.planes[2].counters().peers[node(1)].complete >= 40
    assert all(HEADER.unpack_from(frame)[2] == 1 for frame in pair.sniffed())


def test_over_a_relay(make: MakeNet) -> None:
    net = make(3)
    going, coming = Label(0xA0000001), Label(0xA0000002)
    for number, peer, theirs in ((1, 2, going), (2, 1, coming)):
        routes(net, number, peer)
        keys(net, number, peer)
        net.planes[number].apply(port.PutLabel(label(number, peer), node(peer), True))
        net.planes[number].apply(port.PutWay(node(peer), (way(net, number, peer, by=3, as_label=theirs),)))
    net.planes[3].apply(port.PutCircuit(going, net.endpoint(1), label(2, 1), way(net, 3, 2).via, net.endpoint(2)))
    net.planes[3].apply(port.PutCircuit(coming, net.endpoint(2), label(1, 2), way(net, 3, 1).via, net.endpoint(1)))
    burst = [bytes((number,)) * 1000 for number in range(100)]
    for payload in burst:
        net.say(1, inner(2)[0], payload)
    assert net.heard(2, 100) == burst
    net.say(2, inner(1)[0], b"thanks")
    assert net.heard(1, 1) == [b"thanks"]
    assert net.planes[3].counters().carried[going][0] > 100_000
    assert net.facts == {1: [], 2: [], 3: []}, "frames on a circuit make no candidate"
    assert net.heard(3, 0) == []


def test_a_spoofed_inner_source_ends_at_the_receiver(make: MakeNet) -> None:
    net = make(3)
    for number in (1, 2):
        meet(net, number, 3 - number)
        meet(net, number, 3)
        meet(net, 3, number)
    for address in inner(1):
        net.planes[2].apply(port.PutRoute(packed(address), node(3)))
    net.say(1, inner(2)[0], b"from an address that is not mine")
    assert net.heard(2, 0) == []
    assert drops(net, 2) == {"source_foreign": 1}


def test_garbage_and_replays_are_counted_and_harmless(pair: Net) -> None:
    dice = random.Random(5)
    frames: list[bytes] = []
    for number in range(200):
        head = HEADER.pack(6, dice.randrange(4), dice.randrange(5), 0, label(2, 1) if number % 2 else 99, number)
        frames.append(head + dice.randbytes(dice.randrange(1400)))
    for frame in frames:
        pair.inject(2, frame)
    pair.inject(2, b"\x07 control for the hall")
    pair.inject(2, b"\x04 handshake for the hall")
    assert pair.heard(2, 0) == []
    assert pair.frames[2][-1] == b"\x04 handshake for the hall"
    pair.say(1, inner(2)[0], b"still here")
    assert pair.heard(2, 1) == [b"still here"]
    counted = drops(pair, 2)
    assert counted["label_unknown"] >= 90
    assert counted["bad_tag"] >= 1
    assert pair.planes[2].counters().peers[node(1)].small


def test_a_rekey_under_way_loses_nothing(pair: Net) -> None:
    for epoch in range(1, 6):
        for number in (2, 1):
            pair.planes[number].apply(
                port.PutKeys(
                    peer=node(3 - number),
                    cipher="chacha20poly1305" if epoch % 2 else "aes256gcm",
                    open_epoch=epoch,
                    open_key=key(3 - number, number, epoch),
                )
            )
        pair.say(1, inner(2)[0], b"old key %d" % epoch)
        for number in (1, 2):
            pair.planes[number].apply(
                port.PutKeys(
                    peer=node(3 - number),
                    cipher="chacha20poly1305" if epoch % 2 else "aes256gcm",
                    seal_epoch=epoch,
                    seal_key=key(number, 3 - number, epoch),
                )
            )
        pair.say(1, inner(2)[0], b"new key %d" % epoch)
        assert pair.heard(2, 2) == [b"old key %d" % epoch, b"new key %d" % epoch]
        pair.planes[2].apply(port.DropKeys(node(1), epoch - 1))
    assert drops(pair, 2) == {}


def test_a_device_that_is_deleted_under_a_running_plane(make: MakeNet) -> None:
    """The kernel reports an error for ever then: it must not be asked again and again."""
    net = make(2)
    if not isinstance(net, LinuxNet):
        pytest.skip("no kernel that deletes")
    net.delete_device(1)
    assert net.heard(1, 0) == []
    turns = net.turns
    assert net.heard(1, 0) == []
    assert net.turns - turns < 500
