"""Parity slices of an envelope, and what they rebuild: any k lost slices from any k parity slices (protocol section 2).

    data     | s0 | s1 | s2 | ... | s(n-1) |            n slices of equal length
    parity   | p0 | p1 | ... | p(k-1) |                 pj = sum of c(j, i) x si, byte by byte in GF(2^8)

c(j, i) = (8 + i) / (j ^ (8 + i)), a Cauchy matrix whose columns are scaled so that c(0, i) = 1: p0 is the plain XOR,
and of an envelope of one slice its double. Every square part of such a matrix can be inverted (Blömer et al., "An
XOR-based erasure-resilient coding scheme", 1995). The field is that of RAID-6: x^8 + x^4 + x^3 + x^2 + 1.

Python multiplies a whole slice by one `translate` and adds it by one XOR of big integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from overlay.wire.frame import PARITIES

Bytes = bytes | bytearray | memoryview

_integer = int.from_bytes
_ROWS = PARITIES[-1]


def _powers() -> tuple[list[int], list[int]]:
    """Powers of 2 in the field, twice over, and the logarithms to that base."""
    powers, logs, value = [0] * 510, [0] * 256, 1
    for power in range(255):
        powers[power] = powers[power + 255] = value
        logs[value] = power
        value = value << 1 ^ (0x11D if value & 0x80 else 0)
    return powers, logs


_POWERS, _LOGS = _powers()


def multiply(one: int, other: int) -> int:
    """The product in GF(2^8)."""
    return _POWERS[_LOGS[one] + _LOGS[other]] if one and other else 0


def divide(one: int, other: int) -> int:
    """The quotient in GF(2^8); `other` is not 0."""
    return _POWERS[_LOGS[one] + 255 - _LOGS[other]] if one else 0


def coefficient(row: int, index: int) -> int:
    """What slice `index` is multiplied by in parity slice `row`."""
    return divide(_ROWS + index, row ^ (_ROWS + index))


@cache
def _table(factor: int) -> bytes:
    """Every byte times `factor`."""
    return bytes(multiply(factor, value) for value in range(256))


@cache
def _tables(row: int, count: int) -> tuple[bytes, ...]:
    return tuple(_table(coefficient(row, index)) for index in range(count))


def parity(sealed: Bytes, size: int, k: int) -> bytes:
    """The `k` parity slices, side by side, of an envelope of whole slices of `size` bytes."""
    slices = [bytes(sealed[at : at + size]) for at in range(0, len(sealed), size)]
    made = []
    for row in range(k):
        total = 0
        if row:
            for each, table in zip(slices, _tables(row, len(slices)), strict=True):
                total ^= _integer(each.translate(table), "little")
        else:
            for each in slices:
                total ^= _integer(each, "little")
        made.append(total.to_bytes(size, "little"))
    return b"".join(made)


def rebuild(slots: list[bytes | None], parities: Sequence[bytes | None], size: int) -> bool:
    """Fill the empty `slots` of an envelope of whole slices of `size` bytes; False: too much is lost, nothing is done.

    `parities` are as many as the sender made, None where one did not come.
    """
    absent = [index for index, slot in enumerate(slots) if slot is None]
    rows = [row for row, each in enumerate(parities) if each is not None][: len(absent)]
    if len(rows) < len(absent):
        return False
    sums = [_remainder(slots, parities[row], row) for row in rows]
    for index, total in zip(absent, _solved(absent, rows, sums, size), strict=True):
        slots[index] = total.to_bytes(size, "little")
    return True


def _remainder(slots: list[bytes | None], parity_slice: bytes | None, row: int) -> int:
    """What the absent slices add to a parity slice."""
    total = _integer(parity_slice or b"", "little")
    for slot, table in zip(slots, _tables(row, len(slots)), strict=True):
        if slot is not None:
            total ^= _integer(slot.translate(table) if row else slot, "little")
    return total


def _solved(absent: list[int], rows: list[int], sums: list[int], size: int) -> list[int]:
    """The absent slices: Gauss-Jordan on their coefficients; no part of the matrix is singular, so no pivot is 0."""
    matrix = [[coefficient(row, index) for index in absent] for row in rows]
    for pivot in range(len(absent)):
        factor = divide(1, matrix[pivot][pivot])
        matrix[pivot] = [multiply(factor, each) for each in matrix[pivot]]
        sums[pivot] = _times(sums[pivot], factor, size)
        for other, line in enumerate(matrix):
            factor = line[pivot]
            if other != pivot and factor:
                matrix[other] = [each ^ multiply(factor, base) for each, base in zip(line, matrix[pivot], strict=True)]
                sums[other] ^= _times(sums[pivot], factor, size)
    return sums


def _times(slice_: int, factor: int, size: int) -> int:
    if factor == 1:
        return slice_
    return _integer(slice_.to_bytes(size, "little").translate(_table(factor)), "little")
