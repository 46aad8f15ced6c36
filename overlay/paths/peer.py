"""One peer: its ways, and the choice between them."""

from __future__ import annotations

import math

from msgspec import Struct, field

from overlay.paths.commands import Route
from overlay.paths.estimate import Loss
from overlay.paths.facts import Where
from overlay.paths.vigil import Vigil
from overlay.paths.way import Way
from overlay.values import Direct, Label, NodeId
from overlay.wire.messages import Report
from punch.values import Endpoint

BETTER = 0.8
"""Another way must be this much faster before it takes over: hysteresis against flapping."""
MARGIN = 0.002
"""... and by this many seconds."""
MOST_VOUCHED = 4
"""Hosts kept that a peer's relays hear it from."""
MOST_WAYS = 24
"""Ways kept for one peer; the oldest unproven one gives way."""
MOST_PROVEN = 8
"""Direct ways of one peer that are proven at a time: each costs keepalives, and is asked anew whenever it moves."""


class Trial(Struct):
    """Two ways compared (`trial`)."""

    tried: Where
    other: Where
    asked: tuple[int, int]
    """Challenges sent on either before it began ..."""
    answers: tuple[int, int]
    """... and answered."""
    left: int
    """Challenges still to be sent on each."""
    patience: float
    """Seconds for the last answers."""


