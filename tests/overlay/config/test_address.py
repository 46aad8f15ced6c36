from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.config.address import STUN_PORT, Addr, parse_addr
from overlay.errors import UsageError


@pytest.mark.parametrize(
    ("text", "addr"),
    [
        ("vps.example", Addr("", "vps.example", 27182)),
        ("vps.example.:80", Addr("", "vps.example.", 80)),
        ("my_host-1:65535", Addr("", "my_host-1", 65535)),
        ("größe.example", Addr("", "größe.example", 27182)),
        ("203.0.113.7", Addr("", "203.0.113.7", 27182)),
        ("203.0.113.7:1", Addr("", "203.0.113.7", 1)),
        ("[2001:db8::7]:27182", Addr("", "2001:db8::7", 27182)),
        ("[2001:db8::7]", Addr("", "2001:db8::7", 27182)),
        ("2001:db8::7", Addr("", "2001:db8::7", 27182)),
        ("fe80::1%eth0", Addr("", "fe80::1%eth0", 27182)),
        ("udp://vps.example:5", Addr("udp", "vps.example", 5)),
        ("UDP://[::1]:5", Addr("udp", "::1", 5)),
    ],
)
def test_addresses(text: str, addr: Addr) -> None:
    assert parse_addr(text) == addr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "missing"),
        (":80", "missing"),
        ("host:", "port"),
        ("host:0", "port"),
        ("host:65536", "port"),
        ("host:8a", "port"),
        ("host:+80", "port"),
        ("host:\u0661", "port"),
        ("a b", "neither"),
        ("a..b", "neither"),
        ("-a", "neither"),
        ("host/path", "neither"),
        ("1.2.3", "neither"),
        ("256.1.1.1", "neither"),
        ("1.2.3.4.5", "neither"),
        ("[host]:80", "IPv6"),
        ("[1.2.3.4]:80", "IPv6"),
        ("2001:db8::g", "IPv6"),
        ("2001:db8:::1:80", "IPv6"),
        ("[::1]80", "IPv6"),
        ("tcp://host", "known: udp"),
        ("udp://", "missing"),
        ("x" * 64 + ".example", "neither"),
        ("host\x00", "neither"),
    ],
)
def test_what_is_no_address(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_addr(text)
    assert why in caught.value.text
    assert caught.value.fix


def test_another_default_port() -> None:
    assert parse_addr("stun.example", STUN_PORT).port == 3478


@given(st.text(max_size=40))
def test_whatever_is_taken_is_taken_again_as_printed(text: str) -> None:
    try:
        addr = parse_addr(text)
    except UsageError:
        return
    assert parse_addr(str(addr)) == addr
