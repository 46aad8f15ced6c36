"""One way to a peer: its proof, its round trips, its size.

unproven --Challenge sent--> asked --Answer from the same source--> proven
proven --nothing opened--> in doubt, asked --nothing comes by it in time--> down --many tries--> unproven
                              |                                              |
                              +---------- something came by it: proven <-----+

A way that is down carries only where every other is down too. One that rests (it fell twice in a row, or lost more than
a relay does) stands behind relays until its time is over.
"""

from __future__ import annotations

from overlay.paths.estimate import RoundTrip
from overlay.paths.facts import Where
from overlay.paths.redundancy import Redundancy
from overlay.values import Label

BASE_SIZE = 1200
"""UDP payload bytes that every path carries (protocol section 5)."""
SIZES = (1372, 1412, 1452, 1472)
"""Sizes tried above the base (protocol section 5): common tunnels, IPv6 and IPv4 on a 1,500-byte link."""
SMALL = 72
"""UDP payload bytes of a Challenge to where nobody answered yet: with the answer to a probe (36 bytes) three times what
the probe was; header, kind, token and the longest tag fit."""
TRIES = 4
"""Packets an endpoint gets before it is left alone (protocol section 5)."""
VAIN_AFTER = 0.3
"""Seconds until a Challenge that tests a size is taken to be in vain; more where round trips take longer."""
FIRST_WAIT = 0.25
"""Seconds until a Challenge is repeated; doubles."""
UNMEASURED = 1.0
"""Seconds that a way has to answer whose round trip is not known."""
FORGIVEN = 600.0
"""Seconds after which a fall is forgotten."""
FIRST_REST, LAST_REST = 10.0, 600.0
"""Seconds that a way rests behind relays which fell twice in a row; doubles."""


