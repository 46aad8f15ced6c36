"""A token bucket, against the sum of what came in and went out."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from punch.limiter import TokenBucket

quarters = st.integers(0, 400).map(lambda number: number / 4)


class BucketModel(RuleBasedStateMachine):
    """Tokens as exact fractions; quarters and powers of two keep the floats exact, too."""

    @initialize(depth=st.integers(1, 64), rate=st.sampled_from([0.25, 0.5, 1.0, 8.0, 32.0]))
    def fill(self, depth: int, rate: float) -> None:
        self.bucket = TokenBucket(depth=depth, rate=rate, now=0.0)
        self.depth, self.rate = Fraction(depth), Fraction(rate)
        self.tokens = self.depth
        self.now = 0.0

    @rule(step=quarters)
    def pass_time(self, step: float) -> None:
        self.now += step
        self.tokens = min(self.depth, self.tokens + Fraction(step) * self.rate)

    @rule(count=st.integers(1, 70))
    def take(self, count: int) -> None:
        fits = self.tokens >= count
        assert self.bucket.take(count, now=self.now) is fits
        if fits:
            self.tokens -= count

    @rule(count=st.integers(1, 70))
    def charge(self, count: int) -> None:
        self.bucket.charge(count, now=self.now)
        self.tokens = max(-self.depth, self.tokens - count)

    @rule(count=st.integers(1, 5))
    def give_back(self, count: int) -> None:
        self.bucket.available(now=self.now)
        self.bucket.give_back(count)
        self.tokens = min(self.depth, self.tokens + count)

    @rule(back=quarters)
    def look_from_the_past(self, back: float) -> None:
        self.bucket.available(now=self.now)
        assert Fraction(self.bucket.available(now=self.now - back)) == self.tokens

    @invariant()
    def agrees(self) -> None:
        assert Fraction(self.bucket.available(now=self.now)) == self.tokens
        assert Fraction(self.bucket.full_at()) >= self.now or self.tokens == self.depth
        full = self.now + float((self.depth - self.tokens) / self.rate)
        assert self.tokens == self.depth or self.bucket.full_at() == pytest.approx(full)


TestBucket = BucketModel.TestCase
TestBucket.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_a_full_bucket_lets_its_depth_through_at_once_and_its_rate_after() -> None:
    bucket = TokenBucket(depth=5, rate=2, now=10.0)
    assert [bucket.take(now=10.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.take(now=10.25) is False
    assert bucket.take(now=10.5) is True
    assert sum(bucket.take(now=10.5 + step / 100) for step in range(1000)) in (19, 20)
