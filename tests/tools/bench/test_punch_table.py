"""What the punch bench makes of runs: medians, percentiles, verdicts, and which lines of `join` it reads."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from overlay.lab import Process, scenario_names
from tools.bench.punch.command import arguments
from tools.bench.punch.ours import turned_direct
from tools.bench.punch.rows import ROWS, Bound, Goal, Row
from tools.bench.punch.table import lines, percentile, summary, verdict
from tools.bench.punch.trial import Trial
from tools.bench.punch.watch import first_reply, unanswered

GOAL = Goal(floor=Bound(2, 4, 100), aim=Bound(1, 4, 50))
ROW = Row(name="x", title="X", scenario="two-nat", goal=GOAL)


def trial(seconds: float | None, packets: float, entries: tuple[int, int] | None = (1, 1)) -> Trial:
    return Trial(success=seconds is not None, seconds=seconds, packets=packets, entries=entries)


def said(text: str) -> Process:
    return cast(Process, SimpleNamespace(out=text))


def test_medians_are_of_what_succeeded_and_packets_of_all() -> None:
    found = summary([trial(1.0, 10), trial(3.0, 20, (7, 2)), trial(None, 300, (1, 9))])
    assert (found.runs, found.successes) == (3, 2)
    assert (found.median_s, found.p95_s, found.packets, found.entries) == (2.0, 3.0, 20, 9)


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (10, 10), (20, 19), (100, 95)])
def test_the_percentile_is_the_nearest_rank(count: int, expected: int) -> None:
    assert percentile([float(each) for each in range(count, 0, -1)], 0.95) == expected
    assert percentile([], 0.95) is None


@pytest.mark.parametrize(
    ("trials", "met"),
    [
        ([trial(0.5, 10)], "aim"),
        ([trial(0.5, 60)], "floor"),
        ([trial(0.5, 101)], "BELOW FLOOR"),
        ([trial(0.5, 10), trial(0.5, 10), trial(4.5, 10)], "BELOW FLOOR"),
        ([trial(0.5, 10), trial(None, 10)], "BELOW FLOOR"),
        ([], "BELOW FLOOR"),
    ],
)
def test_a_row_is_judged_by_median_p95_packets_and_success(trials: list[Trial], met: str) -> None:
    assert verdict(ROW, summary(trials)) == met


def test_the_table_has_a_line_for_each_contender_and_the_verdict_beside_ours() -> None:
    ours, theirs = summary([trial(0.5, 10)]), summary([trial(None, 900)])
    head, first, second = lines([ROW], {"x": {"overlay": ours, "EasyTier": theirs}})
    assert head.startswith("pair")
    assert first.startswith("X ")
    assert first.endswith("aim")
    assert "EasyTier" in second
    assert "0/1" in second


def test_every_row_names_itself_once_and_has_its_scene() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {row.scenario for row in ROWS} <= set(scenario_names())


def test_unknown_pairs_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--pairs", "nat3-nat3,nonsense"])
    assert "nonsense" in capsys.readouterr().err
    chosen: Any = arguments(["--pairs", "off,nat3-nat3"])
    assert [row.name for row in chosen.rows] == ["nat3-nat3", "off"]


def line(second: str, event: str, peer: str, text: str) -> str:
    return json.dumps({"at": f"2026-01-01T00:00:0{second}+00:00", "event": event, "peer": peer, "text": text})


def test_the_moment_of_going_direct_is_read_from_join() -> None:
    out = "\n".join(
        [
            line("1.000", "peer_up", "vps", "vps is here: direct 1.2.3.4:5"),
            line("2.000", "peer_up", "ben", "ben is here: via vps"),
            line("3.250", "path", "ben", "ben: via vps -> direct 1.2.3.4:5"),
            "half a li",
        ]
    )
    assert turned_direct(said(out)) == 1767225603.25
    assert turned_direct(None) == 0.0


def test_pings_are_read() -> None:
    answers = [f"[1767225600.{seq}] 64 bytes from 10.0.0.1: icmp_seq={seq} ttl=64 time=1 ms" for seq in (2, 3, 5, 5, 8)]
    out = "\n".join(["PING x", *answers, "9 packets transmitted, 4 received, 2%"])
    assert first_reply(said(out)) == 1767225600.2
    assert unanswered(said(out)) == 4
    assert first_reply(said("PING x")) is None
    assert unanswered(said("PING x")) == 0
