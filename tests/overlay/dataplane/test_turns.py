"""A loop whose plane goes first, and whose other work goes on all the same."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from overlay.dataplane.turns import BUSY, TurnsLoop


class Pipe:
    """A file that is readable as often as it was filled."""

    def __init__(self) -> None:
        self.out, self.into = os.pipe()
        self.turns = 0
        self.gives = False

    def fill(self, count: int = 1) -> None:
        os.write(self.into, b"x" * count)

    def turn(self) -> bool:
        os.read(self.out, 1)
        self.turns += 1
        return self.gives

    def close(self) -> None:
        os.close(self.out)
        os.close(self.into)


@pytest.fixture
def loop() -> Iterator[TurnsLoop]:
    made = TurnsLoop()
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_turns_are_taken_while_asyncio_waits(loop: TurnsLoop, pipe: Pipe) -> None:
    loop.add_turns(pipe.out, pipe.turn)
    pipe.fill(3)
    loop.run_until_complete(asyncio.sleep(0.02))
    assert pipe.turns == 3
    loop.remove_turns(pipe.out)
    loop.remove_turns(pipe.out)
    pipe.fill()
    loop.run_until_complete(asyncio.sleep(0.02))
    assert pipe.turns == 3


def test_timers_and_other_files_come_in_time_however_busy_the_plane_is(loop: TurnsLoop, pipe: Pipe) -> None:
    other = Pipe()
    heard: list[float] = []

    def turn() -> bool:
        pipe.turns += 1
        return False

    def hear() -> None:
        os.read(other.out, 1)
        heard.append(pipe.turns)

    loop.add_turns(pipe.out, turn)
    loop.add_reader(other.out, hear)
    pipe.fill()
    other.fill()
    started = loop.time()
    loop.run_until_complete(asyncio.sleep(0.05))
    assert 0.04 < loop.time() - started < 1.0
    assert heard
    assert heard[0] <= 2 * BUSY
    loop.remove_reader(other.out)
    other.close()


def test_what_a_turn_gives_the_hall_is_done_at_once(loop: TurnsLoop, pipe: Pipe) -> None:
    done = loop.create_future()

    def turn() -> bool:
        pipe.turn()
        loop.call_soon(done.set_result, None)
        return True

    loop.add_turns(pipe.out, turn)
    pipe.fill()
    started = loop.time()
    loop.run_until_complete(asyncio.wait_for(done, 5.0))
    assert loop.time() - started < 1.0


def test_a_turn_that_fails_is_told_and_the_loop_goes_on(loop: TurnsLoop, pipe: Pipe) -> None:
    told: list[Any] = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))

    def turn() -> bool:
        pipe.turn()
        raise ValueError("a mistake of ours")

    loop.add_turns(pipe.out, turn)
    pipe.fill(2)
    loop.run_until_complete(asyncio.sleep(0.02))
    assert [str(error) for error in told] == ["a mistake of ours"] * 2


def test_threads_and_signals_still_wake_it(loop: TurnsLoop) -> None:
    assert loop.run_until_complete(loop.run_in_executor(None, lambda: 7)) == 7
    loop.run_until_complete(loop.shutdown_default_executor())


def test_a_file_closed_before_it_was_taken_off(loop: TurnsLoop) -> None:
    pipe = Pipe()
    loop.add_turns(pipe.out, pipe.turn)
    pipe.close()
    loop.remove_turns(pipe.out)
    loop.run_until_complete(asyncio.sleep(0.001))
