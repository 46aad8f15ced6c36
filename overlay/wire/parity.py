"""Parity slices of an envelope, and what they rebuild (protocol section 2).

    data     | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |        k = 2
                 \\       \\       \\       \\
    parity   | 0 ^ 2 ^ 4 ^ 6 | 1 ^ 3 ^ 5 ^ 7 |        one lost slice of each group is rebuilt

Slice j of k is the XOR of all slices i with i mod k = j. So k neighbouring slices are one block, the parity slices side
by side are the XOR of all blocks, and Python's big integers do a block at once.
"""

from __future__ import annotations

from collections.abc import Sequence

Bytes = bytes | bytearray | memoryview

_integer = int.from_bytes


def parity(sealed: Bytes, size: int, k: int) -> bytes:
    """The `k` parity slices, side by side, of an envelope of whole slices of `size` bytes; at least `k` of them."""
    block = size * k
    total = 0
    for at in range(0, len(sealed), block):
        total ^= _integer(sealed[at : at + block], "little")
    return total.to_bytes(block, "little")


def rebuild(slots: list[bytes | None], parities: Sequence[bytes | None], size: int) -> bool:
    """Fill the empty `slots` of an envelope of whole slices of `size` bytes; False: too much is lost, nothing is done.

    `parities` are as many as the sender made, None where one did not come.
    """
    k = len(parities)
    absent = [index for index, slot in enumerate(slots) if slot is None]
    groups = [index % k for index in absent]
    if len(dict.fromkeys(groups)) < len(groups) or any(parities[group] is None for group in groups):
        return False
    for index, group in zip(absent, groups, strict=True):
        members = [parities[group], *slots[group::k]]
        total = 0
        for each in members:
            if each is not None:
                total ^= _integer(each, "little")
        slots[index] = total.to_bytes(size, "little")
    return True
