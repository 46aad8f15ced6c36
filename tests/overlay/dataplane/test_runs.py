"""A run of equal UDP packets, joined, is cut by the kernel's rules into the same packets again."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.dataplane.runs import join, like_first
from overlay.dataplane.segment import fit
from tests.overlay.dataplane.packets import A4, A6, B4, B6, csum_vnet, finished, start_of, tcp, udp

PAIRS = pytest.mark.parametrize(("a", "b"), [(A4, B4), (A6, B6)])


def envelope(packets: list[bytes], headers: list[bytes] | None = None) -> tuple[bytearray, int]:
    """Records as they lie opened, and where they end."""
    records = b""
    for number, packet in enumerate(packets):
        record = (headers[number] if headers else csum_vnet(packet)) + packet
        records += struct.pack("<I", len(record)) + record
    return bytearray(records + b"\xee" * 64), len(records)


def run_of(packets: list[bytes], headers: list[bytes] | None = None) -> int:
    buffer, end = envelope(packets, headers)
    return like_first(buffer, 4, 10 + len(packets[0]), end)


@PAIRS
@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 1300), count=st.integers(2, 16))
def test_joined_and_cut_again_is_the_same(a: str, b: str, size: int, count: int) -> None:
    packets = [udp(a, b, bytes((number,)) * size, ident=number + 5) for number in range(count)]
    buffer, end = envelope(packets)
    record = 10 + len(packets[0])
    assert like_first(buffer, 4, record, end) == count
    before = bytes(buffer)
    joined = b"".join(join(buffer, memoryview(buffer), 4, record, count))
    assert bytes(buffer) == before
    cut = [finished(each) for each in fit(joined, 4, 0)]
    assert cut == [finished(csum_vnet(packet) + packet) for packet in packets]


@PAIRS
def test_one_write_carries_sixteen_at_most(a: str, b: str) -> None:
    assert run_of([udp(a, b, b"x" * 200) for _ in range(100)]) == 16
    assert run_of([udp(a, b, b"x" * 8900) for _ in range(7)]) == 6, "60,000 bytes at most"


@PAIRS
def test_what_differs_ends_the_run(a: str, b: str) -> None:
    one = udp(a, b, b"x" * 100)
    start = start_of(one)
    for at in (1, start - 20 + 8, start - 3, start, start + 3, start + 6, start + 7):
        other = bytearray(one)
        other[at] ^= 1
        assert run_of([one, one, bytes(other), one]) == 2, at
    assert run_of([one, udp(a, b, b"x" * 99), one]) == 1
    assert run_of([one, tcp(a, b, b"x" * 76), one]) == 1
    headers = [csum_vnet(one)] * 3
    headers[1] = csum_vnet(one, kind=5, gso=1300)
    assert run_of([one] * 3, headers) == 1
    headers[1] = bytes(10)
    assert run_of([one] * 3, headers) == 1


def test_packets_that_may_be_fragmented_keep_their_identification() -> None:
    assert run_of([udp(A4, B4, b"x" * 100, flags=0, ident=number) for number in range(3)]) == 1


@PAIRS
def test_packets_whose_udp_length_lies_stay_alone(a: str, b: str) -> None:
    packet = bytearray(udp(a, b, b"x" * 100))
    start = start_of(bytes(packet))
    struct.pack_into(">H", packet, start + 4, 50)
    assert run_of([bytes(packet)] * 3) == 1
    assert run_of([udp(a, b, b"")] * 3) == 1


@PAIRS
def test_a_record_cut_off_at_the_end_is_not_looked_at(a: str, b: str) -> None:
    packet = udp(a, b, b"x" * 100)
    buffer, end = envelope([packet] * 3)
    for missing in range(1, len(packet) + 14):
        assert like_first(buffer, 4, 10 + len(packet), end - missing) == 2
