"""Somebody else signs as we do: an earlier run of ours, or a copy of this device that runs now (protocol section 8).

a record of our id that this run did not sign, at our sequence or above
    the first time      go above it by a random step, which no earlier run can know
    above that step     its signer heard us: a clone. Told to the person; outbid three times, then once a minute

Whom a copy shakes hands with lets go of the other. It shows each what the other signs, while the keys of both open:

    ann --session--> vps <--session, another boot id-- ann's copy       records of ann: to both
"""

from __future__ import annotations

import random

from overlay.gossip.pace import Pace
from overlay.gossip.record import Record
from overlay.gossip.records import MAX_SEQUENCE
from overlay.values import NodeId

STEP_LEAST, STEP_MOST = 1 << 10, 1 << 20
"""How far above: chance does not meet it, and 2^63 sequences last."""
HIGHEST = MAX_SEQUENCE - 1
"""The last sequence that one can go above."""
OUTBID_BURST, OUTBID_EVERY = 3, 60.0
"""Records against a clone at once, so that both see that the other lives, and seconds between two from then on."""
FORGOTTEN = 5 * OUTBID_EVERY
"""Seconds without a word of a clone after which it is gone."""
BOTH_LISTEN = 30.0
"""Seconds after a handshake under another boot id in which a neighbour is shown its own records: its two hosts have
answered each other by then, or the keys of one are forgotten."""

SHOWN_EVERY = 1.0
"""Seconds between two showings to a neighbour that speaks with the keys of two handshakes."""


class Clones:
    """What we know of others that hold our key."""

    def __init__(self, boot: bytes, *, entropy: random.Random) -> None:
        self._boot = boot
        self._entropy = entropy
        self._step: int | None = None
        """The sequence that only one that heard us can exceed."""
        self._pace = Pace(OUTBID_BURST, OUTBID_EVERY)
        self._seen_at = 0.0
        self._last: Record | None = None
        self._due: tuple[float, int] | None = None

    @property
    def record(self) -> Record | None:
        """The last record of a clone that lives; None: there is none that we know of."""
        return self._last

    def foreign(self, record: Record, *, now: float) -> int | None:
        """A record of ours that this run did not sign: the sequence to go above now; None: not yet, see `due`."""
        if record.left:
            if self._last is not None and self._last.boot == record.boot:
                self._forget()
        elif self._step is not None and record.sequence > self._step and record.boot != self._boot:
            self._last, self._seen_at = record, now
        if self._last is None:
            return self._above(record.sequence)
        at = self._pace.at(now=now)
        if at > now:
            self._due = (at, max(record.sequence, self._due[1] if self._due else 0))
            return None
        return self._above(record.sequence)

    def due(self) -> float | None:
        """When a clone may be outbid again."""
        return self._due[0] if self._due else None

    def outbid(self, *, now: float) -> int | None:
        """The sequence to go above, if it is time."""
        if self._due is None or self._due[0] > now:
            return None
        (_, sequence), self._due = self._due, None
        return self._above(sequence)

    def tidy(self, *, now: float) -> None:
        """Forget a clone that ended."""
        if self._last is not None and now - self._seen_at > FORGOTTEN:
            self._forget()

    def _forget(self) -> None:
        self._last = self._due = self._step = None

    def _above(self, sequence: int) -> int:
        self._step = min(sequence + self._entropy.randrange(STEP_LEAST, STEP_MOST), max(sequence, HIGHEST))
        return self._step


class Doubles:
    """Neighbours that may be two hosts: their last handshake was of another run than the one before."""

    def __init__(self) -> None:
        self._boots: dict[NodeId, bytes] = {}
        """Of the last handshake of each neighbour."""
        self._until: dict[NodeId, float] = {}
        self._shown_at: dict[NodeId, float] = {}

    def up(self, peer: NodeId, boot: bytes, *, now: float) -> None:
        """`peer` shook hands; `boot` is that of the run it is in, empty if that is not known."""
        if not boot:
            return
        if self._boots.get(peer, boot) != boot:
            self._until[peer] = now + BOTH_LISTEN
        self._boots[peer] = boot

    def heard(self, peer: NodeId, *, now: float) -> bool:
        """A neighbour spoke with the keys of another run; True if it is time to show it what we hold of it."""
        if peer not in self._boots or now - self._shown_at.get(peer, -SHOWN_EVERY) < SHOWN_EVERY:
            return False
        self._until[peer], self._shown_at[peer] = now + BOTH_LISTEN, now
        return True

    def down(self, peer: NodeId) -> None:
        """No session with `peer` is left."""
        self._boots.pop(peer, None)
        self._until.pop(peer, None)
        self._shown_at.pop(peer, None)

    def is_other(self, record: Record) -> bool:
        """Whether a neighbour's record is of another run than its last handshake."""
        return self._boots.get(record.id, record.boot) != record.boot

    def listen(self, record: Record, *, now: float) -> bool:
        """Whether the neighbour that signed `record` is to see it."""
        return self.is_other(record) or self._until.get(record.id, now) > now
