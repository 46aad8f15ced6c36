"""The first byte of every frame, and the header that data and control slices share (protocol section 2).

    0      1       2       3       4        8                16
    +------+-------+-------+-------+--------+----------------+----------------------
    | type | index | count | epoch | label  | counter (u64)  | slice of the sealed envelope
    +------+-------+-------+-------+--------+----------------+----------------------

All integers are little endian. An envelope is cut into `count` slices, all but the last of equal length; a slice's
offset is its index times that length. First bytes 0..3 are STUN; what is not listed here is dropped.

A data envelope of whole slices may be followed by k = 1, 2, 4 or 8 parity slices of the same length (`parity`):

    index | 1 | log2 k (2 bits) | j (5 bits) |      0 <= j < k
"""

from __future__ import annotations

import struct

from msgspec import Struct

from overlay.values import Label

STUN_LAST = 3
"""First bytes 0..3 are STUN (RFC 5764 section 5.1.1), with the magic cookie."""
HANDSHAKE = 4
COOKIE = 5
DATA = 6
CONTROL = 7
PROBE = 8
PROBE_ANSWER = 9

SLICED = (DATA, CONTROL)
"""Types that carry the 16-byte header."""

HEADER = struct.Struct("<BBBBIQ")
"""type, index, count, epoch, label, counter."""
HEADER_SIZE = HEADER.size

MAX_SLICES = 64
"""Data slices of an envelope at most."""


PARITY = 0x80
"""Bit of an index: a parity slice."""
PARITIES = (1, 2, 4, 8)
"""Parity slices an envelope may have."""


def parity_index(parities: int, number: int) -> int:
    """The index of parity slice `number` of `parities`."""
    return PARITY | (parities.bit_length() - 1) << 5 | number


def parity_place(index: int) -> tuple[int, int]:
    """What the index of a parity slice says: how many there are, and which of them it is."""
    return 1 << (index >> 5 & 3), index & 0x1F


def is_parity(index: int, count: int) -> bool:
    """Whether an envelope of `count` data slices may have a parity slice of this index: no group of its is empty."""
    parities, number = parity_place(index)
    return index >= PARITY and number < parities <= count


class Header(Struct, frozen=True):
    """The 16 bytes in front of a slice."""

    type: int
    """DATA or CONTROL."""
    index: int
    """0 .. count - 1; of a parity slice, as `parity_index` says."""
    count: int
    """1 .. 64."""
    epoch: int
    """0 .. 255: which key."""
    label: Label
    counter: int
    """u64: the nonce."""

    def pack(self) -> bytes:
        """16 bytes."""
        return HEADER.pack(self.type, self.index, self.count, self.epoch, self.label, self.counter)

    @classmethod
    def parse(cls, frame: bytes | memoryview) -> Header | None:
        """Read the header in front of `frame`, or None if it is short or says what no header may say."""
        if len(frame) < HEADER_SIZE:
            return None
        type_, index, count, epoch, label, counter = HEADER.unpack_from(frame)
        if type_ not in SLICED or not 0 < count <= MAX_SLICES:
            return None
        if index >= count and (type_ != DATA or not is_parity(index, count)):
            return None
        return cls(type_, index, count, epoch, Label(label), counter)


class Slice(Struct, frozen=True):
    """A parsed frame: its header and its share of the sealed envelope (a view, where the frame was one)."""

    header: Header
    body: bytes | memoryview
    """At least one byte."""


def parse(frame: bytes | memoryview) -> Slice | None:
    """Read one data or control frame; None if it is not one."""
    header = Header.parse(frame)
    if header is None or len(frame) == HEADER_SIZE:
        return None
    return Slice(header, frame[HEADER_SIZE:])


def cut(kind: int, label: Label, epoch: int, counter: int, body: bytes, size: int) -> list[bytes]:
    """Cut the sealed `body` into frames of `size` bytes at most, header included.

    Raises:
        ValueError: `body` is empty, `size` leaves no room behind the header, or 64 slices are too few.
    """
    step = size - HEADER_SIZE
    if step < 1 or not body:
        raise ValueError(f"cannot cut {len(body)} bytes into frames of {size}")
    count = -(-len(body) // step)
    if count > MAX_SLICES:
        raise ValueError(f"{len(body)} bytes need {count} slices of {step}; {MAX_SLICES} are allowed")
    pack = HEADER.pack
    return [
        pack(kind, index, count, epoch, label, counter) + body[index * step : (index + 1) * step]
        for index in range(count)
    ]
