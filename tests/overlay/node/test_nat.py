"""A NAT profile as a record's word: there and back, and whatever another version may say."""

from __future__ import annotations

import re
from typing import get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from overlay.node.nat import describe, from_word, to_word
from punch.values import Allocation, Filtering, Mapping, NatProfile
from tests.kit.contract import NAT, faults

profiles = st.builds(
    NatProfile,
    mapping=st.sampled_from(get_args(Mapping)),
    filtering=st.sampled_from(get_args(Filtering)),
    allocation=st.sampled_from(get_args(Allocation)),
    step=st.integers(-64_511, 64_511),
    foreign=st.none() | st.floats(0, 1e4),
    open=st.booleans(),
    blocked=st.booleans(),
)


@given(profiles)
def test_a_word_fits_a_record_and_says_what_status_shows(profile: NatProfile) -> None:
    word = to_word(profile)
    assert re.fullmatch(r"[!-~]{1,64}", word)
    read = from_word(word)
    assert read.type == profile.type
    if profile.type in ("NAT1", "NAT2", "NAT3", "NAT4"):
        assert (read.mapping, read.filtering, read.allocation) == (
            profile.mapping,
            profile.filtering,
            profile.allocation,
        )
        assert read.step == (profile.step if profile.allocation == "sequential" else 0)


@given(profiles)
def test_what_is_shown_keeps_the_contract(profile: NatProfile) -> None:
    assert faults(msgspec.to_builtins(describe(profile, age=1.25)), NAT) == []
    assert (describe(profile).label is None) == (profile.type == "unknown")


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=64))
def test_any_word_means_something_or_unknown(word: str) -> None:
    assert faults(msgspec.to_builtins(describe(from_word(word))), NAT) == []


def test_golden_words() -> None:
    assert to_word(NatProfile()) == "unknown"
    assert to_word(NatProfile(mapping="eim", filtering="apdf", allocation="preserving")) == "eim/apdf/preserving"
    counted = NatProfile(mapping="apdm", filtering="apdf", allocation="sequential", step=1, foreign=19.6)
    assert to_word(counted) == "apdm/apdf/sequential/+1"
    assert describe(counted).label == "NAT4 symmetric, ports count by +1, ~20 foreign mappings/s"
    assert from_word("apdm/of-2030/sequential/+1/more") == NatProfile(mapping="apdm", allocation="sequential", step=1)
