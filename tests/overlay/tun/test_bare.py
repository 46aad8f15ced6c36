"""A kernel without the virtio-net header: it is put in front of what is read, and must be empty in what is written."""

from __future__ import annotations

import os

import pytest

from overlay.tun.linux import _readv_bare, _word, _write_bare, _writev_bare


def test_plain_packets_look_like_records() -> None:
    out, into = os.pipe()
    try:
        os.write(into, b"packet")
        buffer = bytearray(b"\xaa" * 40)
        assert _readv_bare(out, [memoryview(buffer)]) == 16
        assert buffer[:16] == bytes(10) + b"packet"
        assert _write_bare(into, bytes(10) + b"one") == 3
        assert _writev_bare(into, [bytes(10), b"tw", b"o"]) == 3
        assert os.read(out, 100) == b"onetwo"
    finally:
        os.close(out)
        os.close(into)


@pytest.mark.parametrize("header", [b"\x01" + bytes(9), b"\0\x01" + bytes(8)])
def test_offloads_are_refused(header: bytes) -> None:
    with pytest.raises(OSError, match="plain packets"):
        _write_bare(-1, header + b"packet")


def test_a_word_stays_one_word() -> None:
    assert _word('overlay "a\\b\nc') == '"overlay abc"'
    assert len(_word("x" * 300)) == 66
