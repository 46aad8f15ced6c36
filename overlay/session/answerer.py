"""B: is dialled, answers, and repeats nothing to anybody who has not proven itself (protocol section 3).

m1 --m2--> HALF OPEN --m3 opens: m4--> completed --a frame opens under the new keys--> (book) proven
               |
               +-- 20 s --> forgotten: its guess token stays taken
"""

from __future__ import annotations

from cpace import CPaceRole

from overlay.session import layout
from overlay.session.commands import SendHandshake
from overlay.session.completed import Completed, Unfit, introduced
from overlay.session.cookies import Cookies
from overlay.session.desk import Desk
from overlay.session.guesses import Guesses
from overlay.session.layout import M4, First, Foreign, Late
from overlay.session.noise import Handshake, NoiseError
from overlay.session.pake import agree, psk_of, share
from overlay.session.run import Epochs
from overlay.session.timing import ANSWER_LIFE, YIELDED, Timer
from overlay.values import Label, Link, guess_source

BUSY = 16
"""Half-open handshakes above which a cookie is asked for (protocol section 3)."""
MAX_HALF_OPEN = 64
MAX_DONE = 512
"""Completed ones remembered, so that duplicates get their answer."""
MAX_FAILED = 16
"""Messages that may pretend to be one m3: each costs a curve operation."""


class Answer:
    """One handshake that somebody else began."""

    __slots__ = (
        "began_at",
        "failed",
        "fourth",
        "head",
        "label",
        "link",
        "noise",
        "peer_label",
        "second",
        "source",
        "third",
    )

    def __init__(self, first: First, link: Link, label: Label, *, now: float) -> None:
        self.head = first.head
        self.link = link
        self.source = guess_source(link)
        self.label = label
        self.peer_label = layout.label_of(first.head)
        self.began_at = now
        self.noise: Handshake | None = None
        """None once completed."""
        self.second = b""
        """m2."""
        self.third = b""
        """noise2, once it opened."""
        self.fourth = b""
        """m4."""
        self.failed = 0


