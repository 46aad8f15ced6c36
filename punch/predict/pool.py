"""Several outside addresses (arbitrary pooling, RFC 4787 REQ-2): which address, then which port.

Each address has a posterior of its own samples; how many of the holes are at it is Dirichlet, by the samples' counts.
An address that may not be probed (nobody vouches for it) only takes its share away.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from punch.predict.hypothesis import Hole
from punch.predict.posterior import Posterior
from punch.signals import Sample
from punch.values import NatProfile

ALIKE = 0.5
"""Dirichlet: what an address counts for before any sample of it."""


class Pool:
    """A search over the addresses `hosts`; with one, its posterior is all there is to it."""

    def __init__(
        self,
        samples: Sequence[Sample],
        holes: Sequence[Hole],
        hosts: Sequence[str],
        *,
        profile: NatProfile,
        entropy: random.Random,
        reach: float = 1.0,
    ) -> None:
        """`hosts`: the addresses that may be probed, at least one; `profile` may name more; `reach`: how many probes
        come from the address that holes are open to, of 1."""
        named = profile.hosts if profile.pooling == "arbitrary" else ()
        known = list(dict.fromkeys([*hosts, *(sample.host for sample in samples), *named]))
        counts = {host: ALIKE + sum(sample.host == host for sample in samples) for host in known}
        if profile.pooling == "paired" and len(known) > 1:
            most = max(counts.values())
            counts = {host: count if count == most else 0.02 for host, count in counts.items()}
        total = sum(counts.values())
        self.shares = {host: counts[host] / total for host in hosts}
        """How many of the holes each address has, of 1."""
        self.posteriors = {
            host: Posterior(
                [s for s in samples if s.host == host], holes, profile=profile, entropy=entropy, share=share * reach
            )
            for host, share in self.shares.items()
        }
        self._offers: dict[str, tuple[int, float]] = {}

    def next(self) -> tuple[str, int, float] | None:
        """Address and port most likely to have a hole now, and that chance."""
        if len(self.posteriors) == 1:
            ((host, posterior),) = self.posteriors.items()
            alone = posterior.next()
            return None if alone is None else (host, *alone)
        for host, posterior in self.posteriors.items():
            if host not in self._offers and (found := posterior.next()) is not None:
                self._offers[host] = found
        if not self._offers:
            return None
        host = max(self._offers, key=lambda each: self._offers[each][1])
        port, chance = self._offers.pop(host)
        return host, port, chance

    def missed(self, host: str, port: int) -> None:
        """An earlier search tried it in vain."""
        if host in self.posteriors:
            self.posteriors[host].missed(port)

    def open_more(self, count: int) -> None:
        """The hard side opened `count` more holes, over all its addresses."""
        for posterior in self.posteriors.values():
            posterior.open_more(count)

    def weights(self) -> dict[str, float]:
        """How much each family is believed now, at the address with most of the holes."""
        return self._first.weights()

    def holes_wanted(self) -> int:
        """How many holes in all suit that."""
        return self._first.holes_wanted()

    @property
    def _first(self) -> Posterior:
        return self.posteriors[max(self.shares, key=self.shares.__getitem__)]

    @property
    def exhausted(self) -> bool:
        """So many misses are no bad luck any more, at every address."""
        return all(posterior.exhausted for posterior in self.posteriors.values())
