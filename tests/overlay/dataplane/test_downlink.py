"""Sockets -> TUN: batches whole, mixed, torn, forged and replayed."""

from __future__ import annotations

import errno
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.dataplane import port
from overlay.dataplane.abi import IP_PKTINFO, IPV6_PKTINFO, SOL_IP, SOL_IPV6
from overlay.dataplane.edges import Buffer
from overlay.sealing import aead
from overlay.wire.frame import HEADER
from punch.values import SocketId
from punch.values import udp as udp_endpoint
from tests.overlay.dataplane.packets import A4, B4, C4, csum_vnet, packed, tcp, udp
from tests.overlay.dataplane.sides import SIZE, Side, endpoint, inner, key, label, node, two


def send(side: Side, *packets: bytes) -> list[bytes]:
    """One envelope of these packets, as datagrams."""
    for packet in packets:
        side.tun.put(packet, csum_vnet(packet))
    side.pump()
    frames = side.socket.datagrams()
    side.socket.sent.clear()
    side.socket.sizes.clear()
    return frames


def payloads(side: Side) -> list[bytes]:
    return [record[38:] for record in side.taken()]


def sealed(records: bytes, counter: int = 0, *, label_: int | None = None) -> bytes:
    """A frame of node 1 for node 2 whose envelope holds exactly these bytes."""
    associated = bytes((6, 0)) + counter.to_bytes(8, "little")
    nonce = bytes(4) + counter.to_bytes(8, "little")
    body = aead("aes256gcm", key(1, 2)).encrypt(nonce, records, associated)
    return HEADER.pack(6, 0, 1, 0, label(2, 1) if label_ is None else label_, counter) + body


def record(packet: bytes, header: bytes | None = None) -> bytes:
    body = (csum_vnet(packet) if header is None else header) + packet
    return struct.pack("<I", len(body)) + body


BULK = [udp(A4, B4, bytes((number,)) * 1000, port=number) for number in range(20)]


def test_a_whole_batch_opens_at_once() -> None:
    one, other = two()
    frames = send(one, *BULK)
    assert len(frames) == 15
    other.hear(b"".join(frames), SIZE, by=1)
    assert payloads(other) == [packet[28:] for packet in BULK]
    counters = other.counters(1)
    assert (counters.complete, counters.highest, counters.last_rx) == (1, 0, other.now)
    assert other.drops == {}
    assert len(other.movers.downlink._partial) == 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 20))
def test_slices_in_any_order_in_any_batches(seed: int, batch: int) -> None:
    """Two envelopes interleaved, reordered, doubled; every packet arrives once."""
    dice = random.Random(seed)
    one, other = two()
    frames = send(one, *BULK) + send(one, *BULK[:8])
    frames += dice.sample(frames, 5)
    dice.shuffle(frames)
    while frames:
        here, frames = frames[:batch], frames[batch:]
        while here:
            same = next((at for at, frame in enumerate(here) if len(frame) != SIZE), len(here) - 1) + 1
            other.hear(b"".join(here[:same]), len(here[0]), by=1)
            here = here[same:]
    assert sorted(payloads(other)) == sorted([packet[28:] for packet in BULK + BULK[:8]])
    assert set(other.drops) <= {"replayed", "slice_again"}


def test_small_envelopes_of_one_size_come_in_one_batch() -> None:
    one, other = two()
    frames = [send(one, udp(A4, B4, bytes((number,)) * 50))[0] for number in range(30)]
    other.hear(b"".join(frames), len(frames[0]), by=1)
    assert payloads(other) == [bytes((number,)) * 50 for number in range(30)]
    assert other.counters(1).complete == 30


def test_a_lost_slice_loses_its_envelope_and_is_counted() -> None:
    one, other = two()
    frames = send(one, *BULK)
    other.hear(b"".join(frames[:7] + frames[8:]), SIZE, by=1)
    assert payloads(other) == []
    other.hear(b"".join(send(one, *BULK)), SIZE, by=1)
    assert len(payloads(other)) == 20
    other.now += 0.2
    other.counters(1)
    other.now += 0.2
    counters = other.counters(1)
    assert (counters.complete, counters.incomplete) == (1, 1)
    assert (counters.slices, counters.missed, counters.rebuilt) == (29, 1, 0)
    assert other.drops == {"partial_expired": 1}
    other.pump()
    assert [fact.counters.missed for fact in other.facts if isinstance(fact, port.LossSeen)] == [1]


def test_a_lost_slice_that_comes_late_in_time() -> None:
    one, other = two()
    frames = send(one, *BULK)
    other.hear(b"".join(frames[:7] + frames[8:]), SIZE, by=1)
    other.now += 0.05
    other.hear(frames[7], by=1)
    assert len(payloads(other)) == 20


