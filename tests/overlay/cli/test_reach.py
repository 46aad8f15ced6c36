from __future__ import annotations

from typing import Any

import pytest

from overlay.cli.reach import nat_axes, nat_brief, nat_label, nat_sentence, progress
from tests.overlay.control.fake import peer


def nat(**axes: Any) -> dict[str, Any]:
    """A profile, unknown but for these axes."""
    return {**peer("vps", 1)["nat"], **axes}


@pytest.mark.parametrize(
    ("axes", "brief", "label"),
    [
        ({}, "", ""),
        ({"type": "open"}, "open", "public address"),
        ({"type": "blocked"}, "blocked", "UDP blocked"),
        ({"type": "NAT1", "mapping": "eim", "filtering": "eif"}, "NAT1", "NAT1 full cone"),
        ({"type": "NAT2", "mapping": "eim", "filtering": "adf"}, "NAT2", "NAT2 address restricted"),
        ({"type": "NAT3", "mapping": "eim", "allocation": "preserving"}, "NAT3", "NAT3 port restricted"),
        ({"type": "NAT4", "mapping": "apdm"}, "NAT4", "NAT4 symmetric"),
        (
            {"type": "NAT4", "mapping": "apdm", "allocation": "sequential", "step": 2},
            "NAT4 +2",
            "NAT4 symmetric, ports count by +2",
        ),
        (
            {"type": "NAT4", "mapping": "adm", "allocation": "sequential"},
            "NAT4",
            "NAT4 symmetric, ports count by a fixed step",
        ),
        (
            {"type": "NAT4", "allocation": "uniform"},
            "NAT4 random",
            "NAT4 symmetric, ports are random",
        ),
        ({"type": "NAT9", "label": "of the future\x1b"}, "NAT9", "of the future\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_nat_in_short(axes: dict[str, Any], brief: str, label: str) -> None:
    assert (nat_brief(nat(**axes)), nat_label(nat(**axes))) == (brief, label)


def test_a_nat_in_one_sentence() -> None:
    for kind in ("NAT1", "NAT2", "NAT3", "NAT4", "open", "blocked", "unknown"):
        sentence = nat_sentence(nat(type=kind, mapping="apdm", allocation="uniform"))
        assert sentence.endswith(".")
        assert sentence.count(".") == 1
        assert ("random" in sentence) == (kind == "NAT4")


def test_articles_and_a_public_address_nobody_looked_at() -> None:
    assert "behind an address restricted NAT (NAT2)" in nat_sentence(nat(type="NAT2"))
    assert "behind a symmetric NAT (NAT4)" in nat_sentence(nat(type="NAT4"))
    assert "has a public address" in nat_sentence(nat(), public=True)


def test_axes_that_are_not_decided_say_so() -> None:
    assert nat_axes(nat(type="open")) == nat_axes(nat()) == []
    assert [name for name, words in nat_axes(nat(type="NAT3", mapping="eim")) if "not decided" in words] == [
        "filtering",
        "allocation",
    ]


@pytest.mark.parametrize(
    ("planned", "probes", "words"),
    [(1750, 61, "61 of 1,750 ports"), (1, 10, "sending at once, 10 packets"), (0, 3, "sending at once, 3 packets")],
)
def test_progress_never_says_more_than_all(planned: int, probes: int, words: str) -> None:
    assert progress({"planned": planned, "probes": probes, "strategy": "simultaneous"}) == words
