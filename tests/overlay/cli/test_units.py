from __future__ import annotations

import pytest

from overlay.cli.terminal import Canvas, Pen, columns, cut
from overlay.cli.units import amount, duration, milliseconds, percent, rate


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (8040, "2 h 14 min"),
        (90_000, "1 d 1 h"),
        (86_400 * 3, "3 d"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_940, "99.9 kB"), (123_456, "123 kB"), (999_600, "1.0 MB")],
)
def test_amounts(count: float, text: str) -> None:
    assert amount(count) == text
    assert rate(count) == f"{text}/s"
    assert amount(5e18) == "5000.0 PB"


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0.123, "0.12 ms"), (12.34, "12.3 ms"), (123.4, "123 ms")])
def test_milliseconds(value: float | None, text: str) -> None:
    assert milliseconds(value) == text


@pytest.mark.parametrize(("share", "text"), [(None, ""), (0.0, "0 %"), (0.004, "0.4 %"), (0.5, "50 %"), (1.0, "100 %")])
def test_percents(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_columns_are_what_the_terminal_takes() -> None:
    assert [columns(text) for text in ("abc", "größe", "e\u0301", "家")] == [3, 5, 1, 2]


@pytest.mark.parametrize("plain", [True, False])
def test_cutting(plain: bool) -> None:
    canvas = Canvas(Pen(colour=False), 80, plain)
    assert cut("abcdef", 6, canvas) == "abcdef"
    assert cut("abcdef", 5, canvas) == ("ab..." if plain else "abcd\u2026")
    assert columns(cut("家家家家", 5, canvas)) <= 5
