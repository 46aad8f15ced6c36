"""TUN -> sockets: what becomes of packets, and what of a kernel that refuses."""

from __future__ import annotations

import errno
import struct

import pytest

from overlay.dataplane import port
from overlay.sealing import aead
from overlay.wire.frame import HEADER
from punch.values import SocketId
from tests.overlay.dataplane.packets import A4, B4, B6, C4, csum_vnet, finished, ip, tcp, udp, vnet
from tests.overlay.dataplane.sides import SIZE, FakeSocket, Side, endpoint, key, label, node, two


def put(side: Side, *packets: bytes) -> None:
    for packet in packets:
        side.tun.put(packet, csum_vnet(packet))


def bulk(target: str = B4, size: int = 60_000, gso: int = 1300) -> tuple[bytes, bytes]:
    packet = tcp(A4, target, bytes(number % 251 for number in range(size)))
    return packet, csum_vnet(packet, kind=1, gso=gso, hdr_len=52)


def test_a_frame_byte_by_byte() -> None:
    """Protocol section 2, opened by hand."""
    one, _ = two()
    packet = udp(A4, B4, b"hello")
    put(one, packet)
    one.pump()
    (frame,) = one.socket.datagrams()
    assert frame[:16] == bytes((6, 0, 1, 0)) + label(2, 1).to_bytes(4, "little") + bytes(8)
    nonce, associated = bytes(12), bytes((6, 0)) + bytes(8)
    plain = aead("aes256gcm", key(1, 2)).decrypt(nonce, frame[16:], associated)
    assert plain == struct.pack("<I", 10 + len(packet)) + csum_vnet(packet) + packet
    assert one.socket.to == [endpoint(2)]


def test_counters_count_and_never_repeat() -> None:
    one, _ = two()
    for _ in range(3):
        put(one, udp(A4, B4, b"x"))
        one.pump()
    assert [HEADER.unpack_from(frame)[5] for frame in one.socket.datagrams()] == [0, 1, 2]
    one.keys(2)
    put(one, udp(A4, B4, b"x"))
    one.pump()
    assert HEADER.unpack_from(one.socket.datagrams()[-1])[5] == 3, "the same key put again goes on counting"
    one.apply(port.DropKeys(node(2), None, seal=True))
    one.keys(2)
    put(one, udp(A4, B4, b"x"))
    one.pump()
    assert HEADER.unpack_from(one.socket.datagrams()[-1])[5] == 4
    one.keys(2, epoch=1)
    put(one, udp(A4, B4, b"x"))
    one.pump()
    assert HEADER.unpack_from(one.socket.datagrams()[-1])[3:6:2] == (1, 0), "a new key begins at 0"


def test_what_is_readable_now_is_one_envelope() -> None:
    one, other = two()
    packets = [udp(A4, B4, bytes(200), port=number) for number in range(100)]
    put(one, *packets)
    one.pump()
    assert len(one.socket.sent) == 1
    frames = one.socket.datagrams()
    assert all(len(frame) == SIZE for frame in frames[:-1])
    assert [HEADER.unpack_from(frame)[:3] for frame in frames] == [(6, at, len(frames)) for at in range(len(frames))]
    other.hear_all(one)
    assert [record[10:] for record in other.taken()] == packets


def test_super_packets_go_as_they_are_and_order_is_kept() -> None:
    one, other = two()
    sent = []
    for number in range(40):
        packet, header = bulk(size=900 + 1500 * number)
        sent.append(header + packet)
        one.tun.put(packet, header)
        small = udp(A4, B4, b"between", port=number)
        sent.append(csum_vnet(small) + small)
        put(one, small)
    one.pump()
    other.hear_all(one)
    assert other.taken() == sent
    assert all(len(frames) <= 64_000 for frames in one.socket.sent)
    assert one.counters(2).tx_bytes == sum(len(record) - 10 for record in sent) == other.counters(1).rx_bytes


def test_a_super_packet_larger_than_an_envelope_is_cut_in_two_sends() -> None:
    one, other = two(size=1200)
    packet, header = bulk(size=65_535 - 52)
    one.tun.put(packet, header)
    one.pump()
    assert [len(frames) % 1200 == 0 for frames in one.socket.sent] == [True, False]
    assert max(map(len, one.socket.sent)) <= 65_000
    frames = b"".join(one.socket.sent)
    for at in range(0, len(frames), 1200):
        other.hear(frames[at : at + 1200], by=1)
    assert other.taken() == [header + packet]


def test_many_peers_at_once_get_an_envelope_each() -> None:
    one, two_, three = Side(1), Side(2), Side(3)
    for side in (two_, three):
        one.meet(side.number)
        side.meet(1)
    mixed = [udp(A4, (B4, C4)[number % 2], b"x" * 100, port=number) for number in range(60)]
    put(one, *mixed)
    one.pump()
    assert len(one.socket.sent) == 2
    for frames, size, to in zip(one.socket.sent, one.socket.sizes, one.socket.to, strict=True):
        (two_ if to == endpoint(2) else three).hear(frames, size, by=1)
    assert [record[10:] for record in two_.taken()] == mixed[::2]
    assert [record[10:] for record in three.taken()] == mixed[1::2]


