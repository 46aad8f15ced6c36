"""The codec: golden vectors of RFC 5769, round trips, and whatever bytes a stranger sends."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from punch import stun
from punch.stun import ATTRIBUTES, KINDS, READ_OVER, Message, StunError
from punch.values import Endpoint, udp

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
# RFC 5769 sections 2.1, 2.2, 2.3
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249"
    "c1b571a280280004e57a3bcf"
)
RESPONSE_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
RESPONSE_IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa"
    "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)


def test_the_sample_request_of_rfc_5769_is_read() -> None:
    message = stun.parse(REQUEST)
    assert message.kind == "request"
    assert message.transaction == TRANSACTION
    assert message.software == "STUN test client"
    assert message.fingerprint
    assert message.strange == (0x0024,)  # PRIORITY is ICE's


def test_the_sample_responses_of_rfc_5769_are_read() -> None:
    for data, host in ((RESPONSE_IPV4, "192.0.2.1"), (RESPONSE_IPV6, "2001:db8:1234:5678:11:2233:4455:6677")):
        message = stun.parse(data)
        assert message.kind == "response"
        assert message.transaction == TRANSACTION
        assert message.software == "test vector"
        assert message.xor_mapped == message.seen == udp(host, 32853)
        assert message.mapped is None
        assert message.fingerprint
        assert message.strange == ()


def test_the_masked_address_is_packed_as_rfc_5769_has_it() -> None:
    for data, start, size in ((RESPONSE_IPV4, 36, 12), (RESPONSE_IPV6, 36, 24)):
        seen = stun.parse(data).seen
        packed = stun.pack(Message(kind="response", transaction=TRANSACTION, xor_mapped=seen))
        assert packed[20:] == data[start : start + size]


@pytest.mark.parametrize("data", [REQUEST, RESPONSE_IPV4, RESPONSE_IPV6])
def test_one_wrong_bit_anywhere_breaks_the_fingerprint(data: bytes) -> None:
    for place in range(len(data)):
        for bit in range(8):
            bad = bytearray(data)
            bad[place] ^= 1 << bit
            try:
                assert not stun.parse(bytes(bad)).fingerprint
            except StunError:
                continue


@pytest.mark.parametrize("data", [REQUEST, RESPONSE_IPV4, RESPONSE_IPV6])
def test_a_cut_message_is_none(data: bytes) -> None:
    for size in range(len(data)):
        with pytest.raises(StunError):
            stun.parse(data[:size])
    with pytest.raises(StunError, match="stun_length"):
        stun.parse(data + b"\0\0\0\0")


def test_an_attribute_longer_than_the_message_is_refused() -> None:
    data = stun.HEADER.pack(0x0101, 8, stun.COOKIE, TRANSACTION) + bytes.fromhex("8022000900000000")
    with pytest.raises(StunError, match="stun_truncated"):
        stun.parse(data)


def test_of_two_attributes_alike_the_first_counts() -> None:
    first, second = (
        stun.pack(Message(kind="response", transaction=TRANSACTION, xor_mapped=udp(host, 1)))[20:]
        for host in ("192.0.2.1", "192.0.2.2")
    )
    data = stun.HEADER.pack(0x0101, 24, stun.COOKIE, TRANSACTION) + first + second
    assert stun.parse(data).seen == udp("192.0.2.1", 1)


def test_what_stands_behind_the_integrity_does_not_count() -> None:
    address = stun.pack(Message(kind="response", transaction=TRANSACTION, xor_mapped=udp("192.0.2.1", 1)))[20:]
    integrity = bytes.fromhex("00080014") + bytes(20)
    data = stun.HEADER.pack(0x0101, 36, stun.COOKIE, TRANSACTION) + integrity + address
    assert stun.parse(data).seen is None


@pytest.mark.parametrize("value", ["00030001c0000201", "0001000100", "00020001c0000201", ""])
def test_an_address_of_no_family_is_refused(value: str) -> None:
    body = bytes.fromhex(value)
    padded = body + bytes(-len(body) % 4)
    data = stun.HEADER.pack(0x0101, 4 + len(padded), stun.COOKIE, TRANSACTION)
    with pytest.raises(StunError, match="stun_attribute"):
        stun.parse(data + bytes([0, 1, 0, len(body)]) + padded)


def test_response_port_and_padding_are_known_and_ignored() -> None:
    body = bytes.fromhex("0027000412340000") + bytes.fromhex("00260004") + bytes(4)
    message = stun.parse(stun.HEADER.pack(0x0001, len(body), stun.COOKIE, TRANSACTION) + body)
    assert message == Message(kind="request", transaction=TRANSACTION)
    assert {0x0026, 0x0027} <= set(READ_OVER)


def test_attributes_have_one_row_each() -> None:
    numbers = [row.type for row in ATTRIBUTES]
    assert len(set(numbers)) == len(numbers)
    assert not set(numbers) & set(READ_OVER)


hosts = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number))),
    st.integers(0, 2**128 - 1).map(lambda number: str(ipaddress.IPv6Address(number))),
)
endpoints: st.SearchStrategy[Endpoint | None] = st.one_of(st.none(), st.builds(udp, hosts, st.integers(0, 65535)))
texts = st.text(max_size=40)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    error = draw(st.one_of(st.just(0), st.integers(300, 699)))
    return Message(
        kind=draw(st.sampled_from(sorted(KINDS.values()))),
        transaction=draw(st.binary(min_size=12, max_size=12)),
        xor_mapped=draw(endpoints),
        mapped=draw(endpoints),
        origin=draw(endpoints),
        other=draw(endpoints),
        change_ip=draw(st.booleans()),
        change_port=draw(st.booleans()),
        error=error,
        reason=draw(texts) if error else "",
        unknown=tuple(draw(st.lists(st.integers(0, 65535), max_size=5))),
        software=draw(texts),
        fingerprint=draw(st.booleans()),
    )


@given(messages())
def test_what_is_packed_is_read_back(message: Message) -> None:
    data = stun.pack(message)
    assert len(data) % 4 == 0
    assert stun.is_stun(data)
    assert stun.parse(data) == message


@given(st.binary(max_size=120), st.sampled_from(sorted(KINDS)))
def test_whatever_comes_it_is_read_or_refused(body: bytes, number: int) -> None:
    for data in (body, stun.HEADER.pack(number, len(body), stun.COOKIE, TRANSACTION) + body):
        try:
            message = stun.parse(data)
        except StunError:
            continue
        assert message.transaction == TRANSACTION or data is body


def test_a_mangled_message_is_read_or_refused() -> None:
    dice = random.Random(5)
    read = 0
    for _ in range(20_000):
        data = bytearray(dice.choice([REQUEST, RESPONSE_IPV4, RESPONSE_IPV6]))
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            message = stun.parse(bytes(data[: dice.choice([len(data), dice.randrange(len(data))])]))
        except StunError:
            continue
        read += 1
        assert len(message.transaction) == 12
    assert 0 < read < 20_000


def test_a_transaction_of_another_size_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        stun.pack(Message(kind="request", transaction=b"short"))
