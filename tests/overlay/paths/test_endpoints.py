"""Which endpoints are ours, and which of a peer's may be dialled."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.paths.endpoints import Surroundings, may_dial, own_endpoints
from punch.addresses import scope
from punch.values import udp

AROUND = Surroundings(
    addresses=(("192.168.1.5", 24, "eth0"), ("198.51.100.7", 24, "wan0"), ("2001:db8::7", 64, "wan0")),
    overlay=(ipaddress.ip_network("10.99.0.0/16"), ipaddress.ip_network("fd12:3456:789a::/48")),
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("8.8.8.8", "public"),
        ("198.51.100.1", "public"),
        ("2001:db8::1", "public"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.1", "public"),
        ("100.64.0.1", "private"),
        ("169.254.1.1", "private"),
        ("fd00::1", "private"),
        ("fe80::1%eth0", "private"),
        ("127.0.0.1", "never"),
        ("::1", "never"),
        ("0.0.0.0", "never"),
        ("::", "never"),
        ("224.0.0.1", "never"),
        ("ff02::1", "never"),
        ("255.255.255.255", "never"),
        ("::ffff:1.2.3.4", "never"),
        ("not an address", "never"),
    ],
)
def test_scope_follows_the_protocol(host: str, expected: str) -> None:
    assert scope(host) == expected


@given(st.text(max_size=50))
def test_scope_takes_any_text(host: str) -> None:
    assert scope(host) in ("public", "private", "never")


@pytest.mark.parametrize(
    ("host", "shares_public", "expected"),
    [
        ("203.0.113.9", False, True),
        ("192.168.1.9", False, True),
        ("192.168.2.9", False, False),
        ("192.168.2.9", True, True),
        ("10.99.0.4", True, False),
        ("fd12:3456:789a::4", True, False),
        ("198.51.100.7", False, False),
        ("fe80::1%eth0", True, False),
        ("127.0.0.1", True, False),
    ],
)
def test_only_fair_endpoints_are_dialled(host: str, shares_public: bool, expected: bool) -> None:
    assert may_dial(udp(host, 27182), around=AROUND, shares_public=shares_public) is expected


def test_port_zero_is_nobody() -> None:
    assert not may_dial(udp("203.0.113.9", 0), around=AROUND, shares_public=False)


def test_own_endpoints_come_best_first_and_once() -> None:
    given_one, seen = udp("203.0.113.5", 4000), udp("203.0.113.5", 4000)
    found = own_endpoints(AROUND, ports={False: 27182, True: 27182}, given=[given_one], seen=[seen])
    assert [(str(end), kind) for end, kind in found] == [
        ("203.0.113.5:4000", "given"),
        ("198.51.100.7:27182", "public"),
        ("[2001:db8::7]:27182", "public"),
        ("192.168.1.5:27182", "local"),
    ]


def test_overlay_and_link_local_addresses_are_no_underlay() -> None:
    around = Surroundings(
        addresses=(("10.99.0.4", 16, "overlay0"), ("fe80::1", 64, "eth0"), ("127.0.0.1", 8, "lo")),
        overlay=AROUND.overlay,
    )
    assert own_endpoints(around, ports={False: 1, True: 1}, given=[], seen=[]) == []


def test_no_socket_of_a_family_means_no_endpoint_of_it() -> None:
    found = own_endpoints(AROUND, ports={False: 27182}, given=[], seen=[udp("9.9.9.9", 5)])
    assert [kind for _, kind in found] == ["public", "local", "stun"]
