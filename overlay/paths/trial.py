"""A way that does badly is weighed against the best other one, by the same train of data-sized Challenges on both.

in use: loses ----trial----> clearly worse: rests behind the other
rests, its time is nearly over ----trial----> not clearly worse any more: in use again; else it rests twice as long

Of the way in use the loss of its data counts too, where it is more: pings may pass where data does not. A direct way
keeps its place unless it is clearly worse: nobody else pays for it, and nobody else's failure ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

from overlay.paths.board import Board, Timer
from overlay.paths.peer import Peer, Trial
from overlay.paths.proving import Proving
from overlay.paths.way import FIRST_REST, Way

Weigh = Callable[[float | None, float | None, float | None], float]
"""Round trip and mean deviation in milliseconds around the loss (0..1): (rtt, loss, deviation) -> weighed ms."""

BAD = 0.02
"""Loss of data from which on a way is put on trial."""
CLEARLY = 1.5
"""A way must weigh this much more than the other to lose its place: one step of a link's cost."""
TRAIN, APART = 20, 0.05
"""Challenges on each way, and seconds between two."""
ENOUGH = 200
"""Datagrams that Reports told of until their loss is evidence."""
AGAIN = 10.0
"""Seconds between two trials of a peer's ways; doubles while nothing comes of them."""
AGAIN_LAST = 300.0


class Trials:
    """The part of `paths` that compares ways under load."""

    def __init__(self, board: Board, proving: Proving, weigh: Weigh) -> None:
        self._board = board
        self._proving = proving
        self._weigh = weigh

    def tend(self, peer: Peer, *, now: float) -> None:
        """Once a second for each peer that is sent to."""
        if peer.trial is not None or now < peer.trial_at or peer.busy_since is None or not peer.current:
            return
        used = peer.ways.get(peer.current[0])
        if used is None or used.doubtful or used.down:
            return
        resting = [way for way in peer.ways.values() if way.proven and way.rests_until > now and way is not used]
        tried = min(resting, key=lambda way: way.rests_until, default=None)
        if tried is not None and tried.rests_until - now <= AGAIN / 2:
            self._begin(peer, tried, used, now=now)
        elif used.redundancy.loss >= BAD and (other := peer.spare(used, now=now)) is not None:
            self._begin(peer, used, other, now=now)

    def _begin(self, peer: Peer, tried: Way, other: Way, *, now: float) -> None:
        pair = (tried, other)
        patience = max(way.patience(0.5) for way in pair)
        asked, answers = (tried.asked, other.asked), (tried.answers, other.answers)
        peer.trial = Trial(tried.where, other.where, asked, answers, TRAIN, patience)
        self._board.timers.set((Timer.TRIAL, peer.node), now)

    def step(self, peer: Peer, *, now: float) -> None:
        """The next Challenge on both, or the verdict."""
        trial = peer.trial
        if trial is None:
            return
        tried, other = peer.ways.get(trial.tried), peer.ways.get(trial.other)
        if tried is None or other is None or not tried.proven or not other.proven or not peer.session:
            self._end(peer, now=now)
        elif trial.left:
            trial.left -= 1
            for way in (tried, other):
                self._proving.challenge(peer, way, way.size, now=now)
            wait = APART if trial.left else trial.patience
            self._board.timers.set((Timer.TRIAL, peer.node), now + wait)
        else:
            self._decide(peer, tried, other, now=now)

    def _decide(self, peer: Peer, tried: Way, other: Way, *, now: float) -> None:
        trial = peer.trial
        assert trial is not None
        losses = [
            1.0 - sqrt(min(1.0, (way.answers - answers) / max(1, way.asked - asked)))
            for way, asked, answers in zip((tried, other), trial.asked, trial.answers, strict=True)
        ]
        used = peer.current[:1]
        weights = [
            self._weight(way, max(loss, _of_data(way)) if used == (way.where,) else loss)
            for way, loss in zip((tried, other), losses, strict=True)
        ]
        worse = weights[0] > CLEARLY * weights[1]
        if worse and used == (tried.where,):
            tried.fall(rest=FIRST_REST, now=now)
            peer.trials = 0
        elif worse:
            tried.fall(rest=FIRST_REST, now=now)
        elif used == (other.where,):
            tried.rests_until = now
            peer.trials = 0
        else:
            peer.trials += 1
        self._end(peer, now=now)
        self._board.settle(peer, now=now)

    def _weight(self, way: Way, loss: float) -> float:
        rtt, deviation = way.rtt.smoothed, way.rtt.deviation
        return self._weigh(_ms(rtt), loss, _ms(deviation))

    def _end(self, peer: Peer, *, now: float) -> None:
        peer.trial = None
        peer.trial_at = now + min(AGAIN_LAST, AGAIN * 2.0 ** min(peer.trials, 8) / 2)


def _of_data(way: Way) -> float:
    """The loss of what went this way, where enough did for it to mean something."""
    return way.redundancy.loss if way.told >= ENOUGH else 0.0


def _ms(seconds: float | None) -> float | None:
    return seconds * 1000 if seconds is not None else None
