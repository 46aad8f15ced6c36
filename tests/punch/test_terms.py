"""What two Offers amount to."""

from __future__ import annotations

import pytest

from punch.config import Mode
from punch.signals import Offer
from punch.terms import infeasible, mode_of, settle
from punch.values import NatProfile

EASY = NatProfile(mapping="eim", filtering="apdf")
COUNTER = NatProfile(mapping="apdm", filtering="apdf", allocation="sequential", step=1)
UNKNOWN = NatProfile(mapping="apdm", filtering="apdf")
WILD = NatProfile(mapping="apdm", filtering="apdf", allocation="uniform")
SMALL = NatProfile(mapping="apdm", filtering="apdf", allocation="block", block=(1024, 64))


def offer(profile: NatProfile, *, wanted: bool = True, modes: tuple[Mode, Mode] = ("auto", "auto")) -> Offer:
    return Offer(1, False, 7, profile, (), False, wanted, modes)


@pytest.mark.parametrize("modes", [("auto", "auto"), ("always", "always"), ("off", "off")])
def test_an_easy_pair_is_tried_when_it_is_wanted(modes: tuple[Mode, Mode]) -> None:
    quiet, wants = offer(EASY, wanted=False, modes=modes), offer(EASY, modes=modes)
    assert settle(quiet, quiet).reason == "idle"
    assert settle(quiet, wants).reason == settle(wants, quiet).reason == ""


def test_always_is_for_the_pairs_it_names() -> None:
    always = offer(COUNTER, wanted=False, modes=("off", "always"))
    quiet = offer(COUNTER, wanted=False)
    assert settle(always, quiet).reason == settle(quiet, always).reason == ""
    assert settle(always, offer(EASY, wanted=False)).reason == "off"
    assert settle(offer(EASY, wanted=False), always).reason == "peer_off"
    assert [mode_of(which, ("off", "always")) for which in ("", "easy", "nat3_nat4", "nat4_nat4")] == [
        None,
        None,
        "off",
        "always",
    ]


@pytest.mark.parametrize("other", [COUNTER, UNKNOWN, WILD, SMALL])
def test_what_is_not_measured_is_not_called_hopeless(other: NatProfile) -> None:
    assert not infeasible(offer(UNKNOWN), offer(other))
    assert settle(offer(UNKNOWN), offer(other)).reason == "unmeasured"
    assert settle(offer(other), offer(UNKNOWN)).reason == "unmeasured"
    assert settle(offer(UNKNOWN), offer(EASY)).reason == ""


def test_words_for_what_is_hopeless_are_true() -> None:
    assert "hours" in infeasible(offer(WILD), offer(WILD))
    assert "blocks" in infeasible(offer(SMALL), offer(SMALL))
    assert "hours" not in infeasible(offer(SMALL), offer(SMALL))