def test_replays_are_dropped_before_opening() -> None:
    one, other = two()
    frames = send(one, *BULK)
    for _ in range(3):
        other.hear(b"".join(frames), SIZE, by=1)
    assert len(payloads(other)) == 20
    assert other.drops == {"replayed": 30}
    assert other.counters(1).failed_tags == 0


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_every_bit_flipped_is_a_counted_drop(at: int, bit: int) -> None:
    one, other = two()
    (frame,) = send(one, udp(A4, B4, b"sealed"))
    broken = bytearray(frame)
    broken[at % len(frame)] ^= 1 << bit
    other.hear(bytes(broken), by=1)
    if broken[1] == 0x80:
        assert payloads(other) == [b"sealed"], "it says now that it is the double"
        other.hear(frame, by=1)
        assert (payloads(other), other.drops) == ([], {})
        return
    assert payloads(other) == []
    if broken[0] == 6:
        assert sum(other.drops.values()) + len(other.movers.downlink._partial) == 1
    elif broken[0] > 9:
        assert other.drops == {"frame_type": 1}
    else:
        assert other.frames == [(bytes(broken), endpoint(1), SocketId(1))]
    other.hear(frame, by=1)
    assert payloads(other) == [b"sealed"], "and the true one still opens"


def test_truncated_at_every_byte() -> None:
    one, other = two()
    (frame,) = send(one, udp(A4, B4, b"sealed"))
    for size in range(len(frame)):
        other.hear(frame[:size], by=1)
    assert payloads(other) == []
    assert other.drops == {"frame_short": 17, "bad_tag": len(frame) - 17}


def test_garbage_is_counted_and_changes_nothing() -> None:
    one, other = two()
    dice = random.Random(7)
    for _ in range(2000):
        size = dice.randrange(1, 1500)
        head = HEADER.pack(
            6, dice.randrange(256), dice.randrange(256), 0, dice.choice((label(2, 1), 5)), dice.getrandbits(64)
        )
        frames = b"".join((head + dice.randbytes(size))[:size] for _ in range(dice.randrange(1, 4)))
        other.hear(frames, size, by=dice.randrange(1, 9))
    assert payloads(other) == []
    assert other.movers.downlink._partial.buffered < 16 << 20
    other.hear(b"".join(send(one, *BULK)), SIZE, by=1)
    assert len(payloads(other)) == 20


def test_a_slice_flood_stays_bounded() -> None:
    _, other = two()
    for counter in range(3000):
        other.hear(HEADER.pack(6, 0, 64, 0, label(2, 1), counter) + bytes(1400), by=1)
        assert len(other.movers.downlink._partial) <= 8
    assert other.drops["partial_evicted"] == 2992


def test_three_failed_tags_within_a_second_ask_for_small_envelopes() -> None:
    one, other = two()
    frames = [send(one, udp(A4, B4, b"x"))[0] for _ in range(6)]
    broken = [frame[:-1] + bytes((frame[-1] ^ 1,)) for frame in frames]
    for frame in broken[:3]:
        other.hear(frame, by=1)
        other.now += 0.6
    assert not other.counters(1).small
    for frame in broken[3:]:
        other.hear(frame, by=1)
        other.now += 0.4
    counters = other.counters(1)
    assert counters.small
    assert counters.failed_tags == 6
    other.keys(1, epoch=1)
    assert not other.counters(1).small


def test_a_forged_slice_in_a_batch_fails_once_and_the_true_ones_are_looked_at_one_by_one() -> None:
    one, other = two()
    frames = send(one, *BULK)
    forged = frames[3][:40] + bytes(len(frames[3]) - 40)
    other.hear(b"".join([*frames[:3], forged, *frames[4:]]), SIZE, by=1)
    assert payloads(other) == []
    assert other.drops == {"bad_tag": 1}
    other.hear(b"".join(frames), SIZE, by=1)
    assert len(payloads(other)) == 20


def test_keys_by_epoch() -> None:
    one, other = two()
    early = send(one, udp(A4, B4, b"old"))
    one.keys(2, epoch=1)
    late = send(one, udp(A4, B4, b"new"))
    other.hear(late[0], by=1)
    assert other.drops == {"epoch_unknown": 1}
    other.keys(1, epoch=1)
    other.hear(late[0], by=1)
    other.hear(early[0], by=1)
    assert payloads(other) == [b"new", b"old"]
    other.apply(port.DropKeys(node(1), 0))
    other.hear(early[0], by=1)
    assert other.drops == {"epoch_unknown": 2}


def test_frames_to_nobodys_label() -> None:
    one, other = two()
    (frame,) = send(one, udp(A4, B4, b"x"))
    other.apply(port.DropLabel(label(2, 1)))
    other.hear(frame, by=1)
    assert other.drops == {"label_unknown": 1}


