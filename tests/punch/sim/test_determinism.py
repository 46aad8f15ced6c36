"""One seed is one story, whatever the interpreter does with hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from punch.sim import Link, World
from tests.punch.sim.hosts import Beat, Echo

STORY = "from tests.punch.sim.test_determinism import story; print(story(7))"
ROOT = Path(__file__).parents[3]


def story(seed: int) -> str:
    """The digest of a world with everything that throws dice."""
    rough = Link(delay=0.02, jitter=0.01, loss=0.1, duplicate=0.1, reorder=0.1, rate=1e6, queue=3000)
    world = World(seed=seed, link=rough)
    for number in range(5):
        address = f"203.0.113.{number}"
        world.add(f"beat{number}", Beat(address, "198.51.100.1", every=0.01, count=100), address)
    world.add("echo", Echo(), "198.51.100.1")
    for number in range(4):
        world.block("echo", f"beat{number}") if number % 2 else world.cut("echo", f"beat{number}")
    world.at(0.5, lambda: world.heal("echo", "beat0"))
    world.run(until=5.0)
    return world.journal.digest()


def told_by_an_interpreter(hash_seed: str) -> str:
    """The same story in a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", STORY], env=environment, cwd=ROOT, capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_one_seed_one_story() -> None:
    assert story(7) == story(7)
    assert story(7) != story(8)


def test_the_story_does_not_hang_on_hashes() -> None:
    assert told_by_an_interpreter("1") == told_by_an_interpreter("4242") == story(7)
