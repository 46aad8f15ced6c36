"""This host's addresses, as `ip` tells them."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.shell.addresses import read_addresses, silence_bell


def test_what_cannot_be_read_is_unknown_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert read_addresses() is None


def test_loopback_is_none_of_them() -> None:
    addresses = read_addresses()
    assert addresses is not None
    assert not [each for each in addresses if each[0] in ("127.0.0.1", "::1")]


def message(kind: int, body: bytes) -> bytes:
    """A netlink message with a body of whole words."""
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def rings(*datagrams: bytes) -> bool:
    """Whether what the kernel says concerns us."""
    kernel, bell = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with kernel, bell:
        bell.setblocking(False)
        for each in datagrams:
            kernel.send(each)
        return silence_bell(bell)


def test_addresses_links_and_the_default_route_ring_and_other_routes_do_not() -> None:
    address, default, other = (
        message(20, bytes(8)),
        message(24, b"\2\0" + bytes(10)),
        message(25, b"\2\x18" + bytes(10)),
    )
    assert rings(address)
    assert rings(default)
    assert not rings(other)
    assert rings(other + default)
    assert rings(other, address)
    assert not rings()


@given(st.binary(min_size=1, max_size=200))
def test_nothing_the_bell_says_raises(noise: bytes) -> None:
    assert rings(noise) in (True, False)
