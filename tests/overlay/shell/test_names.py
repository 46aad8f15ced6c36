"""What a host is called, and where a name leads."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.shell.names import advertised, host_label, numeric, resolve
from punch.values import udp


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Laptop", "laptop"),
        ("host.example.org", "host"),
        ("Ann's Mac_Book", "ann-s-mac-book"),
        ("---", "node"),
        ("", "node"),
        ("x" * 80, "x" * 63),
        ("größe", "gr-e"),
    ],
)
def test_host_names_become_labels(name: str, label: str) -> None:
    assert host_label(name) == label


@given(st.text())
def test_any_name_becomes_a_label(name: str) -> None:
    label = host_label(name)
    assert 1 <= len(label) <= 63
    assert not label.startswith("-")
    assert not label.endswith("-")
    assert all(each.isascii() and (each.isalnum() or each == "-") for each in label)


def test_numeric_addresses_need_no_resolver() -> None:
    assert numeric("192.0.2.1") == (udp("192.0.2.1", 27182),)
    assert numeric("[2001:DB8::1]:5") == (udp("2001:db8::1", 5),)
    assert numeric("vps.example") is None


def test_a_name_that_does_not_resolve_says_why() -> None:
    endpoints, error = asyncio.run(resolve("no-such-host.invalid"))
    assert endpoints == ()
    assert "resolve" in error


def test_localhost_resolves() -> None:
    endpoints, error = asyncio.run(resolve("localhost:5"))
    assert error == ""
    assert udp("127.0.0.1", 5) in endpoints


def test_advertised_names_become_endpoints_once() -> None:
    assert asyncio.run(advertised(("192.0.2.1:5", "192.0.2.1:5", "no-such-host.invalid"))) == ("192.0.2.1:5",)
