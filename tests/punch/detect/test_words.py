"""Labels and sentences."""

from __future__ import annotations

from typing import get_args

import pytest

from punch.attempt import WORDS
from punch.detect.words import REASONS, STRATEGIES, an, label, reason_words, sentence, spoken, strategy_words
from punch.sim.zoo import KINDS
from punch.strategies.choose import Name
from punch.values import NatProfile

NAT4 = "NAT4 symmetric"
SYMMETRIC = NatProfile(mapping="apdm", filtering="apdf")


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        (NatProfile(), "not known"),
        (NatProfile(blocked=True), "UDP blocked"),
        (NatProfile(open=True, filtering="eif"), "public address"),
        (NatProfile(open=True, filtering="apdf"), "public address, firewall"),
        (NatProfile(mapping="eim", filtering="eif"), "NAT1 full cone"),
        (NatProfile(mapping="eim", filtering="adf"), "NAT2 address restricted"),
        (NatProfile(mapping="eim"), "NAT3 port restricted"),
        (
            NatProfile(mapping="apdm", allocation="sequential", step=1, foreign=19.6),
            "NAT4 symmetric, ports count by +1, ~20 foreign mappings/s",
        ),
        (
            NatProfile(mapping="apdm", allocation="sequential", step=-2, foreign=0.0),
            "NAT4 symmetric, ports count by -2",
        ),
        (NatProfile(mapping="apdm", allocation="sequential"), "NAT4 symmetric, ports count by a fixed step"),
        (
            NatProfile(mapping="apdm", allocation="block", block=(2048, 512)),
            "NAT4 symmetric, ports come from a block of 512",
        ),
        (NatProfile(mapping="adm", allocation="uniform"), "NAT4 symmetric, one port a peer address, ports are random"),
        (SYMMETRIC, "NAT4 symmetric"),
    ],
)
def test_labels(profile: NatProfile, text: str) -> None:
    assert label(profile) == text


def test_every_kind_has_one_sentence() -> None:
    for kind in KINDS.values():
        text = sentence(kind.expected)
        assert text.endswith(".")
        assert text.count(".") == 1
        assert "{" not in text
    assert "-1" in sentence(KINDS["nat4-sequential-down"].expected)


def test_every_fixed_word_is_spelled_out() -> None:
    assert set(get_args(Name)) == set(STRATEGIES)
    assert set(WORDS) <= set(REASONS)
    told = [*STRATEGIES.values(), *REASONS.values()]
    assert all("_" not in each for each in told)
    assert len(set(told)) == len(told)


def test_words_of_another_version_lose_their_underscores() -> None:
    assert (strategy_words("new_way"), reason_words("no_luck"), strategy_words(None)) == ("new way", "no luck", "")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ended: peer_off (switched off on their side), 0 packets", "ended: switched off on their side, 0 packets"),
        ("ended: direct (direct by anchor_walk), 41 packets", "ended: direct by anchor and walk, 41 packets"),
        ("  anchor_walk: we hold still, they walk", "  anchor and walk: we hold still, they walk"),
        ("  reachable: they knock", "  knocking at the open side: they knock"),
        ("  we: NAT4 symmetric, ports come from a block of 512",) * 2,
        ("  block: opening 9 holes", "  block search: opening 9 holes"),
        ("they ask us", "they ask us"),
    ],
)
def test_a_line_of_the_journal_is_spoken(line: str, text: str) -> None:
    assert spoken(line) == text


def test_articles() -> None:
    assert [an(word) for word in ("address restricted", "symmetric")] == ["an address restricted", "a symmetric"]