def test_a_large_record_of_another_peer_ends_the_run_and_is_not_lost() -> None:
    one, two_, three = Side(1), Side(2), Side(3)
    for side in (two_, three):
        one.meet(side.number)
        side.meet(1)
    for number in range(12):
        packet, header = bulk((B4, C4)[number % 2], size=30_000 + number)
        one.tun.put(packet, header)
    one.pump()
    for frames, size, to in zip(one.socket.sent, one.socket.sizes, one.socket.to, strict=True):
        (two_ if to == endpoint(2) else three).hear(frames, size, by=1)
    assert [len(record) for record in two_.taken()] == [30_062 + number for number in range(0, 12, 2)]
    assert [len(record) for record in three.taken()] == [30_062 + number for number in range(1, 12, 2)]


def test_two_ways_carry_the_same_sealed_bytes_cut_at_the_smaller_size() -> None:
    one, other = two()
    second = FakeSocket(2)
    one.movers.add_outlet(second.outlet)
    one.apply(port.PutWay(node(2), (one.way(2), one.way(2, via=2, size=1200))))
    put(one, *(udp(A4, B4, bytes(1000), port=number) for number in range(9)))
    one.pump()
    first, doubled = one.socket.datagrams(), second.datagrams()
    assert first == doubled
    assert {len(frame) for frame in first[:-1]} == {1200}
    other.hear_all(one)
    assert len(other.taken()) == 9
    for frames, size in zip(second.sent, second.sizes, strict=True):
        other.hear(frames, size, by=1)
    assert other.taken() == []
    assert set(other.drops) == {"replayed"}


def test_one_datagram_an_envelope() -> None:
    one, other = two(limit=SIZE - 32)
    packet, header = bulk(size=13_000)
    one.tun.put(packet, header)
    put(one, *(udp(A4, B4, bytes(200), port=number) for number in range(20)))
    one.pump()
    assert all(HEADER.unpack_from(frame)[2] == 1 for frame in one.socket.datagrams())
    other.hear_all(one)
    records = other.taken()
    assert b"".join(finished(record)[52:] for record in records[:10]) == packet[52:]
    assert len(records) > 12


def test_a_packet_larger_than_the_limit_goes_in_slices() -> None:
    one, other = two(size=1200, limit=1168)
    packet = udp(A4, B4, bytes(1300))
    put(one, packet)
    one.pump()
    assert [HEADER.unpack_from(frame)[1:3] for frame in one.socket.datagrams()] == [(0, 2), (1, 2)]
    other.hear_all(one)
    assert [record[10:] for record in other.taken()] == [packet]


def test_peers_without_offloads_get_plain_packets() -> None:
    one, other = two()
    one.apply(port.PutOffloads(node(2), 0))
    packet, header = bulk(size=5000)
    one.tun.put(packet, header)
    datagrams = udp(A4, B4, bytes(3000))
    one.tun.put(datagrams, csum_vnet(datagrams, kind=5, gso=1000))
    one.pump()
    other.hear_all(one)
    records = other.taken()
    assert [record[:10] for record in records] == [vnet()] * 7
    assert b"".join(finished(record)[52:] for record in records[:4]) == packet[52:]


