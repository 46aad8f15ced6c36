"""B, resumed: a ticket is shown, found, and spent (protocol section 4).

r1 --ticket held, its MAC right--> noise1 opens: r2 --> completed --a frame opens under the new keys--> (book) proven
 |         |          |
 |         |          +-- wrong: the ticket is spent: whoever guesses at its secret has one try
 |         +-- unknown, or used: "I do not know it", 40 bytes, so that A dials by m1 at once
 +-- the same bytes again: the identical r2

r1 alone proves that its sender holds ticket and identity, not that it is sent now: until a frame opens under the new
keys nothing but keys that wait comes of it, and r2 is sent to nobody who does not ask again.
"""

from __future__ import annotations

from hashlib import blake2s

from msgspec import Struct

from overlay.sealing import resume_mac_key
from overlay.session import layout
from overlay.session.commands import SendHandshake
from overlay.session.completed import Completed, Introduction, Unfit, introduced
from overlay.session.desk import Desk
from overlay.session.layout import R2_HEAD, Resume, payload_room
from overlay.session.noise import Handshake, NoiseError
from overlay.session.resumption import Resumer, noise_of
from overlay.session.run import Epochs
from overlay.session.tickets import Ticket
from overlay.session.timing import ANSWER_LIFE
from overlay.values import Label, Link, NodeId

MOST_ANSWERED = 512
"""Answers remembered, so that duplicates get theirs."""


class Answered(Struct, frozen=True):
    """An r1 that opened."""

    question: bytes
    """Hash of r1."""
    answer: bytes
    """r2."""
    until: float


class Redeemer:
    """All tickets that others use."""

    def __init__(self, desk: Desk, resumer: Resumer) -> None:
        self._desk = desk
        self._resumer = resumer
        self._answered: dict[bytes, Answered] = {}
        """By the ticket's id, oldest first."""

    def hear_resume(self, resume: Resume, link: Link, *, now: float) -> Completed | None:
        """r1."""
        desk, known = self._desk, self._answered.get(resume.id)
        if known is not None and now < known.until and known.question == _hash(resume):
            desk.send(link, known.answer)
        elif (ticket := desk.tickets.find(resume.id)) is None:
            desk.drop("resume_unknown")
            desk.send(link, layout.cookie_frame(resume.label, layout.NO_COOKIE, desk.keys.mac_key))
        elif _is_made_by(desk.identity.id, ticket, resume):
            desk.drop("self")
        elif not _is_made_by(ticket.peer, ticket, resume):
            desk.drop("resume_mac")
            desk.strike_ticket(ticket)
        elif self._resumer.goes_on(resume, ticket.peer, link, now=now):
            desk.drop("crossed")
        else:
            return self._redeem(ticket, resume, link, now=now)
        return None

    def forget_all(self) -> None:
        """Forget what a copy of this host may hold too."""
        self._answered.clear()

    def _redeem(self, ticket: Ticket, resume: Resume, link: Link, *, now: float) -> Completed | None:
        desk = self._desk
        desk.spend_ticket(ticket)
        try:
            noise = noise_of(desk, ticket, resume.head, initiator=False)
            intro = introduced(desk, noise, noise.read(resume.noise), expect=ticket.peer)
        except NoiseError:
            desk.drop("noise")
            return None
        except Unfit as unfit:
            desk.drop(unfit.reason)
            return None
        return self._complete(ticket, intro, noise, resume=resume, link=link, now=now)

    def _complete(
        self, ticket: Ticket, intro: Introduction, noise: Handshake, *, resume: Resume, link: Link, now: float
    ) -> Completed | None:
        desk, label = self._desk, self._desk.label()
        epochs = Epochs(desk.epoch_for(intro.peer), intro.payload.epoch)
        payload = self._payload(epochs.open, link, room=payload_room(resume.size, R2_HEAD))
        if payload is None:
            desk.drop("payload")
            return None
        answer = self._frame(ticket, noise, payload, labels=(resume.label, label))
        self._remember(resume, answer, now=now)
        desk.send(link, answer)
        return Completed(
            terms=intro.terms(link, label, resume.label),
            epochs=epochs,
            noise=noise,
            began_at=now,
            record=intro.payload.record,
            seen=intro.payload.seen,
            confirmation=SendHandshake(link, answer),
            repeats=False,
        )

    def _payload(self, epoch: int, link: Link, *, room: int) -> bytes | None:
        """What we say of ourselves in `room` bytes: without our record if it is too long, as gossip brings it too."""
        said = (self._desk.payload(epoch, link, record=record).pack() for record in (True, False))
        return next((each for each in said if len(each) <= room), None)

    def _frame(self, ticket: Ticket, noise: Handshake, payload: bytes, *, labels: tuple[Label, Label]) -> bytes:
        head = layout.resumed_head(*labels)
        sealed = noise.write(payload)
        mac = layout.ticket_mac(resume_mac_key(ticket.secret), self._desk.identity.id, head + sealed)
        return layout.resume_frame(head, sealed, mac, self._desk.keys.mac_key)

    def _remember(self, resume: Resume, answer: bytes, *, now: float) -> None:
        self._answered.pop(resume.id, None)
        self._answered[resume.id] = Answered(_hash(resume), answer, now + ANSWER_LIFE)
        if len(self._answered) > MOST_ANSWERED:
            del self._answered[next(iter(self._answered))]


def _hash(resume: Resume) -> bytes:
    return blake2s(resume.covered + resume.mac).digest()


def _is_made_by(sender: NodeId, ticket: Ticket, resume: Resume) -> bool:
    key = resume_mac_key(ticket.secret)
    return layout.same_mac(resume.mac, layout.ticket_mac(key, sender, resume.covered))
