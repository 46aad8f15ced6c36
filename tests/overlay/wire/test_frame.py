"""The header against golden bytes; cutting, and what parsing refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.values import Label
from overlay.wire.frame import (
    CONTROL,
    DATA,
    HEADER_SIZE,
    MAX_SLICES,
    PARITIES,
    Header,
    cut,
    is_parity,
    parity_index,
    parity_place,
    parse,
)

GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "wire.json").read_text())["cut"]


def test_golden_bytes() -> None:
    frames = cut(DATA, Label(0x0403_0201), 9, 0x0807_0605_0403_0201, bytes(range(10)), HEADER_SIZE + 4)
    assert [frame.hex() for frame in frames] == GOLDEN
    parsed = parse(frames[2])
    assert parsed is not None
    assert parsed.header == Header(DATA, 2, 3, 9, Label(0x0403_0201), 0x0807_0605_0403_0201)
    assert parsed.header.pack() + bytes(parsed.body) == frames[2]


@given(
    st.sampled_from([DATA, CONTROL]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.integers(0, 2**64 - 1),
    st.binary(min_size=1, max_size=3000),
    st.integers(64, 1500),
)
def test_slices_join_to_what_was_cut(kind: int, label: int, epoch: int, counter: int, body: bytes, size: int) -> None:
    frames = cut(kind, Label(label), epoch, counter, body, size)
    slices = [parsed for frame in frames if (parsed := parse(memoryview(frame))) is not None]
    assert b"".join(bytes(piece.body) for piece in slices) == body
    assert [piece.header.index for piece in slices] == list(range(len(frames)))
    assert {len(piece.body) for piece in slices[:-1]} <= {size - HEADER_SIZE}
    for piece in slices:
        assert (piece.header.type, piece.header.count) == (kind, len(frames))
        assert (piece.header.label, piece.header.epoch, piece.header.counter) == (label, epoch, counter)


@given(st.binary(max_size=40))
def test_any_bytes_parse_or_do_not(frame: bytes) -> None:
    parsed = parse(frame)
    if parsed is not None:
        index, count = parsed.header.index, parsed.header.count
        assert index < count <= MAX_SLICES or is_parity(index, count)
        assert parsed.header.pack() + bytes(parsed.body) == frame


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("handshake", Header(4, 0, 1, 0, Label(1), 0)),
        ("probe", Header(8, 0, 1, 0, Label(1), 0)),
        ("no slices", Header(DATA, 0, 0, 0, Label(1), 0)),
        ("too many slices", Header(DATA, 0, 65, 0, Label(1), 0)),
        ("index behind the last", Header(DATA, 3, 3, 0, Label(1), 0)),
        ("parity behind the last", Header(DATA, 0x80 | 1 << 5 | 2, 3, 0, Label(1), 0)),
        ("more parity than slices", Header(DATA, 0x80 | 2 << 5, 3, 0, Label(1), 0)),
        ("parity of control", Header(CONTROL, 0x80, 3, 0, Label(1), 0)),
    ],
)
def test_refused_headers(name: str, header: Header) -> None:
    assert parse(header.pack() + b"body") is None, name


def test_parity_indexes_say_what_the_protocol_says() -> None:
    assert [parity_index(k, k - 1) for k in PARITIES] == [0x80, 0x80 | 1 << 5 | 1, 0x80 | 2 << 5 | 3, 0x80 | 3 << 5 | 7]
    for k in PARITIES:
        for number in range(k):
            index = parity_index(k, number)
            assert parity_place(index) == (k, number)
            assert [is_parity(index, count) for count in (k - 1, k, 64)] == [False, True, True]
            frame = Header(DATA, index, k, 3, Label(7), 9).pack() + b"body"
            assert (parsed := parse(frame)) is not None
            assert parsed.header.index == index


def test_short_and_empty_frames_are_refused() -> None:
    frame = cut(DATA, Label(1), 0, 0, b"x", 100)[0]
    assert parse(frame) is not None
    for length in range(len(frame)):
        assert parse(frame[:length]) is None


def test_cutting_refuses_what_does_not_fit() -> None:
    assert len(cut(DATA, Label(1), 0, 0, bytes(64 * 4), HEADER_SIZE + 4)) == MAX_SLICES
    for body, size in [(bytes(64 * 4 + 1), HEADER_SIZE + 4), (b"", 1200), (b"x", HEADER_SIZE)]:
        with pytest.raises(ValueError, match="bytes"):
            cut(DATA, Label(1), 0, 0, body, size)
