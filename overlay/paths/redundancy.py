"""How large envelopes on a way are, and how many parity slices follow each: what its losses ask for (design section 2).

    unknown --slices reported--> known, clean: full, no parity
                                   |  ^
           missed, no queue builds |  | none missed for long
                                   v  |
                                 lossy: smaller, parity by the measured loss
                                   |  ^
       missed, and a queue builds  v  | not so much is missed any more
                                 smaller and smaller; parity against what the way loses anyway, or none

Losses beside a queue that builds are congestion, whoever fills it: parity against them would push others aside. So
only what is lost without one counts as the way's own loss, and nothing else is guarded against.
"""

from __future__ import annotations

from math import comb, log, sqrt

from msgspec import Struct

from overlay.paths.estimate import Totals
from overlay.paths.queueing import Queueing

HALF_LIFE, HALF_SLICES = 5.0, 10_000
"""Seconds, and slices, of traffic after which what was reported counts half: both have to pass."""
FAST = 1.0
"""Seconds, for what is reported of late."""
LEAST = 3.0
"""Slices missed for an estimate to mean something."""
LATE, TIMEOUT = 0.2, 0.1
"""Seconds that a loss lies before the report before the one that tells of it, at most; before that one, at least: the
slice is waited for (`wire.reassembly`), and reports are not made at once."""
GAP = 1.5
"""Seconds between two reports that count at most: a pause is no evidence."""
BEGIN, BEGIN_FEW = 2e-4, 5e-3
"""Loss from which on a way is lossy: once LEAST slices were missed, or at once ..."""
HITS, HIT_TIME = 3, 0.8
"""... in so many reports, over so many seconds: a stream that began too fast loses much, once ..."""
SPARSE, SMALL = 100, 8
"""... unless they told of fewer slices than this, and of no more an envelope: a game may be guarded at once."""
VAIN = 3
"""Reports in a row that parity was in vain though no queue was seen, until there is none: trains do not fit the queue
that they meet."""
OVER, OVER_TIME = 10.0, 10.0
"""A way is clean when nothing is missed of so many times the slices of which it would have lost one, and for so many
seconds; by chance that happens once in 20,000 times."""
END = 5e-5
"""Or when it loses less than this."""
TARGET, LEAN = 1e-5, 1e-3
"""Share of envelopes that may be lost in spite of parity; and while a queue drops more than the way loses, or it is not
known yet what it loses."""
GUARDS = ((32, 1), (16, 1), (32, 2), (32, 4), (16, 4), (32, 8))
"""Slices of a guarded envelope at most, and its parity slices: the cheapest first, a quarter of the bytes at most
(design section 2)."""
NEAR = 2.0
"""Times the loss by which a guard is left for a cheaper one, or taken for a dearer: it does not change all the time."""
CLUSTERED = 0.5
"""Envelopes hit, of as many as would be by chance, below which losses are not by chance."""
HOPELESS = 0.2
"""Envelopes lost in spite of the most parity from which on there is none."""
EXCESS, SIGMAS = 2.0, 3.0
"""Times what the way loses anyway, and standard deviations, beyond which what is lost is a queue's."""
STEPS = (32, 16, 8, 4, 2, 1)
"""Slices of an envelope at most while a queue drops; 1: a datagram an envelope."""
TRAIN = 0.0005
"""Seconds of traffic that such an envelope holds: about as much as TCP sends at once (tcp_tso_autosize)."""
STEP_UP = 8.0
"""Seconds without a drop until envelopes grow."""
HELD = 3
"""Round trips that have to be short, one after the other, until a queue that dropped counts as empty."""
FAR = 0.01
"""RTT from which on a way nothing is known of is guarded: there a TCP stream takes half a minute to make up for losses
of its first second."""
DOUBT = 60
"""Slices, one of them missed, that are added to what was reported of an unknown way: it may lose 2 %."""


class Shape(Struct, frozen=True):
    """How envelopes go on a way."""

    slices: int = 0
    """Slices of an envelope at most; 0: a full one."""
    parity: int = 0
    """Parity slices that follow each: 0, 1, 2, 4 or 8."""


class _Counted:
    """Slices that came and were missed; the older, the less they weigh."""

    __slots__ = ("_seconds", "_slices", "came", "missed")

    def __init__(self, seconds: float, slices: int = 1) -> None:
        self._seconds, self._slices = seconds, slices
        self.came = self.missed = 0.0

    def add(self, came: int, missed: int, gap: float) -> None:
        weight = 0.5 ** min(gap / self._seconds, (came + missed) / self._slices)
        self.came, self.missed = self.came * weight + came, self.missed * weight + missed

    @property
    def share(self) -> float:
        return self.missed / (self.came + self.missed) if self.missed else 0.0


