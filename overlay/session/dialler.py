"""A: dials, and is the one that repeats (protocol section 3).

    asked --m1--> WAIT_M2 --m2 opens: m3--> WAIT_M4 --m4 opens--> completed
                     |                          |
                     +---- no answer -----------+--> DialFailed(no_answer)
                     +---- m2 does not open --> SecretRefused, and quiet
                     +---- a frame of another major, our own m1 back --> DialFailed(version | self), and quiet

A quiet dial repeats nothing and says nothing more; but as whoever sits on the path can forge what made it quiet, the
true answer still opens it until its time is over.
"""

from __future__ import annotations

from cpace import CPaceRole

from overlay.session import layout
from overlay.session.completed import Completed, Unfit, introduced
from overlay.session.desk import Desk
from overlay.session.events import DialFailed, SecretRefused
from overlay.session.guesses import Guesses
from overlay.session.layout import M3, NO_COOKIE, Cookie, First, Foreign, Late, Second
from overlay.session.noise import Handshake, NoiseError
from overlay.session.pake import agree, psk_of, share
from overlay.session.run import Epochs
from overlay.session.timing import REPEATS, YIELDED, Timer, wait_after
from overlay.values import Label, Link, NodeId, guess_source

MAX_FINISHED = 256
"""Completed dials remembered, so that a repeated m4 gets its answer."""
LEFT_ALONE = 3
"""m3 sent in vain after which an m1 that crosses is answered: its sender may have started again since its m2."""
HASTENED = 3
"""Extra m1 that a cookie, or an m1 that crosses ours, may make us send at once; never longer than what did."""


class Dial:
    """One handshake that we began."""

    __slots__ = (
        "began_at",
        "chance",
        "cookie",
        "epoch",
        "expect",
        "frame",
        "hastened",
        "head",
        "label",
        "link",
        "noise",
        "peer_label",
        "quiet",
        "refused",
        "scalar",
        "sent",
        "yielded",
    )

    def __init__(self, link: Link, expect: NodeId | None, scalar: bytes, head: bytes, *, now: float) -> None:
        self.link = link
        self.expect = expect
        self.scalar = scalar
        self.head = head
        self.label = layout.label_of(head)
        self.began_at = now
        self.frame = b""
        """What is repeated: m1 or m3."""
        self.sent = 0
        """Times `frame` was sent."""
        self.cookie = NO_COOKIE
        self.hastened = 0
        self.quiet = False
        self.chance = False
        """Only a beacon led there."""
        self.yielded = False
        self.refused: list[bytes] = []
        """Shares of m2 that did not open: a repeat is no new guess."""
        self.noise: Handshake | None = None
        """Once m2 opened."""
        self.peer_label = Label(0)
        self.epoch = 0

    @property
    def share(self) -> bytes:
        """Ya."""
        return self.head[8:]


