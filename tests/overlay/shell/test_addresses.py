"""This host's addresses, as `ip` tells them."""

import pytest

from overlay.shell.addresses import read_addresses


def test_what_cannot_be_read_is_unknown_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert read_addresses() is None


def test_loopback_is_none_of_them() -> None:
    addresses = read_addresses()
    assert addresses is not None
    assert not [each for each in addresses if each[0] in ("127.0.0.1", "::1")]
