"""Slices in any order become the envelope they were cut from, and a flood stays bounded."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.wire.frame import PARITIES, parity_index
from overlay.wire.parity import parity
from overlay.wire.reassembly import MOST_REBUILT, SLOT_COST, Missed, Reassembly


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
    assert box.expire(0.12) == [Missed("s", "a", whole=False, came=1, missed=1)]
    assert box.expire(9.0) == [Missed("t", "b", whole=False, came=1, missed=1)]
    assert box.expire(9.0) == []
    assert box.drops == {"partial_expired": 2}


def test_a_late_slice_does_not_complete_an_old_envelope() -> None:
    box = Reassembly()
    box.add("a", 0, 2, b"x", session="s", now=0.0)
    assert box.add("a", 1, 2, b"y", session="s", now=1.0) is None
    assert [each.session for each in box.expire(1.0)] == ["s"]
    assert box.add("a", 0, 2, b"x", session="s", now=1.0) == b"xy"


def test_a_session_has_eight_and_its_oldest_gives_way() -> None:
    box = Reassembly()
    for number in range(9):
        box.add(number, 0, 2, b"x", session="s", now=float(number) / 1000)
    box.add("other", 0, 2, b"x", session="t", now=0.01)
    assert len(box) == 9
    assert box.drops == {"partial_evicted": 1}
    assert [each.key for each in box.expire(0.02)] == [0]
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


def guarded(count: int, k: int, size: int = 20) -> tuple[bytes, list[tuple[int, bytes]]]:
    """An envelope of whole slices, and its slices with their indexes, parity behind."""
    body = random.Random(count * 100 + k).randbytes(count * size)
    made = parity(body, size, k)
    pieces = [(index, piece) for index, piece in enumerate(slices(body, size))]
    return body, pieces + [(parity_index(k, number), piece) for number, piece in enumerate(slices(made, size))]


def count_and_parities(data: st.DataObject) -> tuple[int, int]:
    count = data.draw(st.integers(1, 64))
    return count, data.draw(st.sampled_from([k for k in PARITIES if k <= count]))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_as_many_lost_as_there_is_parity_are_rebuilt_in_any_order(data: st.DataObject, seed: int) -> None:
    count, k = count_and_parities(data)
    body, pieces = guarded(count, k)
    dice = random.Random(seed)
    dice.shuffle(pieces)
    left = pieces[data.draw(st.integers(0, k)) :]
    box = Reassembly()
    got = [box.add("e", index, count, piece, session="s", now=1.0) for index, piece in left[:count]]
    assert got[-1] == body, "as soon as there are as many as the envelope has"
    assert got[:-1] == [None] * (count - 1)
    assert box.came == count
    assert (len(box), box.buffered) == (0, 0)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_more_lost_than_there_is_parity_are_not(data: st.DataObject, seed: int) -> None:
    count, k = count_and_parities(data)
    _, pieces = guarded(count, k)
    random.Random(seed).shuffle(pieces)
    left = pieces[k + data.draw(st.integers(1, count)) :]
    box = Reassembly()
    for index, piece in left:
        assert box.add("e", index, count, piece, session="s", now=1.0) is None
    absent = count - sum(index < count for index, _ in left)
    expected = [Missed("s", "e", whole=False, came=len(left), missed=absent)] if left else []
    assert box.expire(2.0) == expected


def test_a_double_stands_for_the_only_slice() -> None:
    box = Reassembly()
    assert box.add("e", parity_index(1, 0), 1, b"whole", session="s", now=0.0) == b"whole"
    assert (box.came, box.rebuilt) == (1, True)
    assert box.expire(0.0) == [], "it may be forged"
    box.opened("e", session="s", now=0.0)
    assert box.expire(0.2) == [Missed("s", "e", whole=True, came=0, missed=1)]
    assert box.add("f", 0, 1, b"other", session="s", now=0.3) == b"other"
    assert (box.came, box.rebuilt) == (1, False)
    box.opened("f", session="s", now=0.3)
    assert box.expire(9.0) == []


def test_what_was_overtaken_is_not_missed() -> None:
    box = Reassembly()
    body, pieces = guarded(4, 1)
    for index, piece in pieces[1:-1]:
        assert box.add("e", index, 4, piece, session="s", now=0.0) is None
    assert box.add("e", *_with(pieces[-1], 4), session="s", now=0.01) == body
    assert box.rebuilt
    assert not box.late("e", 0), "it may be forged"
    box.opened("e", session="s", now=0.01)
    assert not box.late("e", 1), "that one was there"
    assert not box.late("other", 0)
    assert box.late("e", 0)
    assert not box.late("e", 0)
    assert box.expire(9.0) == []


def _with(piece: tuple[int, bytes], count: int) -> tuple[int, int, bytes]:
    return piece[0], count, piece[1]


def test_mixed_and_misfit_parity_is_refused_and_counted() -> None:
    box = Reassembly()
    body, pieces = guarded(8, 4)
    assert box.add("e", parity_index(4, 1), 8, pieces[9][1], session="s", now=0.0) is None
    for index in (parity_index(2, 0), parity_index(8, 0), parity_index(4, 1)):
        assert box.add("e", index, 8, pieces[8][1], session="s", now=0.0) is None
    assert box.add("e", parity_index(4, 2), 8, b"short", session="s", now=0.0) is None
    assert box.add("e", 7, 8, b"short", session="s", now=0.0) is None, "an envelope with parity has whole slices"
    assert box.drops == {"slice_header": 2, "slice_again": 1, "slice_size": 2}
    for index, piece in pieces[:8]:
        whole = box.add("e", index, 8, piece, session="s", now=0.0) if index != 5 else None
    assert whole == body


def test_parity_of_an_envelope_too_small_for_it_is_refused() -> None:
    box = Reassembly()
    for count, index in ((1, parity_index(2, 0)), (3, parity_index(4, 0)), (9, 0x80 | 8), (9, parity_index(2, 2))):
        assert box.add("e", index, count, b"x", session="s", now=0.0) is None
    assert box.drops == {"slice_header": 4}


def test_an_early_last_slice_that_is_no_whole_one_goes_when_parity_comes() -> None:
    box = Reassembly()
    body, pieces = guarded(3, 1)
    assert box.add("e", 2, 3, b"short", session="s", now=0.0) is None
    assert box.add("e", *_with(pieces[3], 3), session="s", now=0.0) is None
    assert box.drops == {"slice_size": 1}
    assert box.add("e", 0, 3, pieces[0][1], session="s", now=0.0) is None
    assert box.add("e", 2, 3, pieces[2][1], session="s", now=0.0) == body
    assert (box.buffered, box.came) == (0, 3)


def test_rebuilt_envelopes_are_remembered_within_bounds() -> None:
    box = Reassembly()
    for number in range(3 * MOST_REBUILT):
        box.add(number, parity_index(1, 0), 1, b"x", session="s", now=0.0)
        box.opened(number, session="s", now=0.0)
    assert len(box._rebuilt) == MOST_REBUILT
    assert len(box.expire(9.0)) <= MOST_REBUILT


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 260), st.integers(-1, 70), st.binary(max_size=8)), max_size=60))
def test_any_slices_of_any_header_never_raise(pieces: list[tuple[int, int, bytes]]) -> None:
    box = Reassembly(limit_bytes=2000)
    for step, (index, count, body) in enumerate(pieces):
        box.add(("e", count), index, count, body, session="s", now=step / 100)
        box.late(("e", count), index)
        assert box.buffered <= 2000 + 8 + SLOT_COST
    box.expire(99.0)
    assert (len(box), box.buffered) == (0, 0)


def test_a_session_that_ends_leaves_nothing() -> None:
    box = Reassembly()
    box.add("a", 0, 2, b"x", session="s", now=0.0)
    box.forget("s")
    box.forget("never heard of")
    assert (len(box), box.buffered, box.expire(9.0)) == (0, 0, [])