class Dialler:
    """All handshakes that we began."""

    def __init__(self, desk: Desk, *, now: float) -> None:
        self._desk = desk
        self._guesses = Guesses(now=now)
        self._chances = Guesses(now=now)
        """Those of dials that only beacons led to: anybody on the link makes us dial."""
        self._by_link: dict[Link, Dial] = {}
        self._by_label: dict[Label, Dial] = {}
        self._finished: dict[Label, tuple[NodeId, bytes]] = {}
        """Label -> (peer, m4)."""

    # --- asked by this host ---

    def ask(
        self, link: Link, expect: NodeId | None, *, answering: bool = False, chance: bool = False, now: float
    ) -> None:
        """Start a handshake, unless one is on its way over that link; what anybody may answer, anybody may go on to.

        `answering`: the other side began one there a moment ago, and is given the time to end it.
        """
        dial = self._by_link.get(link)
        if dial is not None and self.is_busy(link):
            dial.chance = dial.chance and chance
            if expect is None and dial.noise is None:
                dial.expect = None
            return
        if dial is not None:
            self._close(dial)
        scalar = self._desk.keygen(32)
        head = layout.first_head(self._desk.label(), share(self._desk.keys.generator, scalar))
        dial = Dial(link, expect, scalar, head, now=now)
        dial.chance = chance
        self._by_link[link] = self._by_label[dial.label] = dial
        first = layout.first(head, NO_COOKIE, self._desk.keys.mac_key)
        if answering:
            dial.frame, dial.yielded = first, True
            self._desk.timers.set((Timer.DIAL, dial.label), now + YIELDED)
        else:
            self._say(dial, first, now=now)

    def is_busy(self, link: Link) -> bool:
        """Whether a handshake is on its way over `link`."""
        dial = self._by_link.get(link)
        return dial is not None and not dial.quiet

    def hush(self, link: Link) -> None:
        """Stop repeating m1."""
        dial = self._by_link.get(link)
        if dial is not None and dial.noise is None:
            dial.quiet = True

    def restart(self, *, now: float) -> None:
        """Begin every dial afresh: a copy of this host may be using its scalars."""
        dials = list(self._by_link.values())
        self._finished.clear()
        for dial in dials:
            self._close(dial)
            if not dial.quiet:
                self.ask(dial.link, dial.expect, chance=dial.chance, now=now)

    def due(self, label: Label, *, now: float) -> None:
        """Repeat, or give up."""
        dial = self._by_label.get(label)
        if dial is None:
            return
        if dial.sent > REPEATS:
            self._close(dial)
            self._fail(dial, "no_answer")
            return
        dial.sent += 1
        if not dial.quiet:
            self._desk.send(dial.link, dial.frame)
        self._desk.timers.set((Timer.DIAL, label), now + wait_after(dial.sent))

    # --- crossing ---

    def is_own(self, first: First) -> bool:
        """Whether an m1 is one of ours coming back: we dialled ourselves."""
        dial = self._by_label.get(layout.label_of(first.head))
        if dial is None or dial.share != first.share:
            return False
        self._give_up_on(dial, "self")
        return True

    def goes_on(self, first: First, link: Link, *, now: float) -> bool:
        """Whether our dial over `link` goes on, so that the m1 that crosses it is dropped; else ours stands back."""
        dial = self._by_link.get(link)
        if dial is None or dial.quiet or not dial.sent:
            return False
        if dial.share < first.share:
            if dial.noise is None:
                self._hasten(dial)
                return True
            return dial.sent < LEFT_ALONE
        if dial.noise is None and not dial.yielded:
            dial.yielded = True
            self._desk.timers.set((Timer.DIAL, dial.label), now + YIELDED)
        return False

    def overtaken(self, link: Link, peer: NodeId) -> None:
        """`peer` dialled us over `link` and proved itself: our m1 there needs no answer any more."""
        dial = self._by_link.get(link)
        if dial is None or dial.noise is not None:
            return
        self._close(dial)
        if dial.expect not in (None, peer):
            self._fail(dial, "wrong_id")

    # --- heard from B ---

    def hear_second(self, second: Second, link: Link, *, now: float) -> None:
        """m2: B has a share for us; whether it knows the secret shows in noise1."""
        desk, dial = self._desk, self._by_label.get(second.label)
        if dial is None:
            desk.drop("handshake_label")
            return
        if dial.noise is not None or second.share in dial.refused:
            return
        source = guess_source(dial.link)
        guesses = self._chances if dial.chance else self._guesses
        if (dial.chance and dial.refused) or not guesses.take(source, now=now):
            desk.drop("guess_budget")
            return
        noise = self._try(dial, second)
        if noise is None:
            self._refuse(dial, second.share)
            return
        guesses.give_back(source, now=now)
        self._prove(dial, noise, second, link, now=now)

    def _try(self, dial: Dial, second: Second) -> Handshake | None:
        """The Noise run in which noise1 opens, or None."""
        isk = agree(
            CPaceRole.INITIATOR,
            scalar=dial.scalar,
            own=(dial.share, dial.head[:8]),
            other=(second.share, second.head[:12]),
        )
        if isk is None:
            return None
        noise = self._desk.handshake(initiator=False, psk=psk_of(isk), prologue=dial.head + second.head)
        try:
            noise.read(second.noise)
        except NoiseError:
            return None
        return noise

    def _refuse(self, dial: Dial, their_share: bytes) -> None:
        self._desk.drop("guess")
        dial.refused.append(their_share)
        if not dial.quiet:
            dial.quiet = True
            self._desk.news.append(SecretRefused(dial.link))

    def _prove(self, dial: Dial, noise: Handshake, second: Second, link: Link, *, now: float) -> None:
        """m3: who we are."""
        desk = self._desk
        dial.noise = noise
        dial.peer_label = second.peer_label
        dial.quiet = False
        dial.epoch = desk.epoch_for(dial.expect) if dial.expect else desk.epoch_for_stranger()
        desk.promised[dial.label] = (dial.expect, dial.epoch)
        noise2 = noise.write(desk.payload(dial.epoch, link).pack())
        self._say(dial, layout.late(M3, second.peer_label, noise2), now=now)

    def hear_fourth(self, late: Late) -> Completed | None:
        """m4: completed."""
        desk, dial = self._desk, self._by_label.get(late.label)
        if dial is None or dial.noise is None:
            self._again(late)
            return None
        try:
            plain = dial.noise.read(late.noise)
        except NoiseError:
            desk.drop("noise")
            return None
        self._close(dial)
        return self._complete(dial, dial.noise, plain, late=late)

    def _again(self, late: Late) -> None:
        """A repeat of an m4 that opened: its sender waits for a frame of ours."""
        peer, known = self._finished.get(late.label, (None, b""))
        if peer in self._desk.peers and known == late.noise:
            self._desk.prove(peer)
        else:
            self._desk.drop("handshake_label")

    def _complete(self, dial: Dial, noise: Handshake, plain: bytes, *, late: Late) -> Completed | None:
        """B proved that it knows the secret: but is it the one we meant?"""
        try:
            intro = introduced(self._desk, noise, plain, expect=dial.expect)
        except Unfit as unfit:
            self._desk.drop(unfit.reason)
            self._fail(dial, unfit.reason if unfit.reason in ("self", "wrong_id") else "no_answer")
            return None
        self._finished[dial.label] = (intro.peer, late.noise)
        if len(self._finished) > MAX_FINISHED:
            del self._finished[next(iter(self._finished))]
        return Completed(
            terms=intro.terms(dial.link, dial.label, dial.peer_label),
            epochs=Epochs(dial.epoch, intro.payload.epoch),
            noise=noise,
            began_at=dial.began_at,
            record=intro.payload.record,
            seen=intro.payload.seen,
            confirmation=None,
        )

    def hear_cookie(self, cookie: Cookie) -> None:
        """B is busy: m1 again, with the cookie."""
        dial = self._by_label.get(cookie.label)
        if dial is None:
            self._desk.drop("handshake_label")
            return
        if dial.noise is not None or dial.quiet or cookie.cookie == dial.cookie:
            return
        dial.cookie = cookie.cookie
        dial.frame = layout.first(dial.head, dial.cookie, self._desk.keys.mac_key)
        self._hasten(dial)

    def hear_foreign(self, foreign: Foreign) -> None:
        """B speaks another major."""
        self._desk.drop("version")
        dial = self._by_label.get(foreign.label)
        if dial is not None and dial.noise is None:
            self._give_up_on(dial, "version")

    def _say(self, dial: Dial, frame: bytes, *, now: float) -> None:
        dial.frame, dial.sent = frame, 1
        self._desk.send(dial.link, frame)
        self._desk.timers.set((Timer.DIAL, dial.label), now + wait_after(1))

    def _hasten(self, dial: Dial) -> None:
        """Send m1 now, not at the next repeat: the other is there."""
        if dial.hastened < HASTENED:
            dial.hastened += 1
            self._desk.send(dial.link, dial.frame)

    def _give_up_on(self, dial: Dial, reason: str) -> None:
        self._fail(dial, reason)
        dial.quiet = True

    def _fail(self, dial: Dial, reason: str) -> None:
        if not dial.quiet:
            self._desk.news.append(DialFailed(dial.link, reason))

    def _close(self, dial: Dial) -> None:
        del self._by_label[dial.label]
        del self._by_link[dial.link]
        self._desk.promised.pop(dial.label, None)
        self._desk.timers.clear((Timer.DIAL, dial.label))
