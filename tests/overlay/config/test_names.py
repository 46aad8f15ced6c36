from __future__ import annotations

import re

import pytest

from overlay.config import names


@pytest.mark.parametrize("name", ["home", "a", "x" * 64, "größe", "my net", "a.b", "a-b", "家", "\u00e9" * 32])
def test_network_names(name: str) -> None:
    assert names.is_network(name)


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "\u00e9" * 33, ".a", "-a", "a/b", "a\nb", "a\x00", "\x7f", "\x85", "a\u2028", "\udc80"]
)
def test_what_is_no_network_name(name: str) -> None:
    assert not names.is_network(name)


def test_length_counts_in_nfc() -> None:
    assert names.is_network("e\u0301" * 32)  # 96 bytes as typed, 64 in NFC
    assert not names.is_network("e\u0301" * 33)


@pytest.mark.parametrize("name", ["a", "Home-2", "9", "x" * 63])
def test_labels(name: str) -> None:
    assert names.is_label(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a.b", "a_b", "x" * 64, "ä", "a\n"])
def test_what_is_no_label(name: str) -> None:
    assert not names.is_label(name)


@pytest.mark.parametrize("name", ["overlay0", "a", "x" * 15, "tun-1.5"])
def test_devices(name: str) -> None:
    assert names.is_device(name)


@pytest.mark.parametrize("name", ["", "x" * 16, "a/b", "a b", "a:1", "tun%d", ".", "..", "ä" * 8])
def test_what_is_no_device(name: str) -> None:
    assert not names.is_device(name)


def test_plain_names_are_files_as_they_are() -> None:
    assert names.file_stem("my_Net-2") == "my_Net-2"


def test_other_names_are_files_by_hash_in_nfc() -> None:
    assert re.fullmatch("[0-9a-f]{32}", names.file_stem("my net"))
    assert names.file_stem("caf\u00e9") == names.file_stem("cafe\u0301") != names.file_stem("cafe")
