"""Argon2id in a thread of its own."""

from __future__ import annotations

import pytest

from overlay.identity import stretch
from overlay.shell.stretching import Stretching


def test_it_is_the_same_as_ever() -> None:
    assert Stretching("home", "x").result() == stretch("home", "x")


def test_what_goes_wrong_is_raised_to_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(network: str, secret: str) -> bytes:
        raise MemoryError

    monkeypatch.setattr("overlay.shell.stretching.stretch", full)
    begun = Stretching("home", "x")
    with pytest.raises(MemoryError):
        begun.result()
