"""Circuits: a relay swaps labels and nothing else, whole batches at once."""

from __future__ import annotations

import errno

import pytest

from overlay.dataplane import port
from overlay.values import Label
from overlay.wire.frame import HEADER
from punch.values import SocketId
from tests.overlay.dataplane.packets import A4, B4, csum_vnet, udp
from tests.overlay.dataplane.sides import FakeSocket, Side, endpoint, label, node

GOING, COMING = Label(0xA1B2C3D4), Label(0x01020304)


def three(size: int = 1452) -> tuple[Side, Side, Side]:
    """1 and 2 that talk over the relay 9."""
    one, two, relay = Side(1), Side(2), Side(9)
    for side, peer in ((one, 2), (two, 1)):
        side.routes(peer)
        side.keys(peer)
        side.apply(port.PutLabel(label(side.number, peer), node(peer), True))
    one.apply(port.PutWay(node(2), (port.Way(SocketId(1), endpoint(9), GOING, size, port.FULL_ENVELOPE),)))
    two.apply(port.PutWay(node(1), (port.Way(SocketId(1), endpoint(9), COMING, size, port.FULL_ENVELOPE),)))
    relay.apply(
        port.PutCircuit(GOING, endpoint(1), label(2, 1), SocketId(1), endpoint(2)),
        port.PutCircuit(COMING, endpoint(2), label(1, 2), SocketId(1), endpoint(1)),
    )
    return one, two, relay


def send(side: Side, count: int, size: int = 1000) -> None:
    for number in range(count):
        packet = udp(f"10.9.0.{side.number}", A4 if side.number == 2 else B4, bytes((number,)) * size, port=number)
        side.tun.put(packet, csum_vnet(packet))
    side.pump()


@pytest.mark.parametrize("size", [1200, 1372, 1412, 1452, 1472, 1401, 1450])
def test_a_batch_crosses_with_one_send(size: int) -> None:
    one, two, relay = three(size)
    send(one, 30)
    relay.hear_all(one)
    assert len(relay.socket.sent) == 1
    assert relay.socket.sizes == [size]
    assert relay.socket.to == [endpoint(2)]
    assert {HEADER.unpack_from(frame)[4] for frame in relay.socket.datagrams()} == {label(2, 1)}
    two.hear_all(relay)
    assert len(two.taken()) == 30
    assert two.facts == []
    sent = sum(30 * [1028 + 14]) + 16
    count = -(-sent // (size - 16))
    assert relay.movers.counters(now=0.0).carried == {GOING: (sent + 16 * count, relay.now), COMING: (0, 0.0)}


def test_both_directions_and_small_frames() -> None:
    one, two, relay = three()
    send(one, 1, 1)
    send(two, 1, 1)
    relay.hear_all(one)
    relay.hear_all(two)
    two.hear(relay.socket.datagrams()[0], by=9)
    one.hear(relay.socket.datagrams()[1], by=9)
    assert (len(one.taken()), len(two.taken())) == (1, 1)
    assert (one.drops, two.drops, relay.drops) == ({}, {}, {})


def test_control_frames_cross_like_data() -> None:
    _, _, relay = three()
    frame = HEADER.pack(7, 0, 1, 3, GOING, 77) + b"sealed end to end"
    relay.hear(frame, by=1)
    assert relay.frames == []
    assert relay.socket.datagrams() == [frame[:4] + label(2, 1).to_bytes(4, "little") + frame[8:]]


def test_frames_from_elsewhere_do_not_cross() -> None:
    one, _, relay = three()
    send(one, 30)
    frames = b"".join(one.socket.datagrams())
    relay.hear(frames, 1452, by=5)
    assert relay.socket.sent == []
    assert relay.drops == {"circuit_source": len(one.socket.datagrams())}


def test_a_batch_of_several_circuits_is_split() -> None:
    one, _, relay = three()
    other = Label(77)
    relay.apply(port.PutCircuit(other, endpoint(1), label(3, 1), SocketId(1), endpoint(3)))
    frames = [HEADER.pack(6, 0, 1, 0, each, number) + bytes(100) for number, each in enumerate([GOING, other] * 5)]
    frames += [HEADER.pack(6, 0, 1, 0, GOING, 50 + number) + bytes(100) for number in range(5)]
    relay.hear(b"".join(frames), 116, by=1)
    assert [HEADER.unpack_from(frame)[4:] for frame in relay.socket.datagrams()] == [
        (label(3, 1) if head[4] == other else label(2, 1), head[5]) for head in map(HEADER.unpack_from, frames)
    ]
    assert one.drops == {}


def test_a_batch_that_begins_with_a_circuit_and_ends_with_our_own() -> None:
    one, _, relay = three()
    own = HEADER.pack(7, 0, 1, 0, 5, 5) + bytes(100)
    frames = [HEADER.pack(6, 0, 1, 0, GOING, 5) + bytes(100)] * 3 + [own]
    relay.hear(b"".join(frames), 116, by=1)
    assert len(relay.socket.datagrams()) == 3
    assert [frame[0] for frame in relay.frames] == [own]
    assert one.drops == {}


def test_circuits_that_end_or_lose_their_socket() -> None:
    one, _, relay = three()
    send(one, 3)
    relay.movers.remove_outlet(SocketId(1))
    relay.hear_all(one)
    assert relay.drops == {"circuit_blocked": 1}
    late = FakeSocket(1)
    relay.movers.add_outlet(late.outlet)
    send(one, 3)
    relay.hear_all(one)
    assert len(late.sent) == 1
    relay.apply(port.DropCircuit(GOING))
    send(one, 1)
    relay.hear_all(one)
    assert relay.drops["label_unknown"] == 1
    assert relay.movers.counters(now=0.0).carried.keys() == {COMING}


def test_a_circuit_put_again_goes_on_counting() -> None:
    one, _, relay = three()
    send(one, 3)
    relay.hear_all(one)
    before = relay.movers.counters(now=0.0).carried[GOING]
    relay.apply(port.PutCircuit(GOING, endpoint(4), label(2, 1), SocketId(1), endpoint(2)))
    assert relay.movers.counters(now=0.0).carried[GOING] == before
    send(one, 1)
    relay.hear_all(one)
    assert relay.drops == {"circuit_source": 1}


def test_a_kernel_that_refuses_a_carried_batch() -> None:
    one, two, relay = three()
    relay.socket.refuse = lambda frames, size: OSError(errno.EIO, "x") if size < len(frames) else None
    send(one, 20)
    relay.hear_all(one)
    two.hear_all(relay)
    assert len(two.taken()) == 20
    relay.socket.refuse = lambda frames, size: BlockingIOError()
    send(one, 1, 1)
    relay.hear_all(one)
    relay.socket.refuse = lambda frames, size: OSError(errno.EMSGSIZE, "x")
    send(one, 1, 1)
    relay.hear_all(one)
    relay.socket.refuse = lambda frames, size: OSError(errno.EPERM, "x")
    send(one, 1, 1)
    relay.hear_all(one)
    assert relay.drops == {"circuit_blocked": 1, "too_big": 1, "send_refused": 1}


def test_frames_from_another_proven_endpoint_of_the_neighbour_pass() -> None:
    one, _, relay = three()
    relay.apply(port.PutCircuit(GOING, endpoint(1), label(2, 1), SocketId(1), endpoint(2), (endpoint(7),)))
    send(one, 1)
    for frame in one.socket.datagrams():
        relay.hear(frame, by=7)
        relay.hear(frame, by=8)
    assert relay.socket.to == [endpoint(2)]
    assert relay.drops == {"circuit_source": 1}