class Answerer:
    """All handshakes that others began."""

    def __init__(self, desk: Desk, *, now: float) -> None:
        self._desk = desk
        self._guesses = Guesses(now=now)
        self._cookies = Cookies(desk.keygen, now=now)
        self._by_head: dict[bytes, Answer] = {}
        self._by_label: dict[Label, Answer] = {}
        self.half_open = 0
        """Answered by m2 and not proven."""

    def is_answering(self, link: Link, *, now: float) -> bool:
        """Whether somebody began a handshake over `link` a moment ago, and may still end it."""
        return any(
            answer.noise is not None and answer.link == link and now - answer.began_at < YIELDED
            for answer in self._by_label.values()
        )

    def hear_first(self, first: First, link: Link, *, now: float) -> None:
        """m1: somebody who knows the network's name wants to talk."""
        known = self._by_head.get(first.head)
        if known is not None:
            self._desk.send(link, known.second)
        elif self._admit(first, link, now=now):
            self._answer(first, link, now=now)

    def _admit(self, first: First, link: Link, *, now: float) -> bool:
        """Whether it gets an answer that costs us something; takes the guess token."""
        desk, source = self._desk, guess_source(link)
        busy = self.half_open >= BUSY or self._guesses.strained(source, now=now)
        if busy and not self._cookies.check(first.cookie, link, first.share, now=now):
            desk.drop("cookie")
            cookie = self._cookies.make(link, first.share, now=now)
            desk.send(link, layout.cookie_frame(layout.label_of(first.head), cookie, desk.keys.mac_key))
            return False
        if self.half_open >= MAX_HALF_OPEN:
            desk.drop("half_open")
            return False
        if not self._guesses.take(source, now=now):
            desk.drop("guess_budget")
            return False
        return True

    def _answer(self, first: First, link: Link, *, now: float) -> None:
        """m2: our share, and with noise1 the first thing made of the secret."""
        desk = self._desk
        answer = Answer(first, link, desk.label(), now=now)
        scalar = desk.keygen(32)
        own_share = share(desk.keys.generator, scalar)
        head = layout.second_head(answer.peer_label, answer.label, own_share)
        isk = agree(CPaceRole.RESPONDER, scalar=scalar, own=(own_share, head[:12]), other=(first.share, first.head[:8]))
        if isk is None:
            desk.drop("share")
            self._guesses.give_back(answer.source, now=now)
            return
        answer.noise = desk.handshake(initiator=True, psk=psk_of(isk), prologue=first.head + head)
        answer.second = layout.second(head, answer.noise.write(), desk.keys.mac_key)
        self._by_head[answer.head] = self._by_label[answer.label] = answer
        self.half_open += 1
        desk.timers.set((Timer.ANSWER, answer.label), now + ANSWER_LIFE)
        desk.send(link, answer.second)

    def hear_third(self, late: Late, link: Link, *, now: float) -> Completed | None:
        """m3: A knows the secret if it opens, and says who it is."""
        desk, answer = self._desk, self._by_label.get(late.label)
        if answer is None:
            desk.drop("handshake_label")
            return None
        if answer.noise is None:
            self._again(answer, late, link)
            return None
        plain = self._try(answer, answer.noise, late)
        if plain is None:
            desk.drop("noise")
            return None
        self.half_open -= 1
        self._guesses.give_back(answer.source, now=now)
        return self._complete(answer, answer.noise, plain, late=late, link=link)

    def _try(self, answer: Answer, noise: Handshake, late: Late) -> bytes | None:
        if answer.failed >= MAX_FAILED:
            return None
        try:
            return noise.read(late.noise)
        except NoiseError:
            answer.failed += 1
            return None

    def _again(self, answer: Answer, late: Late, link: Link) -> None:
        """A duplicate gets the identical m4, unless that is longer: anybody may have recorded an m3."""
        if late.noise == answer.third and len(answer.fourth) <= layout.HEADER_SIZE + len(late.noise):
            self._desk.send(link, answer.fourth)
        else:
            self._desk.drop("noise")

    def _complete(self, answer: Answer, noise: Handshake, plain: bytes, *, late: Late, link: Link) -> Completed | None:
        desk = self._desk
        try:
            intro = introduced(desk, noise, plain, expect=None)
        except Unfit as unfit:
            desk.drop(unfit.reason)
            self._forget(answer)
            return None
        epochs = Epochs(desk.epoch_for(intro.peer), intro.payload.epoch)
        answer.third = late.noise
        answer.fourth = layout.late(M4, answer.peer_label, noise.write(desk.payload(epochs.open, link).pack()))
        answer.noise = None
        self._bound()
        confirmation = SendHandshake(link, answer.fourth)
        desk.out.append(confirmation)
        return Completed(
            terms=intro.terms(link, answer.label, answer.peer_label),
            epochs=epochs,
            noise=noise,
            began_at=answer.began_at,
            record=intro.payload.record,
            seen=intro.payload.seen,
            confirmation=confirmation,
        )

    def hear_foreign(self, foreign: Foreign, link: Link) -> None:
        """Asked in another major: say ours."""
        self._desk.drop("version")
        self._desk.send(link, layout.cookie_frame(foreign.label, layout.NO_COOKIE, self._desk.keys.mac_key))

    def due(self, label: Label) -> None:
        """Its time is over. If it was never proven, that was a guess."""
        answer = self._by_label.get(label)
        if answer is None:
            return
        if answer.noise is not None:
            self.half_open -= 1
            self._desk.drop("guess")
        self._forget(answer)

    def forget_all(self, *, now: float) -> None:
        """Forget what a copy of this host may hold too."""
        for answer in list(self._by_label.values()):
            self._forget(answer)
        self.half_open = 0
        self._cookies.renew(now=now)

    def _bound(self) -> None:
        """Keep `MAX_DONE` completed ones, the newest."""
        if len(self._by_label) > MAX_DONE + MAX_HALF_OPEN:
            self._forget(next(each for each in self._by_label.values() if each.noise is None))

    def _forget(self, answer: Answer) -> None:
        del self._by_head[answer.head]
        del self._by_label[answer.label]
        self._desk.timers.clear((Timer.ANSWER, answer.label))
