"""Endpoints as people write them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from punch.values import Endpoint, parse_endpoint, udp

endpoints = st.builds(udp, st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str), st.integers(1, 65535))


@given(endpoints)
def test_what_is_shown_can_be_read(endpoint: Endpoint) -> None:
    assert parse_endpoint(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("1.2.3.4:5", "1.2.3.4", 5),
        ("[::1]:65535", "::1", 65535),
        ("[2001:DB8:0::1]:1", "2001:db8::1", 1),
        ("[fe80::1%eth0]:27182", "fe80::1%eth0", 27182),
    ],
)
def test_endpoints_are_read_in_canonical_form(text: str, host: str, port: int) -> None:
    assert parse_endpoint(text) == udp(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "1.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "1.2.3.4:-1",
        "1.2.3.4:٣",
        "1.2.3.4.5:6",
        "[1.2.3.4:5",
        "::1:5",
        "[::1]",
        "[::1]:5 ",
        "host:5",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_endpoint(text)


@given(st.text(max_size=40))
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except ValueError:
        return
    assert ipaddress.ip_address(endpoint.host)
    assert 1 <= endpoint.port <= 65535


def test_the_family_is_known() -> None:
    assert udp("::1", 5).is_ipv6
    assert not udp("1.2.3.4", 5).is_ipv6
    assert str(udp("fe80::1%eth0", 5)) == "[fe80::1%eth0]:5"