class Peer(Struct, eq=False):
    """What `paths` knows of one peer."""

    node: NodeId
    known: bool = False
    """A record of it is known."""
    session: bool = False
    session_at: float = 0.0
    """When its newest session opened."""
    label: Label = Label(0)
    """What it wants on direct frames."""
    ways: dict[Where, Way] = {}
    endpoints: tuple[tuple[Endpoint, str], ...] = ()
    misplaced: tuple[Endpoint, ...] = ()
    """Endpoints of its record where somebody else was met."""
    vouched: tuple[str, ...] = ()
    """Where its relays hear it, the newest last."""
    shares_public: bool = False
    """Seen at a public host of ours, as it says and a relay too: its private addresses may be near."""
    heard_at: float | None = None
    reached: bool = False
    silent_at: float = -1.0
    """When it was last said to be silent: reached again once heard after that."""
    current: tuple[Where, ...] = ()
    direct: bool = False
    """A direct way stands, in use or at rest: none has to be punched."""
    near: Where | None = None
    """The best direct way, as the others were last told."""
    since: float = 0.0
    routes: tuple[Route, ...] = ()
    """What the plane was last told."""
    small: bool = False
    """One datagram an envelope is asked for."""
    loss: Loss = field(default_factory=Loss)
    pings: dict[int, tuple[int | None, float]] = {}
    """req -> (token of who asked, when sent)."""
    last_tx: float = 0.0
    busy_since: float | None = None
    """Since when we send to it without a pause."""
    vigil: Vigil = field(default_factory=Vigil)
    """What is sent, and not answered so far."""
    unreported_at: float = 0.0
    """When the lack of Reports last led to something."""
    doubts: tuple[float, ...] = ()
    """When its ways were doubted of late."""
    lasted_at: float | None = None
    """When traffic to it that had lasted a while was last seen."""
    trial: Trial | None = None
    trials: int = 0
    """Trials in a row of which nothing came ..."""
    trial_at: float = 0.0
    """... and when the next may begin."""
    seeking: bool = False
    """Relays are looked for, to have a spare."""
    seeks: int = 0
    """Such searches in vain ..."""
    seek_at: float = 0.0
    """... and when the next may come."""
    next_rtt: float = 0.0
    reported: Report = Report(0, 0, 0)
    """The last account we sent it."""
    report_at: float = 0.0
    """When its last Report of our envelopes came."""
    relays: tuple[NodeId, ...] = ()
    tries: int = 0
    """Attempts to get a session since the last success."""
    dialled_direct: bool = False
    dialled_at: float = -math.inf
    """When an endpoint of its record was last dialled ..."""
    sought_at: float = -math.inf
    """... and a relay last asked to carry to it."""
    searched: bool = False
    """A relay was looked for since, as what the record names did not answer in time."""
    user_at: float = 0.0
    """When user packets last went or came, by whatever way."""
    watched: bool = True
    """The plane says when the next user packets go by a relay."""
    holes: dict[Endpoint, float | None] = {}
    """Endpoints that were reached through a punched hole, with its lifetime."""
    let_go: dict[Endpoint, float] = {}
    """Holes let go of late, until when: what still comes from there does not bring them back."""

    def way(self, where: Where, label: Label) -> Way:
        """The way at `where`, made when it is new."""
        way = self.ways.get(where)
        if way is None:
            if len(self.ways) >= MOST_WAYS:
                spare = next((key for key, each in self.ways.items() if not (each.proven or each.hole)), None)
                if spare is not None:
                    del self.ways[spare]
            way = self.ways[where] = Way(where, label)
        way.label = label
        return way

    def surplus(self, kept: Way) -> Way | None:
        """The direct way to give up where more are proven than we keep: of those not in use, and but `kept`, the one
        that was verified longest ago."""
        proven = [way for way in self.ways.values() if way.proven and isinstance(way.where, Direct)]
        if len(proven) <= MOST_PROVEN:
            return None
        idle = [way for way in proven if way is not kept and way.where not in self.current]
        return min(idle, key=lambda way: way.verified_at, default=None)

    def best_direct(self) -> Way | None:
        """The proven direct way that carries best."""
        return self._best([way for way in self.ways.values() if way.proven and isinstance(way.where, Direct)])

    def best_relayed(self) -> Way | None:
        """The proven relayed way that carries best."""
        return self._best([way for way in self.ways.values() if way.proven and not isinstance(way.where, Direct)])

    def _best(self, ways: list[Way]) -> Way | None:
        if not ways:
            return None
        standing = [way for way in ways if not way.down] or ways
        sure = [way for way in standing if not way.doubtful] or standing
        fastest = min(sure, key=_round_trip)
        now_used = next((way for way in sure if self.current and way.where == self.current[0]), None)
        if now_used is None or _round_trip(fastest) < _round_trip(now_used) * BETTER - MARGIN:
            return fastest
        return now_used

    def choose(self, usable: list[Way], *, now: float) -> tuple[Way, ...]:
        """Those of the proven ways `usable` to send on: one, or, while it is in doubt, that one and a spare; or none.

        Direct ways go before relayed ones: nobody else pays for them, and one failure less ends them. A way that is
        down, or rests because it did worse than a relay, goes behind.
        """
        standing = [way for way in usable if not way.down] or usable
        held = next((way for way in standing if self.current and way.where == self.current[0]), None)
        first = held if held is not None and held.doubtful else self._first(standing, now=now)
        if first is None:
            return ()
        if first is held and first.rests_until > now:
            first = self._first(standing, now=now) or first
        if not first.doubtful and not first.down:
            return (first,)
        others = [way for way in standing if way is not first]
        spare = self._first([way for way in others if not way.doubtful] or others, now=now)
        return (first, spare) if spare is not None else (first,)

    def _first(self, ways: list[Way], *, now: float) -> Way | None:
        """The one to send on, were these all."""
        for resting in (False, True):
            some = [way for way in ways if (way.rests_until > now) is resting]
            direct = [way for way in some if isinstance(way.where, Direct)]
            relayed = [way for way in some if not isinstance(way.where, Direct)]
            if (best := self._best(direct) or self._best(relayed)) is not None:
                return best
        return None

    def spare(self, used: Way, *, now: float) -> Way | None:
        """The way to go on, were `used` gone; a sound one."""
        others = [way for way in self.ways.values() if way is not used and way.proven]
        return self._first([way for way in others if not way.doubtful and not way.down], now=now)

    def control_way(self) -> Way | None:
        """Where control goes: as data does, by the spare alone while the first is in doubt; before any proof the way
        last heard on."""
        chosen = [way for way in map(self.ways.get, self.current) if way is not None]
        if chosen:
            return chosen[-1]
        heard = [way for way in self.ways.values() if way.heard_at is not None]
        return max(heard, key=lambda way: way.heard_at or 0.0, default=None) or next(iter(self.ways.values()), None)


def _round_trip(way: Way) -> float:
    return way.rtt.smoothed if way.rtt.smoothed is not None else 1.0