class Redundancy:
    """Loss control of one way."""

    __slots__ = (
        "_base",
        "_clean",
        "_dropping",
        "_held",
        "_hit_at",
        "_hits",
        "_known",
        "_lossy",
        "_moved_at",
        "_quick",
        "_recent",
        "_report_at",
        "_seen",
        "_seen_hit",
        "_seen_missed",
        "_small",
        "_vain",
        "queueing",
        "shape",
    )

    def __init__(self) -> None:
        self._base, self._quick = _Counted(HALF_LIFE, HALF_SLICES), _Counted(FAST)
        """What was reported while no queue was building; the second only ever raises the estimate."""
        self._recent = _Counted(FAST)
        """What was reported of late."""
        self._hits = 0
        """Reports with losses while no queue was building, since the way was clean."""
        self._hit_at = 0.0
        """When the first of them came."""
        self._clean = (0, 0.0)
        """Slices since one was missed, and seconds."""
        self._known = False
        """Enough was reported to know what it loses, or it has a queue that drops."""
        self._seen = self._seen_missed = self._seen_hit = 0
        """Slices reported until then, missed of them, and envelopes hit: what is still waited for is not missed yet."""
        self._report_at: float | None = None
        self.queueing = Queueing()
        self._lossy = False
        self._dropping = False
        """A queue drops, as far as the last report says."""
        self._held = 0
        """Short round trips until a way that is not known is guarded again: its queue dropped."""
        self._small = 0
        """Slices of an envelope at most because a queue drops; 0: it does not."""
        self._vain = 0
        """Reports in a row that parity was in vain, though no queue was seen."""
        self._moved_at = 0.0
        """When that last changed."""
        self.shape = Shape()

    @property
    def loss(self) -> float:
        """The share of slices the way loses by itself, as far as is known now."""
        return max(self._base.share, self._quick.share if self._quick.missed >= LEAST else 0.0)

    def reported(self, added: Totals, floor: float | None, *, now: float) -> bool:
        """Take what a Report adds; whether the shape changed. `floor`: the least RTT known, seconds."""
        gap = min(GAP, now - self._report_at) if self._report_at is not None else 0.0
        since = self._report_at if self._report_at is not None else now
        self._report_at = now
        came, missed = added.slices, added.missed
        self._recent.add(came, missed, gap)
        queue = self.queueing.built(since - LATE, now - TIMEOUT, floor)
        vain = self._in_vain(added)
        if not queue:
            self._vain = self._vain + 1 if vain else 0
        congested = missed > 0 and (queue is True or vain or clustered(added) or hopeless(added))
        if not congested and (queue is False or not missed):
            self._credit(added, gap, now=now)
            if self.queueing.built(since - LATE, now, floor) is False:
                self._seen_hit += added.incomplete + added.rebuilt
        elif self._in_excess(seen=queue is True) or self._vain >= VAIN:
            self._small, self._moved_at = self._train(), now
        self._dropping = congested and self._in_excess(seen=False)
        if self._vain >= VAIN:
            self._known, self._lossy = True, False
            self._forget()
        elif self._dropping and not self._known and max(self._seen_missed, self._seen_hit) < LEAST:
            self._held = HELD
        return self._decide(floor, now=now)

    def measured(self, rtt: float, floor: float | None, *, now: float) -> bool:
        """Take one round trip, in seconds; whether the shape changed."""
        self.queueing.measured(rtt, floor, now=now)
        if floor is not None and self.queueing.builds(floor, now=now):
            self._held = HELD
        elif self._held and floor is not None:
            self._held = self._held - 1 if rtt <= self.queueing.long(floor) else HELD
        return self._decide(floor, now=now)

    def wants_rtt(self, *, now: float) -> bool:
        """Whether a round trip should be measured now; asked often while something is sent."""
        return self.queueing.wants(busy=self._recent.came >= SPARSE, now=now)

    def _in_vain(self, added: Totals) -> bool:
        """Whether parity follows, and more of the envelopes that were hit are lost than rebuilt."""
        return self.shape.parity > 0 and added.incomplete > added.rebuilt

    def _forget(self) -> None:
        """Begin anew to learn what the way loses."""
        self._hits = 0
        self._base, self._quick = _Counted(HALF_LIFE, HALF_SLICES), _Counted(FAST)

    def _credit(self, added: Totals, gap: float, *, now: float) -> None:
        """It was lost, or not, while no queue was building."""
        came, missed = added.slices, added.missed
        self._base.add(came, missed, gap)
        self._quick.add(came, missed, gap)
        slices, seconds = self._clean
        self._clean = (0, 0.0) if missed else (slices + came, seconds + gap)
        if missed:
            self._hits += 1
            if self._hits == 1:
                self._hit_at = now
        if not self._known:
            self._seen, self._seen_missed = self._seen + came + missed, self._seen_missed + missed
            self._known = self._doubted() < BEGIN / 2
        loss = self.loss
        if loss < END or (self._clean[0] * loss > OVER and self._clean[1] > OVER_TIME):
            if self._hits:
                self._known, self._lossy = self._known or self._lossy, False
                self._forget()
        elif _sparse(added) or (self._hits >= HITS and now - self._hit_at >= HIT_TIME):
            self._lossy = self._lossy or loss >= (BEGIN if self._base.missed >= LEAST else BEGIN_FEW)

    def _in_excess(self, *, seen: bool) -> bool:
        """Whether more is lost of late than the way loses anyway; `seen`: beside a queue, where a slice is enough."""
        recent = self._recent
        expected = (recent.came + recent.missed) * (self.loss if seen else max(self.loss, self._doubted()))
        return recent.missed >= (0.5 if seen else LEAST) and recent.missed > EXCESS * expected + SIGMAS * sqrt(expected)

    def _doubted(self) -> float:
        """What a way that is not known may lose."""
        lost = max(self._seen_missed, self._seen_hit) + 1.0
        return 0.0 if self._known else min(1.0, lost / (self._seen + DOUBT))

    def _train(self) -> int:
        """Slices of an envelope at most while a queue drops: what the way carries in a moment."""
        rate = (self._recent.came + self._recent.missed) / (FAST / log(2))
        return next((each for each in STEPS if each <= TRAIN * rate), 1)

    def _decide(self, floor: float | None, *, now: float) -> bool:
        before = self.shape
        if self._small and now - self._moved_at >= STEP_UP:
            larger = STEPS.index(self._small) - 1
            self._small, self._moved_at = (STEPS[larger] if larger >= 0 else 0), now
        if self._lossy:
            self.shape = self._guard(LEAN if self._dropping else TARGET)
        elif not self._known and floor is not None and floor >= FAR and self.queueing.known and not self._held:
            self.shape = Shape(*guard(self._doubted(), LEAN))
        else:
            self.shape = Shape(self._small)
        return self.shape != before

    def _guard(self, target: float) -> Shape:
        """The guard for the present loss; the present one as long as it does for about that much."""
        loss = self.loss
        least, most = (Shape(*guard(each, target)) for each in (loss / NEAR, loss * NEAR))
        if self.shape in (least, most):
            return self.shape
        return Shape(*guard(loss, target))


