"""Parity slices over movers: what is sent, what is rebuilt, what is counted, what it may cost."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.dataplane import port
from overlay.dataplane.abi import ACCEPT_CSUM
from overlay.dataplane.downlink import FIRSTS
from overlay.dataplane.segment import fit
from overlay.wire.frame import DATA, HEADER, HEADER_SIZE, PARITY, parity_place
from tests.overlay.dataplane.packets import A4, B4, csum_vnet, tcp, udp
from tests.overlay.dataplane.sides import SIZE, Side, endpoint, label, node, two

SLICE = SIZE - HEADER_SIZE


def sent(side: Side) -> list[bytes]:
    side.pump()
    frames = side.socket.datagrams()
    side.socket.sent.clear()
    side.socket.sizes.clear()
    return frames


def say(side: Side, *payloads: bytes) -> list[bytes]:
    """One envelope of these payloads, as datagrams."""
    for payload in payloads:
        packet = udp(A4, B4, payload)
        side.tun.put(packet, csum_vnet(packet))
    return sent(side)


def heard(side: Side, frames: list[bytes]) -> list[bytes]:
    for frame in frames:
        side.hear(frame, by=1)
    return taken(side)


def taken(side: Side) -> list[bytes]:
    """Payloads; packets that were joined one by one."""
    return [packet[38:] for record in side.taken() for packet in fit(record, ACCEPT_CSUM, 0)]


def super_packet(size: int) -> tuple[bytes, bytes]:
    packet = tcp(A4, B4, random.Random(size).randbytes(size))
    return packet, csum_vnet(packet, kind=1, gso=1328, hdr_len=52)


BULK = [bytes((number,)) * 1000 for number in range(20)]


def test_a_lone_packet_goes_with_its_double() -> None:
    one, other = two(parity=4)
    frames = say(one, b"shot")
    assert [HEADER.unpack_from(frame)[1:3] for frame in frames] == [(0, 1), (PARITY, 1)]
    assert frames[0][HEADER_SIZE:] == frames[1][HEADER_SIZE:]
    assert heard(other, frames[1:]) == [b"shot"]
    assert heard(other, frames) == []
    assert other.drops == {}
    assert heard(other, say(one, b"again")) == [b"again"]
    assert heard(other, say(one, b"first lost")[1:]) == [b"first lost"]
    other.now += 0.2
    counters = other.counters(1)
    assert (counters.complete, counters.slices, counters.missed, counters.rebuilt) == (3, 3, 1, 2)


@pytest.mark.parametrize(("size", "pieces"), [(60, 1), (160, 2), (200, 2), (400, 4), (1300, 4)])
def test_where_much_is_lost_a_lone_packet_goes_in_pieces_any_half_of_which_do(size: int, pieces: int) -> None:
    one, other = two(parity=4)
    dice = random.Random(size)
    for _ in range(20):
        payload = dice.randbytes(size)
        frames = say(one, payload)
        assert len(frames) == 2 * pieces
        assert sum(map(len, frames)) <= 2 * (size + 100 + pieces * (HEADER_SIZE + 4))
        assert heard(other, dice.sample(frames, pieces)) == [payload]
    assert other.drops == {}


@pytest.mark.parametrize("parity", [1, 2])
def test_where_little_is_lost_it_goes_with_its_double(parity: int) -> None:
    one, _ = two(parity=parity)
    assert len(say(one, bytes(1300))) == 2


@settings(max_examples=60, deadline=None)
@given(data=st.data(), k=st.sampled_from((1, 2, 4)), packets=st.integers(6, 40), seed=st.integers(0, 2**32))
def test_as_many_lost_datagrams_as_there_is_parity_cost_nothing(
    data: st.DataObject, k: int, packets: int, seed: int
) -> None:
    one, other = two(parity=k)
    dice = random.Random(seed)
    payloads = [dice.randbytes(dice.randrange(600, 1300)) for _ in range(packets)]
    frames = say(one, *payloads)
    count = HEADER.unpack_from(frames[0])[2]
    assert len({len(frame) for frame in frames}) == 1, "one size: one send, and the kernel may join them"
    made = len(frames) - count
    assert [parity_place(frame[1]) for frame in frames[count:]] == [(made, number) for number in range(made)]
    assert 1 <= made <= k
    lost = data.draw(st.sets(st.integers(0, len(frames) - 1), min_size=made, max_size=made))
    assert heard(other, [frame for at, frame in enumerate(frames) if at not in lost]) == payloads
    assert other.counters(1).rebuilt == (min(lost) < count)
    assert other.drops == {}


def test_a_batch_with_its_parity_opens_at_once_and_counts_nothing_missed() -> None:
    one, other = two(parity=4)
    frames = say(one, *BULK)
    other.hear(b"".join(frames), len(frames[0]), by=1)
    assert taken(other) == BULK
    other.now += 0.3
    counters = other.counters(1)
    assert (counters.slices, counters.missed, counters.rebuilt) == (16, 0, 0)
    assert other.drops == {}
    assert len(other.movers.downlink._partial) == 0


def test_padding_is_some_bytes() -> None:
    for size in range(4000, 4100, 7):
        one, other = two(parity=1)
        whole, _ = two()
        plain, guarded = say(whole, *[bytes(size // 4)] * 4), say(one, *[bytes(size // 4)] * 4)
        assert (len(plain), len(guarded)) == (3, 4)
        padding = sum(len(frame) - HEADER_SIZE for frame in guarded[:-1]) - sum(
            len(frame) - HEADER_SIZE for frame in plain
        )
        assert 0 <= padding < 4 * 3
        assert heard(other, guarded) == [bytes(size // 4)] * 4
        assert other.drops == {}


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1500, 60_000), min_size=20, max_size=40), k=st.sampled_from((1, 2, 4, 8)))
def test_parity_takes_a_quarter_at_most(sizes: list[int], k: int) -> None:
    one, _ = two(parity=k, limit=16 * SLICE - 16)
    data = parities = 0
    for size in sizes * 3:
        one.tun.put(*super_packet(size))
        for frame in sent(one):
            if frame[2] > 1 and frame[1] & PARITY:
                parities += len(frame)
            elif frame[2] > 1:
                data += len(frame)
    assert parities <= data * 0.25 * (1 + sum(size < 4 * SLICE for size in sizes) / len(sizes)) + 70_000


@pytest.mark.parametrize("slices", [1, 2, 4, 16, 30])
def test_super_packets_are_cut_so_that_each_envelope_fits_the_limit(slices: int) -> None:
    one, other = two(limit=slices * SLICE - 16)
    packet, header = super_packet(43 * 1328)
    one.tun.put(packet, header)
    counts = [HEADER.unpack_from(frame)[2] for frame in sent(one) for _ in range(frame[1] == 0)]
    assert max(counts) <= slices
    assert len(counts) == -(-43 // ((slices * SLICE - 16 - 66) // 1328))
    one.tun.put(packet, header)
    one.pump()
    other.hear_all(one)
    assert b"".join(record[62:] for record in other.taken()) == packet[52:]
    assert other.drops == {}


def test_many_packets_fill_envelopes_up_to_the_limit() -> None:
    one, other = two(limit=8 * SLICE - 16)
    frames = say(one, *BULK)
    assert [HEADER.unpack_from(frame)[2] for frame in frames if frame[1] == 0] == [8, 7]
    assert heard(other, frames) == BULK


def test_a_relay_passes_parity_on() -> None:
    one, relay, other = Side(1), Side(3), Side(2)
    one.routes(2)
    one.keys(2)
    one.apply(port.PutWay(node(2), (port.Way(one.socket.id, endpoint(3), label(3, 1), SIZE, 20_000, parity=2),)))
    relay.apply(port.PutCircuit(label(3, 1), endpoint(1), label(2, 1), relay.socket.id, endpoint(2)))
    other.meet(1)
    frames = say(one, *BULK[:10])
    relay.hear(b"".join(frames), len(frames[0]), by=1)
    carried = relay.socket.datagrams()
    assert [frame[:4] + frame[8:] for frame in carried] == [frame[:4] + frame[8:] for frame in frames]
    for frame in carried[1:]:
        other.hear(frame, by=3)
    assert taken(other) == BULK[:10]


def test_envelopes_that_vanish_whole_are_counted_once_later_ones_came() -> None:
    one, other = two()
    for number in range(100):
        frames = say(one, b"%d" % number)
        if number % 10 != 5:
            heard(other, frames)
        other.now += 0.02
    for _ in range(2):
        other.now += 0.2
        counters = other.counters(1)
    assert (counters.complete, counters.incomplete, counters.missed, counters.slices) == (90, 10, 10, 90)


def test_what_a_stranger_makes_up_is_not_loss() -> None:
    """Slices of envelopes nobody sent, under a label that was seen on the wire."""
    one, other = two()
    heard(other, say(one, b"real"))
    for counter in range(1, 400):
        other.hear(HEADER.pack(6, 0, 9, 0, label(2, 1), counter) + bytes(500), by=1)
        other.now += 0.01
    counters = other.counters(1)
    assert (counters.complete, counters.incomplete, counters.missed) == (1, 0, 0)
    assert not [fact for fact in other.facts if isinstance(fact, port.LossSeen)]


def test_the_first_slices_are_told_of_though_none_is_missed() -> None:
    one, other = two()
    for _ in range(1600):
        frames = say(one, *BULK)
        other.hear(b"".join(frames), len(frames[0]), by=1)
        other.now += 0.01
    told = [fact.counters for fact in other.facts if isinstance(fact, port.LossSeen)]
    assert [each.missed for each in told] == [0] * len(FIRSTS)
    assert all(first <= each.slices < first + 300 for first, each in zip(FIRSTS, told, strict=True))


def test_forged_doubles_are_no_loss() -> None:
    one, other = two()
    heard(other, say(one, b"true"))
    for number in range(200):
        other.hear(HEADER.pack(DATA, PARITY, 1, 0, label(2, 1), 10**6 + number) + bytes(40), by=1)
    other.now += 0.2
    counters = other.counters(1)
    assert (counters.slices, counters.missed, counters.failed_tags) == (1, 0, 200)
