"""A short run of every target; and that the run finds, tells and replays what is wrong."""

from __future__ import annotations

import itertools
import random

import pytest

from tools.fuzz.__main__ import main
from tools.fuzz.mutate import LONGEST, Mutator
from tools.fuzz.run import BLOCK, inputs_of, report, run
from tools.fuzz.target import Feed, Target, refusing
from tools.fuzz.targets import TARGETS

INPUTS = 3000


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_short_run(target: Target) -> None:
    outcome = run(target, inputs=INPUTS, seconds=10.0, seed=1)
    told: list[str] = []
    report(outcome, 1, told.append)
    assert not outcome.failures, "\n".join(told)
    assert outcome.inputs >= 200


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_what_is_valid_is_borne(target: Target) -> None:
    feed = target.room()
    corpus = list(target.corpus())
    for data in corpus:
        feed(data)
    assert corpus, "nothing was fed"


def test_the_same_block_has_the_same_inputs() -> None:
    target = TARGETS["message"]
    first, again, other = (list(itertools.islice(inputs_of(target, 7, block), 200)) for block in (3, 3, 4))
    assert first == again
    assert first != other


def test_inputs_are_many_and_bounded() -> None:
    mutator = Mutator([b"a valid input", bytes(65_000)], random.Random(1))
    inputs = [mutator.next() for _ in range(2000)]
    assert len(set(inputs)) > 1500
    assert max(map(len, inputs)) <= LONGEST


def brittle(data: bytes) -> None:
    if len(data) > 3 and data[0] == 0xFF:
        raise IndexError("brittle")
    raise ValueError("refused")


BRITTLE = Target("brittle", lambda: [b"\xfe\1\2\3"], refusing(brittle, ValueError))


def forgetful() -> Feed:
    """Fails on what it was fed before, not on one input."""
    seen: list[bytes] = []

    def feed(data: bytes) -> None:
        seen.append(data)
        assert len(seen) < 500

    return feed


def test_a_failing_input_is_told_with_its_replay() -> None:
    told: list[str] = []
    outcome = run(
        Target("brittle", lambda: [b"\xfe\1\2\3"], refusing(brittle, ValueError)), inputs=5000, seconds=9, seed=5
    )
    report(outcome, 5, told.append)
    (failure,) = outcome.failures.values()
    assert outcome.inputs == 5000
    assert failure.alone
    assert failure.data[0] == 0xFF
    assert "1 FAILED" in told[0]
    assert "IndexError: brittle" in told[1]
    assert told[2] == f"  replay: python -m tools.fuzz brittle --hex {failure.data.hex()}"


def test_a_failure_with_a_history_is_told_by_its_block() -> None:
    told: list[str] = []
    outcome = run(Target("forgetful", lambda: [b"x"], forgetful), inputs=3 * BLOCK, seconds=9, seed=5)
    report(outcome, 5, told.append)
    assert told[2] == "  replay: python -m tools.fuzz forgetful --seed 5 --block 0"


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["message", "header", "--inputs", "1500", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "seed 3"
    assert [line.split()[:3] for line in lines[1:]] == [["message", "1,500", "inputs"], ["header", "1,500", "inputs"]]
    assert main(["message", "--hex", "91c1"]) == 0
    assert main(["reassembly", "--seed", "3", "--block", "1"]) == 0
    assert main(["--seconds", "0", "--inputs", "10", "endpoint"]) == 0


def test_the_command_fails_when_a_target_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TARGETS, "brittle", BRITTLE)
    assert main(["brittle", "--inputs", "5000"]) == 1
    assert main(["brittle", "--hex", "ff010203"]) == 1
    out, err = capsys.readouterr()
    assert "replay: " in out
    assert "IndexError: brittle" in err
