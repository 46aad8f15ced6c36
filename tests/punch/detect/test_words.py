"""Labels and sentences."""

from __future__ import annotations

import pytest

from punch.detect.words import label, sentence
from punch.sim.zoo import KINDS
from punch.values import NatProfile

SYMMETRIC = NatProfile(mapping="apdm", filtering="apdf")


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        (NatProfile(), "undecided"),
        (NatProfile(blocked=True), "UDP blocked"),
        (NatProfile(open=True, filtering="eif"), "public address"),
        (NatProfile(open=True, filtering="apdf"), "public address, firewall"),
        (NatProfile(mapping="eim", filtering="eif"), "NAT1 full cone"),
        (NatProfile(mapping="eim"), "NAT3 port restricted"),
        (
            NatProfile(mapping="apdm", allocation="sequential", step=1, foreign=19.6),
            "NAT4 symmetric, sequential +1, ~20 foreign mappings/s",
        ),
        (NatProfile(mapping="apdm", allocation="sequential", step=-2, foreign=0.0), "NAT4 symmetric, sequential -2"),
        (NatProfile(mapping="apdm", allocation="sequential"), "NAT4 symmetric, sequential"),
        (NatProfile(mapping="apdm", allocation="block", block=(2048, 512)), "NAT4 symmetric, block of 512"),
        (NatProfile(mapping="adm", allocation="uniform"), "NAT4 symmetric, one port a peer address, uniform"),
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
