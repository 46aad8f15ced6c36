"""The fuzzer finds what is broken, tells how to replay it, and every target bears a few inputs."""

from __future__ import annotations

import json
import random

import pytest

from tools.fuzz import samples, twist
from tools.fuzz.__main__ import main
from tools.fuzz.knocks import knock_room
from tools.fuzz.run import Outcome, inputs_of, report, run
from tools.fuzz.said import heard, lines, said, signals
from tools.fuzz.target import Target, refusing
from tools.fuzz.targets import TARGETS

ADDRESS = b"192.0.2.1:27182"


def brittle(data: bytes) -> None:
    """Breaks on what has no colon."""
    if b":" not in data:
        raise IndexError("no colon")


BRITTLE = Target("brittle", lambda: [ADDRESS], refusing(brittle, ValueError))


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_bears_a_few_inputs(name: str) -> None:
    outcome = run(TARGETS[name], inputs=100, seconds=5.0, seed=1)
    assert outcome.inputs == 100
    assert not outcome.failures


def test_what_breaks_is_found_once_and_told_with_its_replay() -> None:
    outcome = run(BRITTLE, inputs=3000, seconds=10.0, seed=1)
    (failure,) = outcome.failures.values()
    assert failure.alone
    assert b":" not in failure.data
    told: list[str] = []
    report(outcome, 1, told.append)
    assert "1 FAILED" in told[0]
    assert told[2].endswith(f"python -m tools.fuzz brittle --hex {failure.data.hex()}")


def test_what_is_borne_is_ok() -> None:
    told: list[str] = []
    report(Outcome("brittle", inputs=5, seconds=1.0), 1, told.append)
    assert told[0].endswith("ok")
    assert len(told) == 1


@pytest.mark.parametrize("name", ["signal", "knock", "message", "guest-nat3"])
def test_the_inputs_of_a_block_are_always_the_same(name: str) -> None:
    one, two = inputs_of(TARGETS[name], 7, 3), inputs_of(TARGETS[name], 7, 3)
    assert [next(one) for _ in range(50)] == [next(two) for _ in range(50)]


def test_most_of_what_a_guest_says_is_heard() -> None:
    source = inputs_of(TARGETS["guest-nat3"], 1, 0)
    inputs = [next(source) for _ in range(400)]
    kinds = {type(each) for each in map(_heard, inputs) if each is not None}
    assert kinds == {type(each) for each in said()}
    assert sum(_heard(each) is not None for each in inputs) > 150


def _heard(data: bytes) -> object:
    try:
        return heard(data)
    except Exception:
        return None


def test_twists_leave_the_original_alone_and_differ() -> None:
    values = [1, {"a": [2.0, "x"]}, None]
    before = json.dumps(values)
    made = {json.dumps(twist.twisted(values, random.Random(seed)), default=repr) for seed in range(50)}
    assert json.dumps(values) == before
    assert len(made) > 30


def test_valid_inputs_are_valid() -> None:
    for data in signals():
        assert heard(data)
    assert len({data[1] for data in samples.messages()}) >= 19


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 60_000,
        b'{"punch":1,"id":"00","token":"00","at":1' + b"0" * 400 + b"}",
        b'{"punch":1,"id":"00","token":"00","at":-1' + b"0" * 400 + b"}",
        b'{"punch":"\\u001b[2J","id":"00","token":"00"}',
        lines()[0].split(b"\n")[0] + b'\n{"signal":[1,1,false,2,{"mapping":"\\u001b[2J"},[],false]}',
        b'{"signal":7}',
        b"\xff\xfe",
    ],
)
def test_a_knock_bears_lines_of_nobody(line: bytes) -> None:
    knock_room()(line + b"\n")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["endpoint", "--inputs", "50", "--seed", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "seed 1"
    assert main(["endpoint", "--hex", ADDRESS.hex()]) == 0
