"""How much is carried for others (`[relay] max_mbit`): one byte rate for all, shared by those who send now.

batch of a neighbour --total has it?--> its own share has it, or half of the total is unused --> carried, else dropped
"""

from __future__ import annotations

from punch.limiter import TokenBucket
from punch.values import Endpoint

BURST_SECONDS, BURST_LEAST = 0.1, 128 << 10
"""A burst of so many seconds is carried whole, and of two full envelopes at any rate."""
ACTIVE = 1.0
"""Seconds since its last batch in which a neighbour counts as sending: the rate is shared among those."""
MOST_SHARES = 1024
"""Sources with a share of their own; beyond them all are judged by the total alone."""


class Ration:
    """Judges each batch; without a limit it lets all pass."""

    def __init__(self) -> None:
        self.rate = 0
        """Bytes a second; 0: no limit."""
        self._total = TokenBucket(depth=0.0, rate=0.0, now=0.0)
        self._shares: dict[Endpoint, TokenBucket] = {}
        self._seen: dict[Endpoint, float] = {}
        """When each source last sent, oldest first."""

    def limit(self, rate: int) -> None:
        """Carry `rate` bytes a second from now on; 0: without a limit."""
        if rate != self.rate:
            depth = max(BURST_LEAST, rate * BURST_SECONDS)
            self.rate, self._total = rate, TokenBucket(depth=depth, rate=rate, now=0.0)
            self._shares.clear()
            self._seen.clear()

    def takes(self, source: Endpoint, size: int, *, now: float) -> bool:
        """Whether a batch of `size` bytes that came from `source` is carried; counted then."""
        if not self.rate:
            return True
        share = self._share(source, now)
        if self._total.available(now=now) < size:
            return False
        fair = share is not None and share.take(size, now=now)
        return self._total.take(size, now=now, leave=0.0 if fair else self._total.depth / 2)

    def _share(self, source: Endpoint, now: float) -> TokenBucket | None:
        """The share of one that sends; whoever stopped frees its own."""
        self._seen.pop(source, None)
        gone = [each for each, at in self._seen.items() if now - at > ACTIVE]
        for each in gone:
            del self._seen[each], self._shares[each]
        share = self._shares.get(source)
        if share is None and len(self._shares) < MOST_SHARES:
            share = self._shares[source] = TokenBucket(depth=self._total.depth, rate=self.rate, now=now)
            # Whoever begins finds no more of the burst than is its part: the others' is not spent for it.
            share.take(share.depth - share.depth / len(self._shares), now=now)
            gone.append(source)
        if share is not None:
            self._seen[source] = now
        if gone:
            self._divide(now)
        return share

    def _divide(self, now: float) -> None:
        for share in self._shares.values():
            share.available(now=now)
            share.rate = self.rate / len(self._shares)
