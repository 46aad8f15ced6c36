"""The code of parity slices: its field, its first row, golden bytes."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.wire.frame import MAX_SLICES, PARITIES
from overlay.wire.parity import coefficient, divide, multiply, parity, rebuild

GOLDEN = "0000f8d11c4ee49fdb7f23aec7313fe0"
"""Of the slices 00 01, 02 03 ... 0e 0f: eight parity slices, side by side."""
BYTE = st.integers(0, 255)


@given(BYTE, BYTE, BYTE)
def test_the_field_is_one(a: int, b: int, c: int) -> None:
    assert multiply(a, b) == multiply(b, a) == _slowly(a, b)
    assert multiply(a, multiply(b, c)) == multiply(multiply(a, b), c)
    assert multiply(a, b ^ c) == multiply(a, b) ^ multiply(a, c)
    if b:
        assert divide(multiply(a, b), b) == a


def _slowly(a: int, b: int) -> int:
    """Bit by bit, modulo x^8 + x^4 + x^3 + x^2 + 1."""
    total = 0
    for bit in range(8):
        if b >> bit & 1:
            total ^= a << bit
    for bit in range(15, 7, -1):
        if total >> bit & 1:
            total ^= 0x11D << (bit - 8)
    return total


def test_the_first_parity_slice_is_the_xor() -> None:
    assert {coefficient(0, index) for index in range(MAX_SLICES)} == {1}
    assert parity(b"\x01\x10\x02\x20\x04\x40", 2, 1) == b"\x07\x70"
    assert parity(b"double", 6, 1) == b"double"


def test_golden_bytes() -> None:
    assert parity(bytes(range(16)), 2, 8).hex() == GOLDEN


def test_any_two_rows_and_columns_can_be_solved() -> None:
    for rows in combinations(range(PARITIES[-1]), 2):
        for one, other in combinations(range(MAX_SLICES), 2):
            cross = [multiply(coefficient(rows[at], one), coefficient(rows[1 - at], other)) for at in (0, 1)]
            assert cross[0] != cross[1]


@pytest.mark.parametrize("k", PARITIES)
def test_each_loss_of_as_many_slices_is_rebuilt(k: int) -> None:
    sealed, size, count = bytes(range(180)), 20, 9
    made = parity(sealed, size, k)
    everything = [sealed[at : at + size] for at in range(0, 180, size)]
    for lost in combinations(range(count + k), k):
        slots: list[bytes | None] = [None if index in lost else each for index, each in enumerate(everything)]
        parities = [None if count + row in lost else made[row * size :][:size] for row in range(k)]
        assert rebuild(slots, parities, size)
        assert slots == everything


def test_too_much_lost_changes_nothing() -> None:
    slots: list[bytes | None] = [None, b"b", None]
    assert not rebuild(slots, [b"p", None], 1)
    assert slots == [None, b"b", None]
