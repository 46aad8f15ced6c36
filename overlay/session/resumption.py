"""A, resuming: the ticket of an earlier session in place of CPace (protocol section 4).

asked --r1 over each link asked for--> WAIT --r2 opens--> completed, the ticket is spent
                                        |
                                        +-- two tries in vain, or "I do not know it" --> m1 over that link

Noise KKpsk0: r1 is its first message, r2 its second, the ticket gives the PSK. One r1, the same bytes, goes over all
links to a peer, as the ticket opens one session only.

Crossing: of two r1 the one with the smaller ephemeral key goes on, back over the link the other came by; its receiver
answers and lets its own wait.
"""

from __future__ import annotations

from collections.abc import Callable

from overlay.identity import convert
from overlay.sealing import resume_mac_key, resume_psk
from overlay.session import layout
from overlay.session.completed import Completed, Unfit, introduced
from overlay.session.desk import Desk
from overlay.session.events import DialFailed
from overlay.session.layout import NO_COOKIE, R1_HEAD, R1_SIZE, Cookie, Resume, Resumed, payload_room
from overlay.session.noise import KKPSK0, Handshake, NoiseError
from overlay.session.run import Epochs
from overlay.session.tickets import Ticket
from overlay.session.timing import RESUME_LATE, RESUME_TRIES, YIELDED, Timer, wait_after
from overlay.values import Direct, Label, Link, NodeId

FallBack = Callable[..., None]
"""`fall_back(link, expect, chance=chance, now=now)`: dial as if there had been no ticket."""


class Try:
    """r1 over one link."""

    __slots__ = ("chance", "expect", "next_at", "sent")

    def __init__(self, expect: NodeId | None, *, chance: bool = False) -> None:
        self.expect = expect
        self.chance = chance
        """Only a beacon led there."""
        self.sent = 0
        self.next_at = 0.0


class Attempt:
    """One ticket being used by us."""

    __slots__ = ("began_at", "epoch", "frame", "label", "noise", "ticket", "tries")

    def __init__(self, ticket: Ticket, label: Label, noise: Handshake, epoch: int, *, now: float) -> None:
        self.ticket = ticket
        self.label = label
        self.noise = noise
        self.epoch = epoch
        self.frame = b""
        """r1."""
        self.tries: dict[Link, Try] = {}
        """Empty: it is over, and only a late answer is taken."""
        self.began_at = now

    @property
    def ephemeral(self) -> bytes:
        """What decides when two cross."""
        return self.frame[R1_HEAD : R1_HEAD + 32]