def _sparse(added: Totals) -> bool:
    """Whether it tells of a few small packets."""
    return added.slices < SPARSE and added.slices <= SMALL * (added.complete + added.incomplete)


def clustered(added: Totals) -> bool:
    """Whether slices were lost side by side, as a queue loses them that a train does not fit in any more: fewer
    envelopes were hit than if each slice had been lost by itself."""
    hit, envelopes, missed = added.incomplete + added.rebuilt, added.complete + added.incomplete, added.missed
    if missed < LEAST or not envelopes:
        return False
    slices = added.slices + missed
    by_chance: float = envelopes * (1.0 - (1.0 - missed / slices) ** (slices / envelopes))
    return hit < CLUSTERED * by_chance


def hopeless(added: Totals) -> bool:
    """Whether so much is lost that no parity helps: smaller trains may."""
    slices = added.slices + added.missed
    return added.missed >= LEAST and residual(*GUARDS[-1], added.missed / slices) > HOPELESS


def guard(loss: float, target: float = TARGET) -> tuple[int, int]:
    """Slices of an envelope at most, and its parity slices, for so much loss: the cheapest that meets the target, or
    what a quarter of the bytes gives."""
    return next((each for each in GUARDS if residual(*each, loss) <= target), GUARDS[-1])


def residual(slices: int, parity: int, loss: float) -> float:
    """The share of envelopes that are lost in spite of their parity, losses being independent."""
    sent = slices + parity
    return sum(comb(sent, lost) * loss**lost * (1 - loss) ** (sent - lost) for lost in range(parity + 1, sent + 1))
