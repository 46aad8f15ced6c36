"""The window against the set of all counters ever marked."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.sealing.replay import WINDOW, ReplayWindow

BIG = 2**64 - 1

steps = st.one_of(
    st.integers(-40, 40),
    st.integers(-WINDOW - 3, WINDOW + 3),
    st.sampled_from([WINDOW - 1, WINDOW, WINDOW + 1, -WINDOW + 1, -WINDOW, -WINDOW - 1, 3 * WINDOW, 10**9]),
)


class Naive:
    def __init__(self) -> None:
        self.marked: set[int] = set()
        self.highest = -1

    def seen(self, counter: int) -> bool:
        return counter in self.marked or counter <= self.highest - WINDOW

    def mark(self, counter: int) -> None:
        self.marked.add(counter)
        self.highest = max(self.highest, counter)


@given(st.integers(0, 3 * WINDOW), st.lists(steps, max_size=60))
@settings(max_examples=300)
def test_as_a_set_would(start: int, walk: list[int]) -> None:
    window, naive = ReplayWindow(), Naive()
    at = start
    for step in walk:
        at = min(max(0, at + step), BIG)
        for counter in {max(0, at - 1), at, at + 1, max(0, at - WINDOW), max(0, at - WINDOW + 1), at + WINDOW}:
            assert window.seen(counter) == naive.seen(counter), counter
        window.mark(at)
        naive.mark(at)
        assert window.highest == naive.highest
        assert window.seen(at)


@given(st.permutations(range(60)), st.integers(WINDOW - 80, WINDOW + 10))
@settings(max_examples=50)
def test_reordering_is_no_replay(order: list[int], base: int) -> None:
    window = ReplayWindow()
    window.mark(base)
    for counter in order:
        assert not window.seen(base + 1 + counter)
        window.mark(base + 1 + counter)
        assert window.seen(base + 1 + counter)
    assert window.highest == base + 60


def test_the_last_counter_of_all() -> None:
    window = ReplayWindow()
    window.mark(0)
    window.mark(BIG)
    assert window.seen(0)
    assert window.seen(BIG)
    assert not window.seen(BIG - 1)
    assert window.seen(BIG - WINDOW)
