"""Nearly valid inputs: what a parser takes for its own until the very byte that is wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

INTERESTING = (0, 1, 2, 0x7F, 0x80, 0x81, 0x90, 0xC0, 0xC1, 0xC4, 0xC6, 0xD9, 0xDC, 0xDD, 0xDF, 0xE0, 0xFE, 0xFF)
"""Bytes that begin or end a range somewhere: integers, msgpack, UTF-8."""

LONGEST = 70_000
"""Bytes of an input at most: more than any datagram holds."""


class Mutator:
    """Draws inputs from `corpus`, all by `dice`."""

    def __init__(self, corpus: Sequence[bytes], dice: random.Random) -> None:
        self._corpus = corpus
        self._dice = dice

    def next(self) -> bytes:
        """One input: mostly a valid one changed in a few places, sometimes a valid one, sometimes noise."""
        dice = self._dice
        draw = dice.random()
        if draw < 0.02:
            return dice.randbytes(int(dice.expovariate(1 / 60)))
        data = bytearray(self._corpus[int(dice.random() * len(self._corpus))])
        if draw < 0.04:
            return bytes(data)
        for _ in range(1 + int(dice.expovariate(0.8))):
            if not data:
                break
            CHANGES[int(dice.random() * len(CHANGES))](self, data)
        return bytes(data[:LONGEST])

    def _at(self, data: bytearray) -> int:
        """Anywhere; half the time near the front, where lengths and kinds are."""
        dice = self._dice
        at = int(dice.random() * len(data))
        return at if dice.random() < 0.5 else min(at, int(dice.expovariate(0.1)))

    def _flip(self, data: bytearray) -> None:
        data[self._at(data)] ^= 1 << int(self._dice.random() * 8)

    def _set(self, data: bytearray) -> None:
        data[self._at(data)] = INTERESTING[int(self._dice.random() * len(INTERESTING))]

    def _step(self, data: bytearray) -> None:
        at = self._at(data)
        data[at] = data[at] + (1 if self._dice.random() < 0.5 else -1) & 0xFF

    def _widen(self, data: bytearray) -> None:
        """A whole integer field at its largest or smallest."""
        at, width = self._at(data), 1 << int(self._dice.random() * 4)
        data[at : at + width] = (b"\xff" if self._dice.random() < 0.5 else b"\0") * width

    def _truncate(self, data: bytearray) -> None:
        del data[self._at(data) :]

    def _remove(self, data: bytearray) -> None:
        at = self._at(data)
        del data[at : at + 1 + int(self._dice.expovariate(0.2))]

    def _insert(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = self._dice.randbytes(1 + int(self._dice.expovariate(0.2)))

    def _repeat(self, data: bytearray) -> None:
        at = self._at(data)
        piece = bytes(data[at : at + 1 + int(self._dice.expovariate(0.1))])
        data[at:at] = piece * (1 + int(self._dice.expovariate(0.3)))

    def _splice(self, data: bytearray) -> None:
        """The head of one, the tail of another."""
        other = self._corpus[int(self._dice.random() * len(self._corpus))]
        data[self._at(data) :] = other[int(self._dice.random() * len(other)) :]


CHANGES: tuple[Callable[[Mutator, bytearray], None], ...] = (
    Mutator._flip,
    Mutator._flip,
    Mutator._set,
    Mutator._set,
    Mutator._step,
    Mutator._widen,
    Mutator._truncate,
    Mutator._remove,
    Mutator._insert,
    Mutator._repeat,
    Mutator._splice,
)
