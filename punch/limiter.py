"""How much: a token bucket whose clock is an argument."""

from __future__ import annotations


class TokenBucket:
    """`depth` tokens at most, refilled at `rate` tokens a second."""

    __slots__ = ("_at", "_tokens", "depth", "rate")

    def __init__(self, *, depth: float, rate: float, now: float) -> None:
        self.depth = depth
        self.rate = rate
        self._tokens = depth
        self._at = now

    def available(self, *, now: float) -> float:
        """Tokens there at `now`."""
        if now > self._at:
            self._tokens = min(self.depth, self._tokens + (now - self._at) * self.rate)
            self._at = now
        return self._tokens

    def take(self, count: float = 1.0, *, now: float, leave: float = 0.0) -> bool:
        """Take `count` tokens such that `leave` remain, or none and return False."""
        if now > self._at:
            self.available(now=now)
        if self._tokens < count + leave:
            return False
        self._tokens -= count
        return True

    def give_back(self, count: float = 1.0) -> None:
        """Return tokens that were not needed."""
        self._tokens = min(self.depth, self._tokens + count)

    def charge(self, count: float, *, now: float) -> None:
        """Take `count` tokens, there or not: what lacks is owed, `depth` at most."""
        self._tokens = max(-self.depth, self.available(now=now) - count)

    def full_at(self) -> float:
        """The moment the bucket is full again if nothing is taken, so that a keeper may forget it then."""
        return self._at + (self.depth - self._tokens) / self.rate
