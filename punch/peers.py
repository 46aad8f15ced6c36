"""What the engine keeps of one peer between attempts: keys, wants, settings, waiting times, what was learned."""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import inf

from msgspec import Struct

from punch.config import Mode, PunchConfig
from punch.events import State
from punch.facts import PeerPolicy, PeerUp, Want
from punch.journal import Journal
from punch.limiter import TokenBucket
from punch.signals import Offer
from punch.values import Candidate, NatProfile, PeerId

WAITS = (30.0, 120.0, 600.0, 3600.0)
"""Seconds until the next attempt after the first, second, ... failure in a row."""
WAIT_SPREAD = 0.2
FRESH_DEMAND = 10.0
"""Seconds between two demands below which they are one, told again."""
FRESH_WANT = 3.0
"""Seconds a telling of traffic holds; it is told again each second as long as it goes on."""
SIGNAL_DEPTH, SIGNAL_RATE = 64, 32.0
"""Signals of one peer at once, and a second."""
OFFER_DEPTH, OFFER_RATE = 8, 0.1
"""Attempts a peer may begin at once, and a second."""
ENDED_KEPT = 8
HEED_EVERY = 30.0
"""Seconds between two times that a peer ends an attempt and the next one begins at once: as the first of WAITS."""
MOST_PEERS = 1024
"""Peers remembered while they are not here."""
ALONE = ("exhausted", "no_answer")
"""Reasons to begin anew when the peer still asks: it never heard our reply."""


class Keys(Struct, frozen=True):
    """Probe keys of one epoch."""

    seal: bytes
    open: bytes
    epoch: int


class Outcome(Struct, frozen=True):
    """How the last attempt ended, for `status`."""

    state: State = "idle"
    reason: str = ""
    text: str = ""
    strategy: str = ""
    probes: int = 0
    planned: int = 0


