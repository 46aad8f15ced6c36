"""A wide-area network as a model: delay, loss, a rate with a tail-drop queue, for each direction of each pair."""

from __future__ import annotations

from socket import AF_INET6, inet_aton, inet_pton

import pytest
from hypothesis import given
from hypothesis import strategies as st

from punch.sim.link import Link
from tools.natlab.wide import Plan, Tail, Way, Wide

A, B, C = "198.51.100.2", "198.51.100.18", "198.51.100.34"
PLACES = ("198.51.100.0/28", "198.51.100.16/28", "198.51.100.32/28")


def packet(source: str, to: str, size: int = 1000, mark: int = 0) -> bytes:
    return bytes([0x45]) + bytes(11) + inet_aton(source) + inet_aton(to) + mark.to_bytes(4) + bytes(size - 24)


def wide(*ways: Way, seed: str = "1") -> Wide:
    return Wide(Plan(places=PLACES, ways=ways, seed=seed))


def arrivals(area: Wide) -> list[tuple[float, int]]:
    """(when, mark) of all that is on its way."""
    found = []
    while (due := area.next_due()) is not None:
        found += [(due, int.from_bytes(each[20:24])) for each in area.due(now=due)]
    return found


def test_a_packet_is_due_after_the_delay_and_not_before() -> None:
    area = wide(Way(link=Link(delay=0.02)))
    area.put(packet(A, B), now=1.0)
    assert area.next_due() == pytest.approx(1.02)
    assert area.due(now=1.019) == []
    assert area.due(now=1.021) == [packet(A, B)]
    assert area.next_due() is None


def test_a_quick_way_is_not_held_up_by_a_slow_one() -> None:
    area = wide(Way(link=Link(delay=0.5)), Way(link=Link(delay=0.01), source=PLACES[0], to=PLACES[2]))
    area.put(packet(A, B, mark=1), now=0.0)
    area.put(packet(A, C, mark=2), now=0.0)
    assert [mark for _, mark in arrivals(area)] == [2, 1]


@pytest.mark.parametrize("chance", [0.01, 0.1])
def test_loss_has_its_share_and_its_seed(chance: float) -> None:
    lost = []
    for seed in ("1", "1", "2"):
        area = wide(Way(link=Link(delay=0.0, loss=chance)), seed=seed)
        for number in range(20_000):
            area.put(packet(A, B, 100, number), now=0.0)
        there = {mark for _, mark in arrivals(area)}
        lost.append({number for number in range(20_000) if number not in there})
    assert lost[0] == lost[1] != lost[2]
    assert len(lost[0]) == pytest.approx(20_000 * chance, rel=0.3)
    assert area.counts()[f"{PLACES[0]}>{PLACES[1]}"]["loss"] == len(lost[2])


def test_a_rate_spaces_packets_and_its_queue_drops_the_tail() -> None:
    area = wide(Way(link=Link(delay=0.02, rate=8e6), packets=10))
    for number in range(20):
        area.put(packet(A, B, 1000, number), now=0.0)
    there = arrivals(area)
    assert [mark for _, mark in there] == list(range(11))  # one being sent, ten that wait
    assert [at for at, _ in there] == pytest.approx([0.021 + 0.001 * number for number in range(11)])
    assert area.counts()[f"{PLACES[0]}>{PLACES[1]}"]["queue"] == 9


def test_directions_and_pairs_queue_apart_and_flows_of_one_pair_together() -> None:
    area = wide(Way(link=Link(delay=0.0, rate=8e6), packets=10))
    for source, to in ((A, B), ("198.51.100.3", B), (B, A), (A, C)):
        area.put(packet(source, to, 1000), now=0.0)
    assert [at for at, _ in arrivals(area)] == pytest.approx([0.001, 0.001, 0.001, 0.002])


def test_one_direction_is_cut_and_healed_while_packets_are_on_their_way() -> None:
    area = wide(Way(link=Link(delay=0.1)))
    area.put(packet(A, B, mark=1), now=0.0)
    one_way = Way(link=Link(delay=0.1), source=PLACES[0], to=PLACES[1], cut=True)
    area.become(Plan(places=PLACES, ways=(Way(link=Link(delay=0.1)), one_way)))
    area.put(packet(A, B, mark=2), now=0.01)
    area.put(packet(B, A, mark=3), now=0.01)
    area.become(Plan(places=PLACES, ways=(Way(link=Link(delay=0.1)),)))
    area.put(packet(A, B, mark=4), now=0.02)
    assert [mark for _, mark in arrivals(area)] == [1, 3, 4]
    assert area.counts()[f"{PLACES[0]}>{PLACES[1]}"]["cut"] == 1


def test_what_is_larger_than_the_mtu_vanishes() -> None:
    area = wide(Way(link=Link(delay=0.0, mtu=1300)))
    area.put(packet(A, B, 1300, 1), now=0.0)
    area.put(packet(A, B, 1301, 2), now=0.0)
    assert [mark for _, mark in arrivals(area)] == [1]


def test_reordered_and_doubled() -> None:
    held = wide(Way(link=Link(delay=0.01, reorder=0.5, held=0.005)))
    for number in range(100):
        held.put(packet(A, B, 100, number), now=number * 0.001)
    marks = [mark for _, mark in arrivals(held)]
    assert marks != sorted(marks)
    assert sorted(marks) == list(range(100))
    twice = wide(Way(link=Link(delay=0.01, duplicate=1.0)))
    twice.put(packet(A, B), now=0.0)
    assert len(arrivals(twice)) == 2


def test_ipv6_and_strangers_pass() -> None:
    area = wide(Way(link=Link(delay=0.03)))
    six = bytes([0x60]) + bytes(7) + inet_pton(AF_INET6, "2001:db8::1") + inet_pton(AF_INET6, "2001:db8::2") + bytes(20)
    area.put(six, now=0.0)
    area.put(packet("10.0.0.1", B), now=0.0)
    assert len(area.due(now=0.03)) == 2


@given(
    st.lists(st.tuples(st.floats(0, 0.01), st.integers(40, 1500)), max_size=200),
    st.integers(1, 20),
    st.floats(1e5, 1e9),
)
def test_a_tail_keeps_order_rate_and_bound(gaps: list[tuple[float, int]], packets: int, rate: float) -> None:
    tail, now, left = Tail(rate, packets), 0.0, list[tuple[float, float]]()
    for gap, size in gaps:
        now += gap
        at = tail.leaves(size, now=now)
        waiting = sum(now < each for each, _ in left)
        assert (at is None) == (waiting > packets)
        if at is not None:
            assert at >= max([now, *(each for each, _ in left)])
            left.append((at, size))
