"""Two engines behind two NATs, from one seed: do they get direct, how soon, with how much?

    0 s: both come up and measure     `settled`: traffic begins     ... direct on both sides, or given up

`duel("nat3", "nat4-uniform", seed=1)` is one world.
"""

from __future__ import annotations

import contextlib
from math import inf

from msgspec import Struct

from punch.events import PeerView
from punch.sim.journal import Journal
from punch.sim.meeting import Meeting, Terms
from punch.sim.world import TooLate
from punch.sim.zoo import KINDS, Kind
from punch.values import NatProfile, PeerId

LOCAL, REMOTE = b"local", b"remote"
SIDES = ((LOCAL, REMOTE), (REMOTE, LOCAL))
"""Each side and the other."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How a duel ended; pairs are (local, remote)."""

    success: bool
    seconds: float | None
    """From the beginning of traffic until both sides are direct; 0 if they were before."""
    packets: tuple[int, int]
    """That drew from the budget after traffic began; of the attempt itself if that was over before."""
    measuring: tuple[int, int]
    """That drew from it before."""
    entries: tuple[int, int]
    """The most entries that were alive in any NAT of that side, keepalives and measurements included."""
    pps: tuple[int, int]
    """The most datagrams that left within one second."""
    profiles: tuple[NatProfile, NatProfile]
    strategy: str
    reason: str
    """Of the side that gave up, or `direct`."""


class Duel:
    """The world of one; `run` fights it."""

    def __init__(
        self, local: Kind | str, remote: Kind | str, *, seed: int | str, terms: Terms, journal: Journal | None = None
    ) -> None:
        self.terms = terms
        self.meeting = Meeting(terms, seed=seed, journal=journal)
        self.world = self.meeting.world
        for name, kind in ((LOCAL, local), (REMOTE, remote)):
            self.meeting.add(name, KINDS[kind] if isinstance(kind, str) else kind)
        self.meeting.introduce(LOCAL, REMOTE)

    def run(self) -> Outcome:
        """Measure, fight, and say how it went."""
        self.meeting.start(LOCAL)
        self.world.at(self.terms.late, lambda: self.meeting.start(REMOTE))
        self.world.run(until=self.terms.settled)
        began, before = self.world.now, self._spent()
        self.meeting.want(LOCAL, REMOTE)
        with contextlib.suppress(TooLate):
            self.world.run_until(self._over, within=self.terms.patience)
        return self._outcome(began, before)

    def _over(self) -> bool:
        """Both are direct, or both have given up."""
        for name, other in SIDES:
            side = self.meeting.sides[name]
            if other not in side.direct and other not in side.ended:
                return False
        return True

    def _spent(self) -> tuple[int, int]:
        return self.meeting.spent(LOCAL), self.meeting.spent(REMOTE)

    def _outcome(self, began: float, before: tuple[int, int]) -> Outcome:
        local, remote = self.meeting.sides[LOCAL], self.meeting.sides[REMOTE]
        at = max(local.direct.get(REMOTE, inf), remote.direct.get(LOCAL, inf))
        ends = [self.meeting.sides[name].ended.get(other) for name, other in SIDES]
        failed = next((end.reason for end in ends if end is not None and end.state != "succeeded"), "too_late")
        spent = self._spent()
        packets = (spent[0] - before[0], spent[1] - before[1])
        if at <= began:
            packets = self._view(LOCAL, REMOTE).probes, self._view(REMOTE, LOCAL).probes
        return Outcome(
            success=at < inf,
            seconds=max(0.0, at - began) if at < inf else None,
            packets=packets,
            measuring=before,
            entries=(self.meeting.peak(LOCAL), self.meeting.peak(REMOTE)),
            pps=(local.most_pps, remote.most_pps),
            profiles=(local.engine.profile, remote.engine.profile),
            strategy=self._view(LOCAL, REMOTE).strategy,
            reason="direct" if at < inf else failed,
        )

    def _view(self, name: PeerId, other: PeerId) -> PeerView:
        return self.meeting.sides[name].engine.view(other, self.world.now)


def duel(local: Kind | str, remote: Kind | str, *, seed: int | str, terms: Terms | None = None) -> Outcome:
    """Fight one."""
    return Duel(local, remote, seed=seed, terms=terms or Terms()).run()
