"""What the mesh bench makes of its rounds: silences, medians, ratios, bands, verdicts, growth."""

from __future__ import annotations

import pytest

from overlay.errors import OverlayError
from tools.bench.mesh.churn import Held, growth
from tools.bench.mesh.command import arguments, measured
from tools.bench.mesh.row import Row, Settings
from tools.bench.mesh.rows import ROWS
from tools.bench.mesh.stream import Report, longest_silence, mbit
from tools.bench.mesh.table import Goal, Told, in_short, lines, median, ratio, worst


def report(*looks: int) -> Report:
    """What iperf3 says of looks of 100 ms with so many bytes each."""
    return {
        "intervals": [
            {"sum": {"start": place / 10, "end": (place + 1) / 10, "seconds": 0.1, "bytes": each}}
            for place, each in enumerate(looks)
        ]
    }


@pytest.mark.parametrize(
    ("looks", "silence"),
    [((1, 1, 1), 0.0), ((1, 0, 1, 0, 0, 1), 0.2), ((1, 0, 0, 0), 0.3), ((0, 0, 1), 0.2), ((0,), 0.1)],
)
def test_the_longest_silence_is_the_longest_run_of_empty_looks_at_any_place(
    looks: tuple[int, ...], silence: float
) -> None:
    assert longest_silence(report(*looks)) == pytest.approx(silence)


def test_throughput_leaves_the_beginning_out() -> None:
    assert mbit(report(10**9, 0, 12_500, 12_500), after=0.2) == pytest.approx(1.0)
    assert mbit(report(5, 5), after=2.0) == 0.0


def test_values_of_samples() -> None:
    samples = {"a": [1.0, 5.0, 3.0], "b": [2.0], "none": []}
    assert (median("a")(samples), worst("a")(samples), ratio("a", "b")(samples)) == (3.0, 5.0, 1.5)
    for value in (median("none"), worst("c"), ratio("a", "c"), ratio("c", "b")):
        assert value(samples) is None


@pytest.mark.parametrize(
    ("goal", "value", "word"),
    [
        ({"floor": 2, "aim": 1}, 1.0, "aim"),
        ({"floor": 2, "aim": 1}, 1.5, "floor"),
        ({"floor": 2, "aim": 1}, 2.1, "BELOW FLOOR"),
        ({"floor": 6, "aim": 20, "less": False}, 20, "aim"),
        ({"floor": 6, "aim": 20, "less": False}, 5, "BELOW FLOOR"),
        ({"floor": 10, "aim": 2, "around": 50}, 48, "aim"),
        ({"floor": 10, "aim": 2, "around": 50}, 59, "floor"),
        ({"floor": 10, "aim": 2, "around": 50}, 39, "BELOW FLOOR"),
    ],
)
def test_verdicts(goal: dict[str, float], value: float, word: str) -> None:
    assert Goal(title="", value=median("a"), **goal).verdict(value) == word  # type: ignore[arg-type]


def test_a_round_that_breaks_is_told_and_the_others_count() -> None:
    def run(settings: Settings, seed: int) -> dict[str, float]:
        if seed == 2:
            raise OverlayError("the stream broke")
        return {"a": float(seed)}

    goal = Goal(title="A", value=worst("a"), floor=5, aim=2)
    told = measured(Row(name="a", about="", rounds=3, run=run, goals=(goal,), beside=("a",)), Settings())
    assert (told.samples, told.runs, list(told.failed)) == ({"a": [1.0, 3.0]}, 3, ["the stream broke"])
    head, line, beside, failed = lines([told])
    assert "aim" in head
    assert "floor, 1 of 3 runs FAILED" in line
    assert "a 2" in beside
    assert "the stream broke" in failed


def test_nothing_measured_is_no_verdict() -> None:
    goal = Goal(title="A", value=median("a"), floor=5, aim=2)
    assert "not measured" in lines([Told(goals=(goal,), samples={}, runs=0)])[1]


def test_an_error_is_told_by_its_first_and_last_words() -> None:
    assert in_short("one") == "one"
    assert in_short("join did not say up\n--- stderr\nImportError: x\n") == "join did not say up .. ImportError: x"
    assert in_short("")


def test_growth_compares_the_last_sixth_with_the_first() -> None:
    looks = [Held(mib=40.0 + (place >= 10) + (place == 7) * 9, files=7, sockets=5, disk=100) for place in range(12)]
    found = growth(looks)
    assert found["churn_mib"] == pytest.approx(2.5)
    assert (found["churn_files"], found["churn_sockets"], found["churn_mib_last"]) == (0, 0, 41)


def test_rows_are_chosen_by_name_and_every_one_has_a_goal() -> None:
    assert [row.name for row in arguments(["--only", "moved,fair"]).rows] == ["moved", "fair"]
    assert len(arguments([]).rows) == len(ROWS) == len({row.name for row in ROWS})
    assert all(row.goals and row.rounds > 0 for row in ROWS)
    with pytest.raises(SystemExit):
        arguments(["--only", "nonsense"])
