"""How often somebody may try a secret on us: token buckets per source and per node (protocol section 3).

A token is taken before a guess can be tested and given back when the other proves that it knows the secret. Answers
to strangers, our own dials and those that only beacons led to draw from three sets of buckets: strangers who use up
one of them do not keep us from dialling.
"""

from __future__ import annotations

from punch.limiter import TokenBucket

SOURCE_BURST, SOURCE_RATE = 5.0, 1 / 60
"""Per IPv4 address, IPv6 /64 or circuit: five, and one a minute."""
NODE_BURST, NODE_RATE = 30.0, 1 / 10
"""Of all sources together: thirty, and one per 10 s."""


class Guesses:
    """One set of buckets. Only sources with a token missing are remembered, which `NODE_BURST` and the rates bound:
    each missing token was the node's too."""

    def __init__(self, *, now: float) -> None:
        self._node = TokenBucket(depth=NODE_BURST, rate=NODE_RATE, now=now)
        self._sources: dict[str, TokenBucket] = {}

    def __len__(self) -> int:
        """Sources remembered."""
        return len(self._sources)

    def take(self, source: str, *, now: float) -> bool:
        """Take a token for a guess by `source`; False: it has to wait."""
        bucket = self._sources.get(source)
        if bucket is None:
            bucket = TokenBucket(depth=SOURCE_BURST, rate=SOURCE_RATE, now=now)
        if bucket.available(now=now) < 1.0 or not self._node.take(now=now):
            return False
        bucket.take(now=now)
        self._forget_full(now=now)
        self._sources[source] = bucket
        return True

    def give_back(self, source: str, *, now: float) -> None:
        """It was no guess: the secret was right."""
        self._node.give_back()
        bucket = self._sources.get(source)
        if bucket is not None:
            bucket.give_back()
            if bucket.full_at() <= now:
                del self._sources[source]

    def strained(self, source: str, *, now: float) -> bool:
        """Half of a burst is spent, this source's or the node's: time to ask for a proof that a source is real."""
        if self._node.available(now=now) <= NODE_BURST / 2:
            return True
        bucket = self._sources.get(source)
        return bucket is not None and bucket.available(now=now) <= SOURCE_BURST / 2

    def _forget_full(self, *, now: float) -> None:
        if len(self._sources) >= 2 * NODE_BURST:
            self._sources = {source: each for source, each in self._sources.items() if each.full_at() > now}