class Resumer:
    """All tickets that we use."""

    def __init__(self, desk: Desk, fall_back: FallBack) -> None:
        self._desk = desk
        self._fall_back = fall_back
        self._by_label: dict[Label, Attempt] = {}
        self._by_peer: dict[NodeId, Attempt] = {}
        """Those that still send."""

    # --- asked by this host ---

    def ask(
        self, link: Link, expect: NodeId | None, likely: NodeId | None, *, chance: bool = False, now: float
    ) -> bool:
        """Try to resume over `link`; False: there is nothing to resume with."""
        peer = expect or likely
        if peer is None:
            return False
        attempt = self._by_peer.get(peer) or self._begin(peer, now=now)
        if attempt is None:
            return False
        known = attempt.tries.setdefault(link, Try(expect, chance=chance))
        known.chance = known.chance and chance
        known.expect = known.expect and expect
        if not known.sent:
            self._say(attempt, link, known, now=now)
        return True

    def _begin(self, peer: NodeId, *, now: float) -> Attempt | None:
        desk, ticket = self._desk, self._desk.tickets.newest(peer)
        if ticket is None:
            return None
        label, epoch = desk.label(), desk.epoch_for(peer)
        head = layout.resume_head(label, ticket.id)
        payload = desk.payload(epoch, None).pack(size=payload_room(R1_SIZE, R1_HEAD))
        try:
            noise = noise_of(desk, ticket, head, initiator=True)
            covered = head + noise.write(payload)
        except NoiseError:
            desk.spend_ticket(ticket)
            return None
        attempt = Attempt(ticket, label, noise, epoch, now=now)
        mac = layout.ticket_mac(resume_mac_key(ticket.secret), desk.identity.id, covered)
        attempt.frame = layout.resume_frame(head, covered[R1_HEAD:], mac, desk.keys.mac_key)
        self._by_label[label] = self._by_peer[peer] = attempt
        desk.promised[label] = (peer, epoch)
        return attempt

    def hush(self, link: Link) -> None:
        """Stop repeating r1 over `link`."""
        for attempt in list(self._by_peer.values()):
            if attempt.tries.pop(link, None) is not None and not attempt.tries:
                del self._by_peer[attempt.ticket.peer]

    def restart(self, *, now: float) -> None:
        """Begin all afresh: a copy of this host may be using their keys."""
        before = list(self._by_label.values())
        for attempt in before:
            self._close(attempt)
        for attempt in before:
            for link, each in attempt.tries.items():
                if not self.ask(link, each.expect, attempt.ticket.peer, chance=each.chance, now=now):
                    self._fall_back(link, each.expect, chance=each.chance, now=now)

    def due(self, label: Label, *, now: float) -> None:
        """Repeat; or dial by m1, unless the peer came by itself meanwhile; or forget."""
        attempt = self._by_label.get(label)
        if attempt is None:
            return
        if not attempt.tries:
            self._close(attempt)
            return
        peer = self._desk.peers.get(attempt.ticket.peer)
        if peer is not None and peer.sending is not None and peer.sending.opened_at >= attempt.began_at:
            self._close(attempt)
            self.tell_lost(attempt, None)
            return
        for link, each in list(attempt.tries.items()):
            if each.next_at > now:
                continue
            if each.sent < RESUME_TRIES:
                self._say(attempt, link, each, now=now)
            else:
                self._go_over(attempt, link, now=now)
        self._schedule(attempt, now=now)

    def _say(self, attempt: Attempt, link: Link, each: Try, *, now: float) -> None:
        each.sent += 1
        each.next_at = now + wait_after(each.sent)
        self._desk.send(link, attempt.frame)
        self._schedule(attempt, now=now)

    def _go_over(self, attempt: Attempt, link: Link, *, now: float) -> None:
        each = attempt.tries.pop(link)
        if not attempt.tries:
            self._by_peer.pop(attempt.ticket.peer, None)
        self._fall_back(link, each.expect, chance=each.chance, now=now)

    def _schedule(self, attempt: Attempt, *, now: float) -> None:
        at = min((each.next_at for each in attempt.tries.values()), default=now + RESUME_LATE)
        self._desk.timers.set((Timer.RESUME, attempt.label), at)

    # --- crossing ---

    def goes_on(self, resume: Resume, peer: NodeId, link: Link, *, now: float) -> bool:
        """Whether our r1 to `peer` goes on, so that the one that crosses it is dropped; else ours waits."""
        own = self._by_peer.get(peer)
        if own is None:
            return False
        if own.ephemeral < resume.noise[:32] and len(own.frame) <= resume.size:
            known = own.tries.setdefault(link, Try(peer))
            if known.sent < RESUME_TRIES:
                self._say(own, link, known, now=now)
            return True
        for each in own.tries.values():
            each.sent, each.next_at = RESUME_TRIES, now + YIELDED
        self._schedule(own, now=now)
        return False

    # --- heard from B ---

    def hear_resumed(self, resumed: Resumed, link: Link) -> tuple[Completed, Attempt] | None:
        """r2: completed. Whoever was asked in vain is told by `tell_lost`, once the session is open."""
        desk, attempt = self._desk, self._by_label.get(resumed.label)
        if attempt is None:
            desk.drop("handshake_label")
            return None
        peer, key = attempt.ticket.peer, resume_mac_key(attempt.ticket.secret)
        if not layout.same_mac(resumed.mac, layout.ticket_mac(key, peer, resumed.covered)):
            desk.drop("resume_mac")
            return None
        try:
            plain = attempt.noise.read(resumed.noise)
        except NoiseError:
            desk.drop("noise")
            return None
        self._close(attempt)
        desk.spend_ticket(attempt.ticket)
        try:
            intro = introduced(desk, attempt.noise, plain, expect=peer)
        except Unfit as unfit:
            desk.drop(unfit.reason)
            self.tell_lost(attempt, None)
            return None
        won = next((each for each in attempt.tries if _is_same(each, link)), link)
        return Completed(
            terms=intro.terms(won, attempt.label, resumed.peer_label),
            epochs=Epochs(attempt.epoch, intro.payload.epoch),
            noise=attempt.noise,
            began_at=attempt.began_at,
            record=intro.payload.record,
            seen=intro.payload.seen,
            confirmation=None,
        ), attempt

    def tell_lost(self, attempt: Attempt, won: Link | None) -> None:
        """Over the other links nobody answers any more."""
        self._desk.news.extend(DialFailed(link, "no_answer") for link in attempt.tries if link != won)

    def hear_refusal(self, cookie: Cookie, link: Link, *, now: float) -> bool:
        """Who is there does not know the ticket, or says so: m1 at once. False: it is no such word."""
        attempt = self._by_label.get(cookie.label)
        if attempt is None or cookie.cookie != NO_COOKIE:
            return False
        self._desk.drop("resume_unknown")
        for each in [each for each in attempt.tries if _is_same(each, link)]:
            self._go_over(attempt, each, now=now)
        self._schedule(attempt, now=now)
        return True

    def _close(self, attempt: Attempt) -> None:
        del self._by_label[attempt.label]
        if self._by_peer.get(attempt.ticket.peer) is attempt:
            del self._by_peer[attempt.ticket.peer]
        self._desk.promised.pop(attempt.label, None)
        self._desk.timers.clear((Timer.RESUME, attempt.label))


def noise_of(desk: Desk, ticket: Ticket, head: bytes, *, initiator: bool) -> Handshake:
    """Our side of the run that a ticket opens.

    Raises:
        NoiseError: its peer is none that a key belongs to.
    """
    static = convert(ticket.peer)
    if static is None:
        raise NoiseError("no id")
    return Handshake(
        KKPSK0,
        initiator=initiator,
        prologue=head,
        ephemeral=desk.keygen(32),
        static=desk.static,
        psks=(resume_psk(ticket.secret),),
        remote_static=static,
    )


def _is_same(one: Link, other: Link) -> bool:
    """Whether a frame that came by `other` answers one that went by `one`: it may have come to an address of ours
    that has a socket id of its own."""
    if isinstance(one, Direct) and isinstance(other, Direct):
        return one.endpoint == other.endpoint
    return one == other