def test_small_segments_are_cut_before_a_receiver_refuses_them() -> None:
    one, other = two()
    first = udp(A4, B4, b"first")
    put(one, first)
    datagrams = udp(A4, B4, bytes(2000))
    one.tun.put(datagrams, csum_vnet(datagrams, kind=5, gso=200))
    put(one, udp(A4, B4, b"last"))
    one.pump()
    other.hear_all(one)
    cut = other.taken()
    assert other.drops == {}
    assert cut[0][10:] == first
    assert cut[-1][-4:] == b"last"
    assert sum(1 + (record[1] == 5) * (len(record) // 200 - 1) for record in cut) == 12


def test_what_our_kernel_knows_of_a_checksum_is_not_sent() -> None:
    one, other = two()
    packet = udp(A4, B4, b"forwarded")
    one.tun.put(packet, vnet(2))
    one.pump()
    other.hear_all(one)
    assert other.taken() == [vnet() + packet]


def test_packets_to_nobody_are_counted() -> None:
    one, _ = two()
    put(one, udp(A4, "10.9.0.99", b"x"), udp(A4, "224.0.0.251", b"x"))
    one.tun.put(ip("fd09::1", "ff02::2", 58, bytes(16)))
    put(one, udp("fd09::1", "fd09::99", b"x"), udp("fd09::1", B6, b"x"))
    one.pump()
    assert one.drops == {"no_route": 2, "multicast": 2}
    assert len(one.socket.sent) == 1


# --- a kernel that refuses ---


def test_a_full_socket_keeps_the_sealed_bytes_and_stops_reading() -> None:
    one, other = two()
    put(one, udp(A4, B4, b"first"))
    one.socket.fail.append(BlockingIOError())
    one.socket.fail.append(BlockingIOError())
    one.pump()
    assert one.blocked == [one.socket.outlet]
    put(one, udp(A4, B4, b"second"))
    one.pump()
    assert one.socket.sent == []
    assert len(one.tun._waiting) == 1, "the second is still in the TUN"
    assert one.movers.sending.resume()
    one.pump()
    other.hear_all(one)
    assert [record[38:] for record in other.taken()] == [b"first", b"second"]


def test_no_segmentation_offload_sends_the_same_bytes_one_by_one_from_now_on() -> None:
    for number in (errno.EIO, errno.EINVAL, errno.EOPNOTSUPP):
        one, other = two()
        one.socket.refuse = lambda frames, size, number=number: OSError(number, "x") if size < len(frames) else None  # type: ignore[misc]
        packets = [udp(A4, B4, bytes(1000), port=each) for each in range(10)]
        put(one, *packets)
        one.pump()
        assert all(len(frames) <= SIZE for frames in one.socket.sent)
        assert {HEADER.unpack_from(frames)[5] for frames in one.socket.sent} == {0}
        assert not one.socket.outlet.gso
        other.hear_all(one)
        assert [record[10:] for record in other.taken()] == packets
        assert one.drops == {}


def test_blocked_in_the_middle_of_one_by_one_goes_on_where_it_was() -> None:
    one, other = two()
    one.socket.outlet.gso = False
    packets = [udp(A4, B4, bytes(1000), port=each) for each in range(10)]
    put(one, *packets)
    one.socket.fail.extend((None, None, BlockingIOError(), None, BlockingIOError()))
    one.pump()
    assert len(one.socket.sent) == 2
    assert not one.movers.sending.resume()
    assert len(one.socket.sent) == 3
    assert one.movers.sending.resume()
    other.hear_all(one)
    assert [record[10:] for record in other.taken()] == packets
    assert len(one.blocked) == 2


def test_a_link_that_is_too_small_is_no_fault_of_the_offload() -> None:
    one, _ = two()
    one.socket.refuse = lambda frames, size: OSError(errno.EMSGSIZE, "too long") if size > 1400 else None
    put(one, *(udp(A4, B4, bytes(1000), port=each) for each in range(10)))
    one.pump()
    assert one.socket.outlet.gso
    assert one.drops == {"too_big": 1}


@pytest.mark.parametrize(("number", "told"), [(errno.ENETUNREACH, True), (errno.ENOBUFS, False), (errno.EPERM, True)])
def test_refused_for_good_is_a_hint(number: int, told: bool) -> None:
    one, _ = two()
    one.socket.refuse = lambda frames, size: OSError(number, "x")
    put(one, udp(A4, B4, b"x"))
    one.pump()
    put(one, udp(A4, B4, b"y"))
    one.pump()
    assert one.drops == {"send_refused": 2}
    assert one.facts == [port.SendFailed(node(2), endpoint(2))] * (2 if told else 0)


def test_a_socket_that_goes_takes_what_it_did_not_send() -> None:
    one, _ = two()
    put(one, udp(A4, B4, b"first"))
    one.socket.fail.extend((BlockingIOError(), BlockingIOError()))
    one.pump()
    assert one.movers.sending.forget(SocketId(1))
    one.movers.remove_outlet(SocketId(1))
    put(one, udp(A4, B4, b"second"))
    one.pump()
    assert one.drops == {"send_refused": 1}
    assert one.facts == [port.TrafficWaiting(node(2))], "no socket, no way"


def test_a_counter_that_is_spent_is_told() -> None:
    one, _ = two()
    one.movers.tables.peers[node(2)].counter = 2**32 - 1
    put(one, udp(A4, B4, b"x"))
    one.pump()
    put(one, udp(A4, B4, b"x"))
    one.pump()
    assert one.facts == [port.CounterSpent(node(2))]


def test_chacha_where_a_cpu_has_no_aes() -> None:
    one, other = Side(1), Side(2)
    for side, peer in ((one, 2), (other, 1)):
        side.meet(peer)
        side.keys(peer, epoch=3, cipher="chacha20poly1305")
    put(one, udp(A4, B4, b"sealed otherwise"))
    one.pump()
    other.hear_all(one)
    assert len(other.taken()) == 1


def test_the_device_is_gone() -> None:
    one, _ = two()

    def gone(buffers: object) -> int:
        raise OSError(errno.EBADFD, "File descriptor in bad state")

    one.movers.uplink._readv = gone
    assert not one.movers.uplink.gone
    assert not one.movers.uplink.pump(8, now=1.0)
    assert one.movers.uplink.gone
