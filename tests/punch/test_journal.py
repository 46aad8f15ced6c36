"""Lines a person reads, bounded."""

from __future__ import annotations

from punch.journal import LINES_AN_ATTEMPT, MOST_LINES, Journal, describe
from punch.values import NatProfile


def test_an_attempt() -> None:
    journal = Journal()
    journal.open("we ask them", now=1.0)
    journal.note("trying", now=1.5)
    journal.close("ended: direct", now=2.0)
    assert journal.lines() == ("1.00 s  we ask them", "1.50 s    trying", "2.00 s  ended: direct")


def test_bounded_in_every_direction() -> None:
    journal = Journal()
    for attempt in range(20):
        journal.open(f"{attempt}", now=0.0)
        for _ in range(200):
            journal.note("x" * 10_000, now=0.0)
        journal.close("ended", now=0.0)
    lines = journal.lines()
    assert len(lines) == MOST_LINES
    assert max(map(len, lines)) < 250
    assert any(f"({200 - LINES_AN_ATTEMPT} lines left out)" in line for line in lines)


def test_foreign_text_cannot_move_the_cursor() -> None:
    journal = Journal()
    journal.open("a\x1b[2Jb\nc", now=0.0)
    assert journal.lines() == ("0.00 s  a?[2Jb?c",)


def test_profiles_in_peoples_words() -> None:
    hard = NatProfile(mapping="apdm", allocation="sequential", step=2, foreign=20.0)
    assert describe(hard) == "NAT4 symmetric, ports count by +2, ~20 foreign mappings/s"
    assert describe(NatProfile(open=True)) == "public address"
    assert describe(NatProfile()) == "a NAT not measured yet"
    poisonable = NatProfile(mapping="eim", filtering="apdf", poisonable=True)
    assert describe(poisonable) == "NAT3 port restricted, which unasked packets can spoil"
