"""The hall of all sessions: an edge machine, told what its parts need and asked what the rest of the node does.

receive --layout.parse--> m1 ------------> answerer --+
                          m2, m4, cookie -> dialler --+-- completed --> book --> SessionOpened, OpenKeyReady, KeysLive
                          m3 -------------> answerer -+                   ^
                          r1 -------------> redeemer -+                   |
                          r2, cookie -----> resumer --+                   |
tell ---- DialAsked --a ticket?-----------> resumer, else dialler         |
          ControlReceived ----------------> rekeyer --------------------+
seal, open -------------------------------------------------------------+
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator

from overlay.identity import Identity, NetworkKeys
from overlay.session import facts as told
from overlay.session.answerer import Answerer
from overlay.session.book import Book, Sealed
from overlay.session.commands import Command
from overlay.session.completed import Completed
from overlay.session.desk import Desk
from overlay.session.dialler import Dialler
from overlay.session.events import Event
from overlay.session.layout import M3, BadFrame, Cookie, First, Foreign, Late, Resume, Resumed, Second, parse
from overlay.session.rekey import Rekeyer
from overlay.session.resumed import Redeemer
from overlay.session.resumption import Resumer
from overlay.session.tickets import Ticket
from overlay.session.timing import Due, Timer
from overlay.values import Label, Link, NodeId
from overlay.wire.messages import Message


class Sessions:
    """Handshakes, control keys and rekeys with every peer; knows no endpoint and never asks where anything goes."""

    def __init__(
        self,
        *,
        identity: Identity,
        keys: NetworkKeys,
        record: bytes,
        ciphers: tuple[str, ...],
        offloads: int,
        keygen: Callable[[int], bytes],
        entropy: random.Random,
        now: float,
        tells_keys: bool = False,
        tickets: Iterable[Ticket] = (),
    ) -> None:
        """Start without any session.

        `record` is our signed record, `ciphers` those this CPU seals well with, `offloads` the bits of record types
        that our device takes, `keygen(n)` gives n bytes of key material; with
        `tells_keys` every key is told in `KeysMade`, for a person who debugs; `tickets` of an earlier run, oldest
        first, resume what it had.
        """
        self._desk = Desk(
            identity=identity,
            keys=keys,
            record=record,
            ciphers=ciphers,
            offloads=offloads,
            keygen=keygen,
            entropy=entropy,
            tells_keys=tells_keys,
            tickets=tickets,
        )
        self._book = Book(self._desk)
        self._dialler = Dialler(self._desk, now=now)
        self._answerer = Answerer(self._desk, now=now)
        self._rekeyer = Rekeyer(self._desk, self._book)
        self._resumer = Resumer(self._desk, self._dialler.ask)
        self._redeemer = Redeemer(self._desk, self._resumer)

    # --- the six verbs ---

    def receive(self, frame: bytes, link: Link, *, now: float) -> None:
        """A frame of type 4 or 5 came over `link`, a datagram or the payload of a Carried."""
        try:
            parsed = parse(frame, self._desk.keys.mac_key)
        except BadFrame as bad:
            self._desk.drop(bad.reason)
            return
        match parsed:
            case First():
                self._hear_first(parsed, link, now=now)
            case Second():
                self._dialler.hear_second(parsed, link, now=now)
            case Late():
                self._hear_late(parsed, link, now=now)
            case Cookie():
                if not self._resumer.hear_refusal(parsed, link, now=now):
                    self._dialler.hear_cookie(parsed)
            case Resume():
                self._open(self._redeemer.hear_resume(parsed, link, now=now), now=now)
            case Resumed():
                self._hear_resumed(parsed, link, now=now)
            case Foreign(asks=True):
                self._answerer.hear_foreign(parsed, link)
            case Foreign():
                self._dialler.hear_foreign(parsed)

    def tell(self, fact: told.Fact, *, now: float) -> None:
        """Hand over what is known now."""
        match fact:
            case told.DialAsked():
                self._dial(fact, now=now)
            case told.DialDropped():
                self._resumer.hush(fact.link)
                self._dialler.hush(fact.link)
            case told.ControlReceived(answer=False):
                self._rekeyer.hear_rekey(fact.peer, fact.noise, now=now)
            case told.ControlReceived():
                self._rekeyer.hear_rekeyed(fact.peer, fact.noise, now=now)
            case told.CounterSpent():
                self._rekeyer.spent(fact.peer, now=now)
            case told.RecordChanged():
                self._desk.record = fact.record
            case told.PeerLeft():
                self._book.forget(fact.peer)
            case told.WallClockJumped():
                self._discard_all(now=now)

    def next_timeout(self) -> float | None:
        """The moment `handle_timeout` wants to be called at, or None."""
        return self._desk.timers.next()

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due at `now`."""
        for name in self._desk.timers.expired(now):
            self._handle(name, now=now)

    def commands(self) -> Iterator[Command]:
        """Drain what is to be done, oldest first."""
        while self._desk.out:
            yield self._desk.out.popleft()

    def events(self) -> Iterator[Event]:
        """Drain what happened, oldest first."""
        while self._desk.news:
            yield self._desk.news.popleft()

    # --- frames ---

    def seal(self, peer: NodeId, message: Message, *, pad: int = 0, now: float) -> Sealed | None:
        """Seal a control message, zero-padded so that the sealed body has at least `pad` bytes.

        None, counted, while no key may seal (no session, or B before the first frame of A) or if it would exceed
        16 KiB. A counter is spent with each call: send the result, again if need be, but never seal for a repeat.
        """
        return self._book.seal(peer, message, pad=pad, now=now)

    def seal_under(self, peer: NodeId, label: Label, message: Message, *, now: float) -> Sealed | None:
        """Seal under the keys of the handshake in which we gave out `label`; None if none of them may seal."""
        return self._book.seal_under(peer, label, message, now=now)

    def open(self, peer: NodeId, epoch: int, counter: int, body: bytes, *, now: float) -> Message | None:
        """Open the control frame of `peer`; None, counted, if it does not open, came before, or holds no message.

        The first frame that opens under new keys proves them: events may follow.
        """
        return self._book.open(peer, epoch, counter, body, now=now)

    # --- asked by the hall ---

    def is_open(self, peer: NodeId) -> bool:
        """Whether any key of `peer` is left; sealing may still have to wait (`KeysLive`)."""
        return peer in self._desk.peers

    def handshake_at(self, peer: NodeId) -> float | None:
        """When the newest handshake or rekey with `peer` was done."""
        known = self._desk.peers.get(peer)
        return max(run.opened_at for run in known.runs) if known else None

    def labels(self, peer: NodeId) -> list[tuple[Label, Label]]:
        """Ours and the peer's of each handshake whose keys live, the one in use first."""
        known = self._desk.peers.get(peer)
        return list({each.terms.label: each.terms.peer_label for each in known.runs}.items()) if known else []

    def label(self, peer: NodeId) -> Label | None:
        """What `peer` writes on frames over a direct link, if it uses the keys that `seal` uses now."""
        known = self._desk.peers.get(peer)
        return (known.sending or known.runs[0]).terms.label if known else None

    def peer_label(self, peer: NodeId) -> Label | None:
        """What to write on frames to `peer` that go over a direct link, while `seal` uses the keys it uses now."""
        known = self._desk.peers.get(peer)
        return (known.sending or known.runs[0]).terms.peer_label if known else None

    def offloads(self, peer: NodeId) -> int:
        """Bits of record types that `peer` takes; 0 for a stranger."""
        known = self._desk.peers.get(peer)
        return (known.sending or known.runs[0]).terms.offloads if known else 0

    @property
    def half_open(self) -> int:
        """Handshakes that we answered and that are not proven."""
        return self._answerer.half_open

    @property
    def drops(self) -> dict[str, int]:
        """Reason -> count; the words are those of `drops.Reason`."""
        return self._desk.drops

    # --- inside ---

    def _hear_first(self, first: First, link: Link, *, now: float) -> None:
        if self._dialler.is_own(first):
            self._desk.drop("self")
        elif self._dialler.goes_on(first, link, now=now):
            self._desk.drop("crossed")
        else:
            self._answerer.hear_first(first, link, now=now)

    def _hear_late(self, late: Late, link: Link, *, now: float) -> None:
        done: Completed | None
        if late.kind == M3:
            done = self._answerer.hear_third(late, link, now=now)
            if done is not None:
                self._dialler.overtaken(link, done.terms.peer)
        else:
            done = self._dialler.hear_fourth(late)
        self._open(done, now=now)

    def _hear_resumed(self, resumed: Resumed, link: Link, *, now: float) -> None:
        done = self._resumer.hear_resumed(resumed, link)
        if done is not None:
            completed, attempt = done
            self._open(completed, now=now)
            self._resumer.tell_lost(attempt, completed.terms.link)

    def _open(self, done: Completed | None, *, now: float) -> None:
        if done is not None:
            self._book.open_session(done, now=now)

    def _dial(self, fact: told.DialAsked, *, now: float) -> None:
        """By the ticket of an earlier session, if there is one and no m1 is under way there."""
        link, expect, chance = fact.link, fact.expect, fact.chance
        if self._dialler.is_busy(link) or not self._resumer.ask(link, expect, fact.likely, chance=chance, now=now):
            answering = self._answerer.is_answering(link, now=now)
            self._dialler.ask(link, expect, answering=answering, chance=chance, now=now)

    def _discard_all(self, *, now: float) -> None:
        self._book.forget_all()
        self._answerer.forget_all(now=now)
        self._redeemer.forget_all()
        self._resumer.restart(now=now)
        self._dialler.restart(now=now)

    def _handle(self, name: Due, *, now: float) -> None:
        match name:
            case (Timer.DIAL, label):
                self._dialler.due(label, now=now)
            case (Timer.RESUME, label):
                self._resumer.due(label, now=now)
            case (Timer.ANSWER, label):
                self._answerer.due(label)
            case (Timer.CONFIRM, peer, epoch):
                self._book.confirm(peer, epoch, now=now)
            case (Timer.REKEY, peer, epoch):
                self._rekeyer.due(peer, epoch, now=now)
            case (Timer.REKEY_REPEAT, peer, epoch):
                self._rekeyer.repeat(peer, epoch, now=now)
            case (_, peer, epoch):
                self._book.retire(peer, epoch)