def test_all_other_frames_go_to_the_hall() -> None:
    _, other = two()
    for kind in (0, 3, 4, 5, 8, 9, 10, 200):
        other.hear(bytes((kind,)) + b"...", by=1)
    control = HEADER.pack(7, 0, 1, 0, label(2, 1), 0) + b"sealed"
    other.hear(control * 3, len(control), by=1)
    assert [frame[0][0] for frame in other.frames] == [0, 3, 4, 5, 8, 9, 7, 7, 7]
    assert other.frames[0][1:] == (endpoint(1), SocketId(1))
    assert other.drops == {"frame_type": 2}


# --- records ---


@pytest.mark.parametrize(
    ("records", "arrive", "reason"),
    [
        (b"", 0, None),
        (bytes(4), 0, None),
        (record(BULK[0]) + bytes(4) + record(BULK[1]), 1, None),
        (record(BULK[0]) + bytes(900), 1, None),
        (record(BULK[0]) + b"\x01", 1, "record_length"),
        (record(BULK[0]) + b"\x05\0\0\0", 1, "record_length"),
        (record(BULK[0])[:-1], 0, "record_length"),
        (struct.pack("<I", 2**32 - 1) + bytes(100), 0, "record_length"),
        (struct.pack("<I", 29) + bytes(29), 0, "record_length"),
        (record(BULK[0]) + record(udp(C4, B4, b"x")), 1, "source_foreign"),
        (record(udp(A4, C4, b"x")) + record(BULK[0]), 1, "destination_foreign"),
        (record(udp(A4, "224.0.0.1", b"x")) + record(BULK[0]), 1, "multicast"),
        (record(BULK[0], bytes((1, 5, 0, 0, 1, 0, 20, 0, 6, 0))) + record(BULK[1]), 1, "offload_forged"),
        (record(BULK[0][:-1]) + record(BULK[1]), 1, "packet_malformed"),
    ],
)
def test_records_that_lie(records: bytes, arrive: int, reason: str | None) -> None:
    _, other = two()
    other.hear(sealed(records), by=1)
    assert len(other.taken()) == arrive
    assert other.drops == ({} if reason is None else {reason: 1})


def test_every_length_of_a_truncated_envelope() -> None:
    _, other = two()
    records = record(BULK[0]) + record(tcp(A4, B4, b"x"))
    for counter in range(len(records)):
        other.hear(sealed(records[:counter], counter), by=1)
    whole = len(record(BULK[0]))
    assert len(other.taken()) == len(records) - whole
    assert other.drops["record_length"] == len(records) - 2


def test_equal_datagrams_are_one_write() -> None:
    one, other = two()
    packets = [udp(A4, B4, bytes((number,)) * 200, ident=number) for number in range(15)]
    other.hear(b"".join(send(one, *packets)), SIZE, by=1)
    (joined,) = other.taken()
    assert joined[1] == 5
    assert joined[38:] == b"".join(packet[28:] for packet in packets)
    assert other.counters(1).rx_bytes == sum(map(len, packets))


def test_a_device_without_udp_super_packets_gets_them_one_by_one() -> None:
    one, other = Side(1), Side(2, offloads=5)
    one.meet(2)
    other.meet(1)
    packets = [udp(A4, B4, b"x" * 200) for _ in range(50)]
    other.hear(b"".join(send(one, *packets)), SIZE, by=1)
    assert len(other.taken()) == 50


