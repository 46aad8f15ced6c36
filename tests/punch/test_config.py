"""The ranges of [punch] and [stun]."""

from __future__ import annotations

import msgspec
import pytest

from punch.config import PunchConfig, StunConfig


def test_defaults() -> None:
    assert PunchConfig() == PunchConfig(enabled=True, nat3_nat4="auto", nat4_nat4="off", max_pps=100, max_entries=1000)
    assert StunConfig() == StunConfig(servers=(), serve="auto")
    assert msgspec.convert({}, PunchConfig) == PunchConfig()


@pytest.mark.parametrize("given", [{"max_pps": 1}, {"max_pps": 1000}, {"max_entries": 8}, {"nat4_nat4": "always"}])
def test_values_in_range_are_taken(given: dict[str, object]) -> None:
    taken = msgspec.convert(given, PunchConfig)
    assert msgspec.to_builtins(taken) == {**msgspec.to_builtins(PunchConfig()), **given}


@pytest.mark.parametrize(
    "given",
    [
        {"max_pps": 0},
        {"max_pps": 1001},
        {"max_entries": 7},
        {"max_entries": 20001},
        {"nat3_nat4": "on"},
        {"enabled": "yes"},
        {"max_pps": 33.5},
    ],
)
def test_values_out_of_range_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, PunchConfig)


def test_stun_is_served_or_not() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"serve": "on"}, StunConfig)
