"""The 36 bytes of a probe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from punch.probe import ANSWER, KEY_BYTES, PROBE, PROBE_BYTES, Probe, answer_to, encode, peek, verify

KEY = bytes(range(KEY_BYTES))
GOLDEN = Probe(PROBE, 7, 0x1234, 0x89ABCDEF, 0x01020304, b"\x10\x11\x12\x13\x14\x15\x16\x17")

probes = st.builds(
    Probe,
    type=st.sampled_from([PROBE, ANSWER]),
    epoch=st.integers(0, 255),
    slot=st.integers(0, 0xFFFF),
    label=st.integers(0, 0xFFFF_FFFF),
    attempt=st.integers(0, 0xFFFF_FFFF),
    random=st.binary(min_size=8, max_size=8),
)


def test_golden_bytes() -> None:
    payload = encode(GOLDEN, KEY)
    assert len(payload) == PROBE_BYTES == 36
    assert payload[:20].hex() == "08073412efcdab89040302011011121314151617"
    assert payload[20:].hex() == "cb30cd57f3add57e0b04522706f417c7"


@given(probes, st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_what_was_written_is_read(probe: Probe, key: bytes) -> None:
    payload = encode(probe, key)
    assert peek(payload) == probe
    assert verify(payload, key)


@given(probes, st.integers(0, PROBE_BYTES * 8 - 1))
def test_any_bit_turned_breaks_it(probe: Probe, bit: int) -> None:
    payload = bytearray(encode(probe, KEY))
    payload[bit // 8] ^= 1 << bit % 8
    assert isinstance(peek(bytes(payload)), str) or not verify(bytes(payload), KEY)


def test_another_key_does_not_open_it() -> None:
    assert not verify(encode(GOLDEN, KEY), bytes(KEY_BYTES))


def test_an_answer_differs_in_type_and_label_only() -> None:
    answer = answer_to(GOLDEN, epoch=GOLDEN.epoch, label=5)
    assert answer == Probe(ANSWER, 7, GOLDEN.slot, 5, GOLDEN.attempt, GOLDEN.random)


@given(st.binary(max_size=64))
def test_noise_never_raises(payload: bytes) -> None:
    read = peek(payload)
    if isinstance(read, str):
        assert read in ("probe_size", "probe_type")
    else:
        assert not verify(payload, KEY)