def test_a_device_that_refuses() -> None:
    one, other = two()

    def refuse(record: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    other.movers.downlink._writev = refuse
    packets = [udp(A4, B4, b"x" * 200) for _ in range(10)]
    other.hear(b"".join(send(one, *packets)), SIZE, by=1)
    other.hear(b"".join(send(one, *packets)), SIZE, by=1)
    assert len(other.taken()) == 10, "joined no more"
    other.movers.downlink._write = refuse
    other.hear(b"".join(send(one, *packets)), SIZE, by=1)
    assert other.drops == {"device_refused": 20}


# --- where frames come from ---


def test_a_new_source_is_told_once_a_second_and_delivered() -> None:
    one, other = two()
    for _ in range(5):
        frames = send(one, *BULK)
        other.hear(b"".join(frames), SIZE, by=9)
        other.now += 0.3
    assert len(payloads(other)) == 100
    size = sum(map(len, frames))
    assert other.facts == [port.CameFrom(node(1), SocketId(1), endpoint(9), size)] * 2


def test_only_the_highest_counter_moves() -> None:
    one, other = two()
    early, late = send(one, udp(A4, B4, b"a")), send(one, udp(A4, B4, b"b"))
    other.hear(late[0], by=1)
    other.hear(early[0], by=9)
    assert len(payloads(other)) == 2
    assert other.facts == []


def test_a_circuits_source_is_no_candidate() -> None:
    one, other = two()
    other.apply(port.PutLabel(label(2, 1), node(1), True))
    other.hear(send(one, udp(A4, B4, b"a"))[0], by=9)
    assert len(payloads(other)) == 1
    assert other.facts == []


def test_both_ways_are_known_sources() -> None:
    one, other = two()
    ways = (other.way(1), port.Way(SocketId(1), endpoint(5), label(1, 2), SIZE, port.FULL_ENVELOPE))
    other.apply(port.PutWay(node(1), ways))
    other.hear(send(one, udp(A4, B4, b"a"))[0], by=1)
    other.hear(send(one, udp(A4, B4, b"b"))[0], by=5)
    assert other.facts == []
    other.apply(port.PutWay(node(1), ()))
    other.hear(send(one, udp(A4, B4, b"c"))[0], by=5)
    assert [type(fact) for fact in other.facts] == [port.CameFrom]
    assert len(payloads(other)) == 3


def test_the_local_address_it_came_to() -> None:
    one, other = two()
    inlet = other.socket.inlet
    inlet.by_address.update({packed("198.51.100.1"): SocketId(7), packed("2001:db8::5"): SocketId(8)})
    for control, via in (
        ((SOL_IP, IP_PKTINFO, bytes(4) + packed("198.51.100.9") + packed("198.51.100.1")), 7),
        ((SOL_IP, IP_PKTINFO, bytes(8) + packed("198.51.100.2")), 1),
        ((SOL_IPV6, IPV6_PKTINFO, packed("2001:db8::5") + bytes(4)), 8),
        ((SOL_IPV6, 77, packed("2001:db8::5") + bytes(4)), 1),
    ):
        other.socket.extra = [control]
        other.hear(b"\x04handshake", by=1)
        assert other.frames.pop() == (b"\x04handshake", endpoint(1), SocketId(via))
    other.socket.extra = [(SOL_IP, IP_PKTINFO, bytes(8) + packed("198.51.100.1"))]
    other.hear(send(one, udp(A4, B4, b"a"))[0], by=1)
    assert other.facts == [port.CameFrom(node(1), SocketId(7), endpoint(1), 75)]


def test_sources_remembered_are_bounded() -> None:
    one, other = two()
    for number in range(200):
        other.hear(send(one, udp(A4, B4, b"a"))[0], source=udp_endpoint("192.0.2.77", 1000 + number))
    assert len(other.facts) == 200
    assert len(other.movers.tables.peers[node(1)].strays) <= 64


def test_a_socket_that_reports_an_error_goes_on() -> None:
    one, other = two()
    other.socket.batches.append(OSError(errno.ECONNREFUSED, "refused"))
    other.hear(send(one, udp(A4, B4, b"a"))[0], by=1)
    assert len(payloads(other)) == 1
    assert other.drops == {"receive_failed": 1}


def test_ipv6_inside() -> None:
    one, other = two()
    six = [udp(inner(1)[1], inner(2)[1], bytes((number,)) * 300) for number in range(12)]
    other.hear(b"".join(send(one, *six)), SIZE, by=1)
    (joined,) = other.taken()
    assert joined[58:] == b"".join(packet[48:] for packet in six)


def test_writes_are_views_of_what_was_checked() -> None:
    """Nothing of an earlier envelope shows behind a shorter later one."""
    one, other = two()
    seen: list[bytes] = []
    write = other.movers.downlink._write

    def remember(data: Buffer) -> int:
        seen.append(bytes(data))
        return write(data)

    other.movers.downlink._write = remember
    other.hear(b"".join(send(one, *BULK)), SIZE, by=1)
    other.hear(send(one, udp(A4, B4, b"short"))[0], by=1)
    assert seen[-1] == csum_vnet(udp(A4, B4, b"short")) + udp(A4, B4, b"short")


@pytest.mark.parametrize("rivals", [0, 1, 3])
def test_a_peer_is_still_followed_when_later_keys_gave_way(rivals: int) -> None:
    one, other = two()
    for epoch in range(1, rivals + 1):
        other.apply(port.PutKeys(peer=node(1), cipher="aes256gcm", open_epoch=epoch, open_key=bytes((epoch,)) * 32))
    for epoch in range(1, rivals + 1):
        other.apply(port.DropKeys(node(1), epoch))
    (frame,) = send(one, udp(A4, B4, b"moved"))
    other.facts.clear()
    other.socket.batches.append((frame, len(frame), endpoint(77)))
    other.pump()
    assert [type(fact) for fact in other.facts] == [port.CameFrom]
