"""What a node carries for others stays within its rate, and one neighbour does not take it all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.dataplane import port
from overlay.dataplane.ration import BURST_LEAST, MOST_SHARES, Ration
from tests.overlay.dataplane.sides import endpoint
from tests.overlay.dataplane.test_forward import send, three

MBIT = 125_000


def carried(ration: Ration, offers: dict[int, int], *, seconds: float, size: int = 10_000) -> dict[int, int]:
    """Bytes carried for each source that offers so many bytes a second, from time 100 on."""
    got = dict.fromkeys(offers, 0)
    due = dict.fromkeys(offers, 0.0)
    for step in range(int(seconds * 1000)):
        for source, rate in offers.items():
            due[source] += rate / 1000
            while due[source] >= size:
                due[source] -= size
                if ration.takes(endpoint(source), size, now=100.0 + step / 1000):
                    got[source] += size
    return got


def test_without_a_limit_all_passes() -> None:
    ration = Ration()
    assert all(ration.takes(endpoint(1), 62_000, now=0.0) for _ in range(1000))


@pytest.mark.parametrize("rate", [MBIT, 10 * MBIT, 100 * MBIT])
def test_the_rate_is_kept_and_used(rate: int) -> None:
    ration = Ration()
    ration.limit(rate)
    total = sum(carried(ration, {1: 3 * rate}, seconds=4.0).values())
    assert 0.98 * 4 * rate <= total <= 4 * rate + max(BURST_LEAST, rate * 0.1)


def test_a_greedy_neighbour_leaves_the_others_their_share() -> None:
    ration = Ration()
    ration.limit(10 * MBIT)
    got = carried(ration, {1: 100 * MBIT, 2: 2 * MBIT, 3: 20 * MBIT}, seconds=4.0)
    assert got[2] >= 0.95 * 4 * 2 * MBIT
    assert got[3] >= 0.9 * 4 * 10 * MBIT / 3
    assert sum(got.values()) <= 4 * 10 * MBIT + BURST_LEAST + MBIT


def test_what_others_do_not_use_is_not_lost() -> None:
    ration = Ration()
    ration.limit(10 * MBIT)
    got = carried(ration, {1: 100 * MBIT, 2: MBIT // 10}, seconds=4.0)
    assert got[1] >= 0.9 * 4 * 10 * MBIT


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 62_000), st.floats(0.0, 2.0)), max_size=60))
def test_never_more_than_burst_and_rate(story: list[tuple[int, int, float]]) -> None:
    ration, now, total = Ration(), 0.0, 0
    ration.limit(MBIT)
    for source, size, pause in story:
        now += pause
        total += size if ration.takes(endpoint(source), size, now=now) else 0
    assert total <= BURST_LEAST + now * MBIT + 1


def test_sources_remembered_stay_few() -> None:
    ration = Ration()
    ration.limit(MBIT)
    for number in range(2 * MOST_SHARES):
        ration.takes(endpoint(number), 100, now=0.0)
    assert len(ration._shares) == len(ration._seen) == MOST_SHARES
    ration.takes(endpoint(1), 100, now=10.0)
    assert len(ration._shares) == 1


def test_frames_beyond_the_rate_are_counted_drops() -> None:
    one, _, relay = three()
    relay.apply(port.LimitCarried(MBIT))
    for _ in range(10):
        send(one, 30)
        relay.hear_all(one)
        one.socket.sent.clear()
    assert relay.drops["relay_rate"] > 0
    relay.apply(port.LimitCarried(0))
    before = dict(relay.drops)
    send(one, 30)
    relay.hear_all(one)
    assert relay.drops == before
