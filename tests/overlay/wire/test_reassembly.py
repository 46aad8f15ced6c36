"""Slices in any order become the envelope they were cut from, and a flood stays bounded."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.wire.reassembly import SLOT_COST, Reassembly


def slices(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(min_size=1, max_size=4000),
    size=st.integers(64, 1500),
    seed=st.integers(0, 2**32),
    twice=st.booleans(),
)
def test_any_order_with_doubles_gives_the_envelope_once(body: bytes, size: int, seed: int, twice: bool) -> None:
    pieces = list(enumerate(slices(body, size)))
    count = len(pieces)
    random.Random(seed).shuffle(pieces)
    box = Reassembly()
    got = []
    for index, piece in pieces:
        got.append(box.add("e", index, count, piece, session="s", now=1.0))
        if twice and got[-1] is None:
            assert box.add("e", index, count, piece, session="s", now=1.0) is None
    assert [each for each in got if each is not None] == [body]
    assert (len(box), box.buffered) == (0, 0)


def test_one_of_one_needs_no_buffer() -> None:
    box = Reassembly()
    assert box.add("e", 0, 1, memoryview(b"whole"), session="s", now=0.0) == b"whole"
    assert len(box) == 0


def test_first_arrival_wins_and_other_sizes_are_dropped() -> None:
    box = Reassembly()
    assert box.add("e", 0, 3, b"aa", session="s", now=0.0) is None
    assert box.add("e", 0, 3, b"xx", session="s", now=0.0) is None
    assert box.add("e", 1, 3, b"bbb", session="s", now=0.0) is None
    assert box.add("e", 2, 3, b"ccc", session="s", now=0.0) is None
    assert box.add("e", 1, 3, b"bb", session="s", now=0.0) is None
    assert box.add("e", 2, 3, b"c", session="s", now=0.0) == b"aabbc"
    assert box.drops == {"slice_again": 1, "slice_size": 2}


def test_a_last_slice_waits_for_the_size_and_goes_if_it_is_too_long() -> None:
    box = Reassembly()
    assert box.add("e", 1, 2, b"long", session="s", now=0.0) is None
    assert box.add("e", 0, 2, b"ab", session="s", now=0.0) is None
    assert box.drops == {"slice_size": 1}
    assert box.add("e", 1, 2, b"c", session="s", now=0.0) == b"abc"
    assert box.buffered == 0


def test_headers_no_slice_may_have() -> None:
    box = Reassembly()
    for index, count, body in ((2, 2, b"x"), (0, 65, b"x"), (0, 0, b"x"), (0, 2, b""), (-1, 2, b"x")):
        assert box.add("e", index, count, body, session="s", now=0.0) is None
    assert box.drops == {"slice_header": 5}
    assert len(box) == 0


def test_what_waits_too_long_is_given_up_and_named() -> None:
    box = Reassembly()
    box.add("a", 0, 2, b"x", session="s", now=0.0)
    box.add("b", 0, 2, b"x", session="t", now=0.05)
    assert box.expire(0.1) == []
    assert box.expire(0.12) == ["s"]
    assert box.expire(9.0) == ["t"]
    assert box.expire(9.0) == []
    assert box.drops == {"partial_expired": 2}


def test_a_late_slice_does_not_complete_an_old_envelope() -> None:
    box = Reassembly()
    box.add("a", 0, 2, b"x", session="s", now=0.0)
    assert box.add("a", 1, 2, b"y", session="s", now=1.0) is None
    assert box.expire(1.0) == ["s"]
    assert box.add("a", 0, 2, b"x", session="s", now=1.0) == b"xy"


def test_a_session_has_eight_and_its_oldest_gives_way() -> None:
    box = Reassembly()
    for number in range(9):
        box.add(number, 0, 2, b"x", session="s", now=float(number) / 1000)
    box.add("other", 0, 2, b"x", session="t", now=0.01)
    assert len(box) == 9
    assert box.drops == {"partial_evicted": 1}
    assert box.expire(0.02) == ["s"]
    assert box.add(0, 1, 2, b"y", session="s", now=0.02) is None, "the oldest is gone"
    assert box.add(8, 1, 2, b"y", session="s", now=0.02) == b"xy"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_flood_stays_bounded(seed: int) -> None:
    dice = random.Random(seed)
    box = Reassembly(limit_bytes=20_000)
    for step in range(400):
        body = bytes(dice.choice((1, 700, 1400)))
        count = dice.randrange(2, 65)
        box.add(dice.randrange(60), dice.randrange(count), count, body, session=dice.randrange(12), now=step / 1000)
        assert box.buffered <= 20_000 + 1400 + SLOT_COST
        assert len(box) <= 96


def test_a_session_that_ends_leaves_nothing() -> None:
    box = Reassembly()
    box.add("a", 0, 2, b"x", session="s", now=0.0)
    box.forget("s")
    box.forget("never heard of")
    assert (len(box), box.buffered, box.expire(9.0)) == (0, 0, [])
