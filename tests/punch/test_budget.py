"""Ceilings of packets and entries, at every instant."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from punch.budget import ANY_PORT, ENTRY_LIFE, LONGEST_LIFE, ON_THE_WAY, RECOVERY, RESERVE, START_RATE, Budget
from punch.values import SocketId, udp

VIA = SocketId(1)


def drain(budget: Budget, *, now: float, first_port: int = 2000, most: int = 5000) -> int:
    """Send to new ports until it refuses."""
    for count in range(most):
        if not budget.spend(VIA, udp("192.0.2.9", first_port + count), now=now):
            return count
    return most


def test_a_burst_then_the_start_rate() -> None:
    budget = Budget(max_pps=100, max_entries=1000, now=0.0)
    assert drain(budget, now=0.0) == 40 - RESERVE
    assert drain(budget, now=1.0, first_port=3000) == int(START_RATE)


def test_the_last_are_for_answers() -> None:
    budget = Budget(max_pps=100, max_entries=1000, now=0.0)
    drain(budget, now=0.0)
    to = udp("192.0.2.9", 9)
    assert [budget.spend(VIA, to, now=0.0, answer=True) for _ in range(RESERVE + 1)] == [True] * RESERVE + [False]


def test_entries_end_and_begin() -> None:
    budget = Budget(max_pps=1000, max_entries=8, now=0.0)
    sent = sum(drain(budget, now=at / 10, first_port=2000 + 100 * at) for at in range(40))
    assert sent == 8
    assert budget.live(now=4.0) == 8
    assert budget.room(now=4.0) == 0
    assert budget.room_at(1, now=4.0) == ENTRY_LIFE + ON_THE_WAY
    assert budget.live(now=30.0) == 0
    assert drain(budget, now=ENTRY_LIFE + ON_THE_WAY, first_port=9000) == 8


def test_an_answer_makes_an_entry_no_longer_live_but_the_nat_has_it_still() -> None:
    budget = Budget(max_pps=1000, max_entries=8, now=0.0)
    drain(budget, now=0.0)
    budget.answered(VIA, udp("192.0.2.9", 2000))
    assert budget.live(now=0.0) == 7
    assert drain(budget, now=0.5, first_port=9000) == 0


def test_where_an_answer_may_come_from_is_an_entry() -> None:
    budget = Budget(max_pps=1000, max_entries=8, now=0.0)
    asked, elsewhere = udp("192.0.2.1", 3478), udp("192.0.2.1", 3479)
    for port in range(6):
        assert budget.spend(VIA, udp("192.0.2.9", 2000 + port), now=0.0)
    assert budget.spend(VIA, asked, now=0.0, beside=(asked, elsewhere))
    assert not budget.spend(VIA, udp("192.0.2.9", 3000), now=0.0)
    assert budget.spend(VIA, asked, now=1.0, beside=(asked, elsewhere)), "the same again is nothing new"
    assert budget.live(now=1.0) == 8
    budget.answered(VIA, elsewhere)
    assert budget.live(now=1.0) == 7


def test_one_place_is_not_enough_for_two_entries() -> None:
    budget = Budget(max_pps=1000, max_entries=8, now=0.0)
    for port in range(7):
        assert budget.spend(VIA, udp("192.0.2.9", 2000 + port), now=0.0)
    assert not budget.spend(VIA, udp("192.0.2.1", 3478), now=0.0, beside=(udp("192.0.2.1", 3479),))
    assert budget.admits(VIA, udp("192.0.2.1", 3478), now=0.0)
    assert budget.spend(VIA, udp("192.0.2.1", 3478), now=0.0)
    assert not budget.admits(VIA, udp("192.0.2.2", 3478), now=0.0)
    assert budget.admits(VIA, udp("192.0.2.1", 3478), now=0.0)


def test_who_was_invited_answers_by_a_port_of_its_own() -> None:
    budget = Budget(max_pps=1000, max_entries=8, now=0.0)
    assert budget.spend(VIA, udp("192.0.2.2", ANY_PORT), now=0.0)
    budget.answered(VIA, udp("192.0.2.2", 27182))
    assert budget.live(now=0.0) == 0
    assert drain(budget, now=ENTRY_LIFE + ON_THE_WAY) == 7


def test_a_refresh_is_no_new_entry() -> None:
    budget = Budget(max_pps=1000, max_entries=8, now=0.0)
    drain(budget, now=0.0)
    assert budget.spend(VIA, udp("192.0.2.9", 2000), now=1.0)
    assert budget.live(now=30.5) == 1


def test_the_rate_doubles_once_a_second_up_to_the_ceiling() -> None:
    budget = Budget(max_pps=100, max_entries=1000, now=0.0)
    budget.spend(VIA, udp("192.0.2.9", 1), now=0.0)
    rates = []
    for tick in range(1, 13):
        budget.spend(VIA, udp("192.0.2.9", 1), now=tick / 4)
        budget.ramp(now=tick / 4)
        rates.append(budget.rate)
    assert rates == [33, 33, 33, 66, 66, 66, 66, 100, 100, 100, 100, 100]
    budget.halve(now=3.0)
    assert budget.rate == 50
    budget.ramp(now=3.5)
    assert budget.rate == 50


def test_after_a_rest_it_starts_over() -> None:
    budget = Budget(max_pps=100, max_entries=1000, now=0.0)
    budget.spend(VIA, udp("192.0.2.9", 1), now=0.0)
    budget.ramp(now=1.0)
    assert budget.rate == 66
    budget.room(now=20.0)
    assert budget.rate == START_RATE


def test_a_network_that_refused_begins_with_half() -> None:
    budget = Budget(max_pps=100, max_entries=1000, now=0.0)
    budget.suffer("home", now=0.0)
    assert budget.rate == START_RATE / 2
    budget.suffer("home", now=0.1)
    assert budget.rate == START_RATE / 2, "a burst of errors is one"
    budget.change_network("cafe", now=1.0)
    assert budget.rate == START_RATE
    budget.change_network("home", now=2.0)
    assert budget.rate == START_RATE / 2


def test_what_was_refused_is_tried_again_in_time() -> None:
    budget = Budget(max_pps=100, max_entries=1000, now=0.0)
    budget.change_network("home", now=0.0)
    for at in range(0, 20, 2):
        budget.suffer("home", now=float(at))
    rates = []
    for tens in range(4):
        budget.room(now=20.0 + tens * RECOVERY)
        rates.append(budget.rate)
    assert rates == [4.0, 8.0, 16.0, 32.0]
    budget.room(now=20.0 + 4 * RECOVERY)
    assert budget.rate == START_RATE


def test_entries_count_on_in_another_network() -> None:
    budget = Budget(max_pps=1000, max_entries=8, now=0.0)
    drain(budget, now=0.0)
    budget.change_network("cafe", now=1.0)
    assert budget.live(now=1.0) == 8
    assert drain(budget, now=2.0, first_port=9000) == 0
    assert drain(budget, now=ENTRY_LIFE + ON_THE_WAY, first_port=9000) == 8


def test_under_a_lower_ceiling_nothing_is_kept_alive_until_it_is_met() -> None:
    budget = Budget(max_pps=1000, max_entries=20, now=0.0)
    live = [udp("192.0.2.9", 2000 + number) for number in range(18)]
    assert all(budget.spend(VIA, to, now=number / 10) for number, to in enumerate(live))
    budget.limit(max_pps=1000, max_entries=10, now=2.0)
    assert not budget.spend(VIA, live[0], now=3.0)
    assert budget.spend(VIA, live[0], now=3.0, answer=True)
    at = 0.9 + ENTRY_LIFE + ON_THE_WAY
    assert not budget.spend(VIA, live[17], now=at - 0.5)
    assert budget.spend(VIA, live[17], now=at)


steps = st.lists(
    st.tuples(
        st.sampled_from(["spend", "answer", "answered", "limit", "ramp", "halve", "room"]),
        st.floats(0.0, 2.0),
        st.integers(1, 60),
        st.integers(1, 300),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 200), st.integers(8, 60), steps)
def test_ceilings_hold_at_every_instant(
    max_pps: int, max_entries: int, todo: list[tuple[str, float, int, int]]
) -> None:
    """In any second at most max_pps packets; new destinations only while fewer than max_entries are 30 s old."""
    budget = Budget(max_pps=max_pps, max_entries=max_entries, now=0.0)
    now = 0.0
    sent: deque[float] = deque()
    touched: dict[int, float] = {}
    for what, gap, port, number in todo:
        now += gap if number % 3 == 0 else 0.0
        to = udp("192.0.2.9", port)
        if what in ("spend", "answer"):
            alive = {each for each, at in touched.items() if now - at < ENTRY_LIFE}
            if budget.spend(VIA, to, now=now, answer=what == "answer"):
                sent.append(now)
                assert sum(1 for at in sent if at > now - 1.0) <= max_pps
                assert port in alive or len(alive) < max_entries
                touched[port] = now
        elif what == "answered":
            budget.answered(VIA, to)
        elif what == "limit":
            max_pps, max_entries = max(1, number), max(8, port)
            budget.limit(max_pps=max_pps, max_entries=max_entries, now=now)
        elif what == "ramp":
            budget.ramp(now=now)
        elif what == "halve":
            budget.halve(now=now)
        else:
            assert budget.room_at(float(port), now=now) >= now
            if budget.room(now=now) >= 1:
                assert budget.spend(VIA, udp("192.0.2.77", number + 1000), now=now)
                sent.append(now)
                touched[number + 1000] = now
        assert budget.rate <= max_pps


@given(st.integers(1, 100), st.integers(1, 50))
def test_a_wait_for_room_finds_it(max_pps: int, packets: int) -> None:
    budget = Budget(max_pps=max_pps, max_entries=1000, now=0.0)
    drain(budget, now=0.0)
    at = budget.room_at(packets, now=0.0)
    assert budget.room(now=at) >= min(packets, budget.room(now=1000.0)) - 1e-6


def test_what_is_only_kept_alive_by_others_is_forgotten_in_time() -> None:
    budget = Budget(max_pps=100, max_entries=10, now=0.0)
    for port in range(8):
        budget.hold(VIA, udp("192.0.2.1", 1000 + port), now=0.0)
    assert budget.room(now=1.0) == 0.0
    assert budget.room(now=LONGEST_LIFE + ON_THE_WAY + 1.0) == 8.0