class Way:
    """What we know of one way."""

    __slots__ = (
        "_pending",
        "allowance",
        "answers",
        "asked",
        "candidate",
        "carries",
        "dialled",
        "doubtful",
        "down",
        "falls",
        "fell_at",
        "heard_at",
        "hole",
        "label",
        "lifetime",
        "moved",
        "pinged_at",
        "proven_at",
        "redundancy",
        "reported",
        "rests_until",
        "routable",
        "rtt",
        "sent_at",
        "size",
        "sized",
        "told",
        "tries",
        "verified_at",
        "where",
    )

    def __init__(self, where: Where, label: Label) -> None:
        self.where = where
        self.label = label
        """What the receiver wants on our frames."""
        self.proven_at: float | None = None
        self.heard_at: float | None = None
        self.sent_at = 0.0
        self.pinged_at = 0.0
        """When a sign of life was last asked of it as a spare."""
        self.doubtful = False
        """Sent on it and nothing opened: used together with a spare until it answers."""
        self.down = False
        """Asked in doubt, and nothing came by it in time: others carry alone."""
        self.falls, self.fell_at = 0, 0.0
        """How often it was left for another one of late, and when last."""
        self.rests_until = 0.0
        """Relays go before it until then."""
        self.moved = False
        """The peer itself came this way with its newest frame: once proven, traffic moves here."""
        self.tries = 0
        self.size = BASE_SIZE
        self.carries = False
        """An Answer of the base size came: what was proven by a small one is to show that soon."""
        self.sized = 0
        """How often larger sizes were tried since the proof."""
        self.rtt = RoundTrip()
        self.told = 0
        """Datagrams sent by it that Reports told of ..."""
        self.reported = False
        """Reports told of what went this way."""
        self.redundancy = Redundancy()
        """How envelopes go this way."""
        self.routable = False
        """A handshake or a Challenge went to and fro here; being heard is no such proof."""
        self.candidate = False
        """The peer's frames came from here unasked: until proven, what goes there is taken from the allowance."""
        self.dialled = False
        """A handshake of ours was answered here: the peer listens there for anybody."""
        self.hole = False
        """It leads through a hole that was punched: kept open by its lifetime, let go when nobody uses it."""
        self.lifetime: float | None = None
        """Seconds the hole lives without traffic; None: not known."""
        self.allowance = 0
        """Bytes a candidate may still be sent (3x what it sent)."""
        self.asked = self.answers = 0
        """Challenges sent and answered in all."""
        self.verified_at = 0.0
        """When an answer to something of ours last came by it."""
        self._pending: dict[bytes, tuple[float, int]] = {}

    @property
    def proven(self) -> bool:
        """A Challenge came back."""
        return self.proven_at is not None

    @property
    def loss(self) -> float | None:
        """0..1: the share of datagrams that were missed of those that went this way; None: nobody told."""
        return self.redundancy.loss if self.reported else None

    def challenged(self, token: bytes, size: int, *, now: float) -> None:
        """A Challenge of `size` bytes went out."""
        while len(self._pending) >= 16:
            del self._pending[next(iter(self._pending))]
        self._pending[token] = (now, size)
        self.asked += 1
        self.sent_at = now

    def answered(self, token: bytes, *, now: float) -> bool:
        """Take an Answer; False when the token is none of ours."""
        entry = self._pending.pop(token, None)
        if entry is None:
            return False
        sent, size = entry
        self._pending = {other: each for other, each in self._pending.items() if each[1] != size or each[0] > sent}
        self.answers += 1
        self.verified_at = now
        self.rtt.sample(now - sent)
        self.redundancy.measured(now - sent, self.rtt.floor, now=now)
        self.size = max(self.size, size)
        self.carries = self.carries or size >= BASE_SIZE
        self.tries = 0
        self.routable, self.candidate = True, False
        if self.proven_at is None:
            self.proven_at = now
        return True

    def owns(self, token: bytes) -> bool:
        """True when `token` was sent on this way and is not answered yet."""
        return token in self._pending

    def vain(self, *, now: float) -> int:
        """Challenges of the present size that nobody answered in time, since the last one that somebody did."""
        wait = self.patience(VAIN_AFTER)
        return sum(size == self.size and now - sent > wait for sent, size in self._pending.values())

    def first_size(self) -> int:
        """Bytes of the next Challenge that is to prove the way: small, where the source may be forged."""
        if self.proven:
            return BASE_SIZE
        forged = (self.candidate and self.allowance < BASE_SIZE) or (self.hole and not self.routable)
        return SMALL if forged else BASE_SIZE

    def spend(self, size: int) -> bool:
        """Whether `size` more bytes may go here; taken from a candidate's allowance."""
        if self.candidate:
            if self.allowance < size:
                return False
            self.allowance -= size
        return True

    def doubt(self) -> None:
        """The proof no longer holds; what was learned of the path's size neither."""
        self.proven_at = None
        self.doubtful = self.down = False
        self.doubtful = self.down = False
        self.size = BASE_SIZE
        self.carries = False
        self.sized = 0
        self._pending.clear()

    def heard(self, *, now: float) -> None:
        """Something opened that came this way."""
        self.heard_at = now
        self.doubtful = self.down = False

    def patience(self, least: float) -> float:
        """Seconds within which an answer comes by this way, `least` at least: three round trips and what they vary."""
        if self.rtt.smoothed is None:
            return max(least, UNMEASURED)
        return max(least, 3.0 * self.rtt.smoothed + 4.0 * (self.rtt.jitter or 0.0))

    def fall(self, *, rest: float, now: float) -> None:
        """It is left for another one: the second time in a row it rests a while, twice as long each time."""
        if now - self.fell_at > FORGIVEN:
            self.falls = 0
        self.falls += 1
        self.fell_at = now
        wait = rest if rest else (FIRST_REST / 2 if self.falls > 1 else 0.0)
        self.rests_until = now + min(LAST_REST, wait * 2.0 ** (self.falls - 1))
