"""The hunt for broken worlds: scripts come from a seed, lies are found out, scripts shrink, workers end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from punch.sim.journal import Journal, Quiet
from tools.worlds import inside
from tools.worlds.__main__ import main
from tools.worlds.broken import Broken
from tools.worlds.faults import LIES, WORDS, Fault, chosen, table
from tools.worlds.hunt import hunt
from tools.worlds.mayhem import begin
from tools.worlds.plan import FOUNDED, KINDS, Place, Plan, plan
from tools.worlds.shrink import shrink
from tools.worlds.story import Outcome, Story, live
from tools.worlds.town import Town
from tools.worlds.traffic import Traffic, udp_packet


def small(*faults: Fault, lies: tuple[str, ...] = (), bound: float = 20.0) -> Plan:
    """A public host and two at home, who talk all the time."""
    places = (
        Place(name="p0", lies=lies),
        Place(name="p1", peers=("p0",)),
        Place(name="n0", nat="nat3", peers=("p0",)),
        Place(name="n1", nat="nat4-uniform", peers=("p0",)),
    )
    return Plan(
        kind="test",
        seed=1,
        places=places,
        faults=faults,
        calm=max((each.until for each in faults), default=FOUNDED),
        bound=bound,
        flows=(("n0", "n1"), ("n1", "n0"), ("p1", "n0")),
    )


def test_a_plan_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    for kind in KINDS:
        assert plan(kind, 5) == plan(kind, 5)
        assert plan(kind, 5) != plan(kind, 6)
    assert {plan("mixed", seed).kind for seed in range(8)} == {"small", "relay", "merge", "bridge", "hostile"}


def test_every_fault_is_over_when_it_is_calm_and_has_a_word() -> None:
    for kind in KINDS:
        for seed in range(50):
            script = plan(kind, seed)
            assert all(fault.kind in WORDS and fault.until <= script.calm for fault in script.faults)
            assert all(lie in LIES for place in script.places for lie in place.lies)


def test_a_script_survives_json() -> None:
    script = plan("hostile", 3)
    assert msgspec.json.decode(msgspec.json.encode(script), type=Plan) == script


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_each_kind_of_fault_happens_and_is_undone(kind: str) -> None:
    town = Town(small(), Quiet())
    for place in town.plan.places:
        town.start(place.name)
    town.world.run_for(3.0)
    other = "p0" if kind in ("cut", "deaf") else ""
    amount = {"mtu": 1280.0, "delay": 0.1, "jitter": 0.1, "clock": 40.0}.get(kind, 0.3)
    undo = begin(town, Fault(3.0, 2.0, kind, "n0", other, amount))
    town.world.run_for(2.0)
    if undo is not None:
        undo()
    town.world.run_for(5.0)
    assert set(town.nodes) == {"p0", "p1", "n0", "n1"}
    assert (undo is None) == (kind in ("clock", "flush"))


@pytest.mark.parametrize(
    "lie", [pytest.param(lie, marks=pytest.mark.slow) if lie == "mint" else lie for lie in sorted(LIES)]
)
def test_each_lie_breaks_nothing(lie: str) -> None:
    outcome = live(small(lies=(lie,), bound=60.0), journal=Quiet())
    assert outcome.word == "", outcome.text


def test_packets_that_nobody_sent_or_that_came_before_are_found() -> None:
    traffic = Traffic(["a", "b", "c"], Story(small()).town.world.dice("x"))
    packet = traffic.make("a", "b", "10.1.0.1", "10.1.0.2")
    with pytest.raises(Broken, match="for b"):
        traffic.take("c", packet)
    traffic.take("b", packet)
    with pytest.raises(Broken, match="twice"):
        traffic.take("b", packet)
    with pytest.raises(Broken, match="nobody"):
        traffic.take("b", udp_packet("10.1.0.1", "10.1.0.2", bytes(40)))


def test_an_older_record_a_loop_and_a_fault_are_found() -> None:
    story = Story(small(), journal=Quiet())
    assert story.live().word == ""
    town = story.town
    for name in ("unsettled", "fault"):
        inside.rooms(town.nodes["n0"]).drops[name] = 1
        with pytest.raises(Broken, match=name):
            town.watch.second(now=town.world.now)
        inside.rooms(town.nodes["n0"]).drops.clear()
    members = inside.rooms(town.nodes["n0"]).gossip._members
    held = members.get(town.nodes["p0"].node.id)
    assert held is not None
    older = msgspec.structs.replace(held.record, sequence=held.record.sequence - 1)
    with pytest.raises(Broken, match="before"):
        members.put(older, held.signed, now=town.world.now)


def test_who_is_never_reached_is_told() -> None:
    apart = tuple((each, "n0") for each in ("p0", "p1", "n1"))
    script = msgspec.structs.replace(small(bound=4.0), walls=apart)
    assert live(script, journal=Quiet()).word == "", "walls are known, so nobody is missing"
    story = Story(small(bound=4.0), journal=Quiet())
    for pair in apart:
        story.town.world.cut(*pair)
    outcome = story.live()
    assert outcome.word == "unreached"
    assert "p0 to n0" in outcome.text


def test_a_script_shrinks_to_what_is_needed() -> None:
    faults = tuple(Fault(float(n), 1.0, "loss", "p0", "", 0.1) for n in range(9))
    tried: list[tuple[int, ...]] = []

    def run(script: Plan, only: tuple[int, ...]) -> Outcome:
        tried.append(only)
        return Outcome(kind="test", seed=1, word="loop" if {2, 7} <= set(only) else "", at=0.0)

    assert shrink(small(*faults), "loop", run) == (2, 7)
    assert len(tried) < 40


def test_a_table_shows_the_numbers_that_only_takes() -> None:
    script = plan("small", 1)
    numbers = tuple(range(0, len(script.faults), 2))
    assert [row.split()[0] for row in table(script.faults, numbers).splitlines()] == [str(n) for n in numbers]
    assert chosen(script.faults, numbers) == script.faults[::2]


def test_two_processes_find_what_one_does() -> None:
    alone = {each.seed: each for each in hunt("small", range(3), jobs=1)}
    together = {each.seed: each for each in hunt("small", range(3), jobs=2)}
    assert alone == together
    assert list(alone) == [0, 1, 2]


def test_a_replay_prints_its_script_its_conversation_and_its_digest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kind", "bridge", "--seed", "2"]) == 0
    first = capsys.readouterr().out
    assert "sequenceDiagram" in first
    assert "digest" in first
    assert "told v0a" in first
    assert main(["--kind", "bridge", "--seed", "2"]) == 0
    assert capsys.readouterr().out == first


def test_a_broken_world_is_told_with_its_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Story) -> None:
        raise Broken("loop", "round and round")

    monkeypatch.setattr(Story, "_live", broken)
    assert main(["--kind", "small", "--seeds", "2", "--jobs", "1", "--show", "1"]) == 1
    said = capsys.readouterr().out
    assert "python -m tools.worlds --kind small --seed 0 --only" in said
    assert "python -m tools.worlds --kind small --seed 1)" in said
    assert "loop 2" in said


def test_a_machine_that_raises_breaks_its_world(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: object) -> None:
        raise KeyError("here")

    monkeypatch.setattr(Story, "_meet", fails)
    outcome = live(small(), journal=Journal())
    assert outcome.word == "raised"
    assert "KeyError" in outcome.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_hunt_ends_when_told_and_leaves_no_process(number: int) -> None:
    argv = [sys.executable, "-m", "tools.worlds", "--kind", "longest", "--seeds", "50", "--jobs", "2"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(lambda: len(_children(process.pid)) >= 2)
        children = _children(process.pid)
        process.send_signal(number)
        assert process.wait(timeout=30) == 130
        _wait(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    finally:
        process.kill()
        process.wait()


def _children(parent: int) -> list[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(child) for child in text.read_text().split()] if text.exists() else []


def _wait(happened: Callable[[], bool], *, within: float = 30.0) -> None:
    until = os.times().elapsed + within
    while not happened():
        assert os.times().elapsed < until
        time.sleep(0.05)