class Peer:
    """One peer."""

    def __init__(self, fact: PeerUp, *, now: float) -> None:
        self.id: PeerId = fact.peer
        self.first = fact.first
        self.keys = Keys(fact.seal_key, fact.open_key, fact.epoch)
        self.earlier: Keys | None = None
        """Of the epoch before: probes on their way are still heard."""
        self.direct = False
        self.wanted_at = -inf
        self.demand = False
        self.demanded_at = -inf
        self.modes: tuple[Mode | None, Mode | None] = (None, None)
        self.remote: Offer | None = None
        """What it said last."""
        self.kind = ""
        """Which setting this pair needs, once both profiles were exchanged (terms.Kind)."""
        self.learned: dict[str, str] = {}
        """Network key -> the strategy that worked."""
        self.is_up = True
        self.let_go = False
        """It was direct: from then on only when wanted."""
        self.hopeless = False
        """Both profiles say that no effort would do."""
        self.searches = False
        """The last try came to a birthday search, or had to wait for one: the next waits for its turn."""
        self.busy = 0
        """How often in a row they were busy."""
        self.heeded_at = -inf
        """When they last ended one so that the next could begin at once."""
        self.failures = 0
        self.next_at = now
        """Nothing is tried before by itself."""
        self.attempts = 0
        """Those in which something was tried."""
        self.last = Outcome()
        self.journal = Journal()
        self.ended: dict[int, str] = {}
        """Numbers of the last attempts, and why they ended."""
        self.replied: Offer | None = None
        self.signals = TokenBucket(depth=SIGNAL_DEPTH, rate=SIGNAL_RATE, now=now)
        self.offers = TokenBucket(depth=OFFER_DEPTH, rate=OFFER_RATE, now=now)

    def renew(self, fact: PeerUp) -> None:
        """Keys changed, or the same were told again."""
        keys = Keys(fact.seal_key, fact.open_key, fact.epoch)
        if keys != self.keys:
            self.earlier, self.keys = self.keys, keys
        self.first = fact.first
        self.is_up = True

    def open_keys(self, epoch: int) -> tuple[bytes, ...]:
        """Keys a probe of this epoch may be sealed with."""
        return tuple(each.open for each in (self.keys, self.earlier) if each is not None and each.epoch == epoch)

    def modes_in_force(self, config: PunchConfig) -> tuple[Mode, Mode]:
        """nat3_nat4 and nat4_nat4 for this peer."""
        return (self.modes[0] or config.nat3_nat4, self.modes[1] or config.nat4_nat4)

    def is_wanted(self, *, now: float) -> bool:
        """Whether traffic or a person wants the path now."""
        return self.demand or now - self.wanted_at <= FRESH_WANT

    def offer(
        self, profile: NatProfile, candidates: tuple[Candidate, ...], config: PunchConfig, *, network: str, now: float
    ) -> Offer:
        """What we say to it; the attempt puts number and label in."""
        return Offer(
            attempt=0,
            reply=False,
            label=0,
            profile=profile,
            candidates=candidates,
            demand=self.demand,
            wanted=self.is_wanted(now=now),
            modes=self.modes_in_force(config),
            learned=self.learned.get(network, ""),
        )

    @property
    def remote_profile(self) -> NatProfile | None:
        """What it said of its NAT."""
        return None if self.remote is None else self.remote.profile

    def remember_end(self, number: int, reason: str) -> None:
        """An attempt is over: its number is answered with the reason from now on."""
        self.ended[number] = reason
        while len(self.ended) > ENDED_KEPT:
            del self.ended[next(iter(self.ended))]

    def is_over(self, number: int) -> bool:
        """Whether an Offer of this number comes too late."""
        return self.ended.get(number, ALONE[0]) not in ALONE

    def want(self, why: Want, *, now: float) -> None:
        """A direct way is wanted now."""
        if why == "demand":
            self.ask(now=now)
        self.wanted_at = now

    def ask(self, *, now: float) -> None:
        """A person wants it; the first telling of it sets waiting times aside, not what both profiles say."""
        if now - self.demanded_at > FRESH_DEMAND:
            self.failures = 0
            self.next_at = now
        self.demand = not self.hopeless
        self.demanded_at = now

    def start_over(self, *, now: float) -> None:
        """Something is different now: nothing that was found before holds."""
        self.failures = 0
        self.hopeless = self.searches = False
        self.kind = ""
        self.next_at = now

    def heed(self, *, now: float) -> None:
        """They ended it, and nothing is wrong: at once again, if that is not said all the time."""
        if now - self.heeded_at >= HEED_EVERY:
            self.heeded_at = self.next_at = now
        else:
            self.next_at = max(self.next_at, self.heeded_at + HEED_EVERY)

    def wait_longer(self, entropy: random.Random, *, now: float) -> None:
        """One more failure."""
        wait = WAITS[min(self.failures, len(WAITS) - 1)]
        self.failures += 1
        self.next_at = now + wait * (1 + WAIT_SPREAD * (2 * entropy.random() - 1))


class Peers:
    """All of them, and the settings of each, also of those that never were here."""

    def __init__(self) -> None:
        self._peers: dict[PeerId, Peer] = {}
        self._policies: dict[PeerId, PeerPolicy] = {}

    def get(self, peer: PeerId) -> Peer | None:
        """One that is remembered."""
        return self._peers.get(peer)

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def meet(self, fact: PeerUp, *, now: float) -> Peer:
        """It is here."""
        peer = self._peers.get(fact.peer)
        if peer is None:
            peer = self._peers[fact.peer] = Peer(fact, now=now)
            self._settle(peer)
        elif not peer.is_up:  # it may have started anew, behind another NAT
            peer.failures, peer.hopeless = 0, False
            peer.heed(now=now)
        peer.renew(fact)
        return peer

    def forget(self) -> PeerId | None:
        """Of too many, the one met longest ago that is not here goes."""
        gone = next((each.id for each in self if not each.is_up), None) if len(self._peers) > MOST_PEERS else None
        if gone is not None:
            del self._peers[gone]
        return gone

    def settle(self, fact: PeerPolicy) -> None:
        """A person's settings for one peer, whether it is here or not."""
        self._policies[fact.peer] = fact
        if fact.nat3_nat4 is None and fact.nat4_nat4 is None:
            del self._policies[fact.peer]
        if (peer := self._peers.get(fact.peer)) is not None:
            self._settle(peer)

    def _settle(self, peer: Peer) -> None:
        fact = self._policies.get(peer.id)
        peer.modes = (None, None) if fact is None else (fact.nat3_nat4, fact.nat4_nat4)
