"""Deadlines by name, against a model that sorts a dictionary."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from punch.timers import Timers

names = st.sampled_from("abcdef")
moments = st.integers(0, 20).map(float)


class TimersModel(RuleBasedStateMachine):
    """Every deadline as (at, order it was set in), by name."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: Timers[str] = Timers()
        self.model: dict[str, tuple[float, int]] = {}
        self.order = 0
        self.now = 0.0

    @rule(name=names, at=moments)
    def set(self, name: str, at: float) -> None:
        self.order += 1
        self.timers.set(name, at)
        self.model[name] = (at, self.order)

    @rule(name=names)
    def clear(self, name: str) -> None:
        self.timers.clear(name)
        self.model.pop(name, None)

    @rule(name=names, at=moments, times=st.integers(1, 300))
    def push_back_often(self, name: str, at: float, times: int) -> None:
        for step in range(times):
            self.set(name, at + step)

    @precondition(lambda self: self.now < 1000)
    @rule(step=moments)
    def pass_time(self, step: float) -> None:
        self.now += step
        due = sorted((key for key in self.model if self.model[key][0] <= self.now), key=lambda key: self.model[key])
        assert list(self.timers.expired(self.now)) == due
        for name in due:
            del self.model[name]

    @invariant()
    def agrees(self) -> None:
        assert self.timers.next() == min((at for at, _ in self.model.values()), default=None)
        for name in "abcdef":
            at = self.timers.get(name)
            assert at == (self.model[name][0] if name in self.model else None)

    @invariant()
    def forgets_what_was_replaced(self) -> None:
        assert len(self.timers._heap) <= 64 + 4 * 6 + 1


TestTimers = TimersModel.TestCase
TestTimers.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_names_set_while_others_expire_wait_for_the_next_call() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 1.0)
    timers.set("b", 1.0)
    seen = []
    for name in timers.expired(1.0):
        seen.append(name)
        timers.set("again", 1.0)
    assert seen == ["a", "b"]
    assert list(timers.expired(1.0)) == ["again"]
    assert timers.next() is None
