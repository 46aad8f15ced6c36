"""One peer, one try: offers exchanged, strategies in turn, until a probe comes through or nothing is left.

    preparing --own profile known--> offering --Offer heard--> running --probe or answer--> claimed
        |                               | 10 s                  | ^ strategy after strategy     | PeerDirect
        | it was they who asked:        v                       v | HoleRefused                 v
        \\-----> running              no_answer          exhausted, off, ...                  direct

Offers cross where both begin at once: the number of the `first` side stands, the other takes it over. Whoever hears a
valid probe or a valid answer has a hole; from then on the host proves it and nothing more is sent but answers.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from msgspec import Struct, structs

from punch import probe as wire
from punch.bench import Bench, Lent, Unused, Waits
from punch.commands import SendSignal
from punch.config import Mode
from punch.events import AttemptStarted, Event, HoleOpened, State
from punch.holes import Hole
from punch.journal import describe
from punch.peers import HEED_EVERY, Peer
from punch.signals import Next, Offer, Signal, Stop
from punch.strategies.build import Setting, build
from punch.strategies.choose import Choice
from punch.strategies.desk import Strategy
from punch.strategies.targets import find
from punch.terms import choices, infeasible, kind, mode_of, reflexive, settle
from punch.timers import Timers
from punch.values import Endpoint, SocketId

LOOK = 2.0
"""Seconds an attempt waits for the measurement of our own NAT."""
OFFER_FIRST, OFFER_LAST = 0.25, 2.0
"""Seconds between repeats of an unanswered Offer: doubled from the first to the last."""
OFFER_LIFE = 10.0
"""Seconds until a peer that answers no Offer is given up."""
ALONE = 1.5
"""Seconds after which an Offer that is still repeated is no late echo: longer than any way there and back."""
LIFE = 90.0
"""Seconds an attempt lives at most."""
CLAIM_LIFE = 6.0
"""Seconds the host has to prove a hole or refuse it."""
CONFIRMS = (0.25, 0.7, 1.5)
"""Seconds after a hole that one more probe goes through it, unless it is proven: our answer may have got lost."""
NEXT_COPIES = (0.15, 0.4)
"""Seconds after which Next is said again, since signals may get lost."""

Phase = Literal["preparing", "offering", "running", "claimed", "ended"]

STATES: dict[str, State] = {
    "direct": "succeeded",
    "off": "off",
    "peer_off": "off",
    "idle": "idle",
    "busy": "idle",
    "peer_busy": "idle",
    "infeasible": "infeasible",
    "network_changed": "idle",
    "peer_changed": "idle",
}
"""What a reason means for the peer's state; all others are failures."""
FINAL = ("infeasible", "unvouched", "sockets")
"""Reasons of a strategy that end the attempt, whatever else could be tried."""
LAST = {"silent": "no_answer", "refused": "budget", "unproven": "unproven"}
"""What the reason of the last strategy is called when nothing is left."""
WORDS = (
    *STATES,
    *("exhausted", "no_answer", "unproven", "budget", "refused", "sockets", "unvouched", "blocked", "no_server"),
    *("unmeasured", "peer_gone"),
)
"""All reasons there are; any other word of theirs counts as `exhausted`."""
UNSAID = ("idle", "infeasible", "peer_off", "unmeasured")
"""Reasons both sides find by themselves from the same offers."""
HEARD = {"off": "peer_off", "network_changed": "peer_changed", "direct": "exhausted", "busy": "peer_busy"}
"""What a reason of theirs is for us."""
TEXTS = {
    "off": "switched off here for this kind of pair",
    "peer_off": "switched off on their side",
    "idle": "nothing has wanted this path yet; it goes direct when used",
    "unmeasured": "how one of the NATs hands out ports is not measured yet",
    "peer_busy": "their engine is busy with others; it asks us when our turn comes, or we ask again",
    "peer_changed": "their network changed",
    "exhausted": "they have nothing left to try",
}


class End(Struct, frozen=True):
    """How it ended."""

    state: State
    reason: str
    text: str
    heard: bool = False
    """By the peer's word."""


class Attempt:
    """One side of one try."""

    def __init__(self, peer: Peer, lent: Lent, *, number: int, label: int, now: float) -> None:
        self.peer = peer
        self.number = number
        self.label = label
        """Probes and answers to us carry it; it names this attempt on this host."""
        self.phase: Phase = "preparing"
        self.end: End | None = None
        self.events: deque[Event] = deque()
        self.bench: Bench | None = None
        self.began_here = False
        """We asked first."""
        self.is_quiet = False
        """Begun while nothing wanted it."""
        self._is_fresh = not peer.failures and now - peer.heeded_at >= HEED_EVERY
        """The peer does not only ask again and again."""
        self._lent = lent
        self._modes: tuple[Mode, Mode] = ("auto", "auto")
        self._ours: Offer | None = None
        self._theirs: Offer | None = None
        self._timers: Waits = Timers()
        self._repeat = OFFER_FIRST
        self._ran_at = now
        self._choices: deque[Choice] = deque()
        self._setting = Setting((), None, peer.first)
        self._strategy: Strategy | None = None
        self._hole: HoleOpened | None = None
        self._last = self._last_text = ""
        """Why the last strategy ended."""
        self._timers.set(("life", ""), now + LIFE)
        self._timers.set(("look", ""), now + LOOK)
        self._look_until = now + LOOK

    @property
    def is_light(self) -> bool:
        """Under way, with what needs no large search."""
        return self.phase == "running" and self.strategy != "birthday" and (self.began_here or self._is_fresh)

    @property
    def strategy(self) -> str:
        """Name of the strategy in force, or of the last."""
        return "" if self.bench is None else self.bench.strategy

    # --- offers

    def belongs(self, offer: Offer) -> bool:
        """Whether an Offer is of this attempt: by its number, or because both asked at once, or by its label."""
        if offer.attempt == self.number:
            return True
        if self._theirs is not None:
            return offer.label == self._theirs.label
        return self.phase in ("preparing", "offering") and not (offer.reply and self.peer.first)

    def waited_enough(self, now: float) -> bool:
        """Our own NAT is not measured in time: it goes on without."""
        return now >= self._look_until

    def ready(self, offer: Offer, *, now: float) -> None:
        """Our own profile is known: `offer` is what we say; label and number are put in here."""
        if self.phase != "preparing":
            return
        self._ours = structs.replace(offer, label=self.label)
        self.phase = "offering"
        if self._theirs is not None:
            self._reply()
            self._run(now)
            return
        self._timers.set(("silent", ""), now + OFFER_LIFE)
        self._offer_again(now)

    def met(self, offer: Offer, *, now: float) -> None:
        """An Offer of theirs that belongs to this attempt."""
        if self._theirs is not None:
            if not offer.reply and self._ours is not None:
                self._again(now)
            return
        if offer.attempt != self.number and not self.peer.first:
            self.number = offer.attempt
        self._theirs = offer
        if self.phase == "offering":
            if not offer.reply:
                self._reply()
            self._run(now)

    def _again(self, now: float) -> None:
        """They ask still: our reply got lost, and what we did meanwhile we did alone."""
        self._reply()
        if self.phase == "running" and now - self._ran_at >= ALONE:
            self._drop_strategy(now)
            self._lent.holes.release(self.label)
            self._run(now)

    def _offer_again(self, now: float) -> None:
        self._say_offer(reply=False)
        self._timers.set(("offer", ""), now + self._repeat)
        self._repeat = min(OFFER_LAST, self._repeat * 2)

    def _reply(self) -> None:
        self.peer.replied = self._say_offer(reply=True)

    def _say_offer(self, *, reply: bool) -> Offer:
        assert self._ours is not None
        said = structs.replace(self._ours, attempt=self.number, reply=reply)
        self._say(said)
        return said

    def _say(self, signal: Signal) -> None:
        self._lent.outlet.commands.append(SendSignal(self.peer.id, signal))

    # --- running

    def _run(self, now: float) -> None:
        """Both offers are known: what follows from them?"""
        assert self._ours is not None
        assert self._theirs is not None
        ours = self._ours
        theirs = structs.replace(self._theirs, attempt=self.number)
        for name in ("offer", "silent"):
            self._timers.clear((name, ""))
        self.phase = "running"
        self._ran_at = now
        self.peer.remote = theirs
        self.bench = Bench(self.peer, self._lent, self._timers, label=self.label, ours=ours, theirs=theirs, now=now)
        self.bench.note(f"we: {describe(ours.profile)}; they: {describe(theirs.profile)}", now=now)
        terms = settle(ours, theirs)
        self.peer.kind = terms.kind
        outlet = self._lent.outlet
        targets = find(
            theirs.profile,
            self.bench.candidates,
            addresses=outlet.addresses,
            one_site=self.bench.is_at_one_site(now=now),
            ipv6=outlet.main6 is not None,
        )
        self._setting = Setting(targets, reflexive(theirs), self.peer.first)
        self._choices = deque(choices(ours, theirs, first=self.peer.first))
        hopeless = infeasible(ours, theirs)
        if mode_of(terms.kind, self._modes) == "off":
            self.finish("off", TEXTS["off"], now=now)
        elif hopeless:
            self.finish("infeasible", hopeless, now=now)
        elif terms.reason:
            self.finish(terms.reason, TEXTS[terms.reason], now=now)
        elif not outlet.is_open:
            self.finish("sockets", "there is no socket to send from", now=now)
        else:
            self._next(now)

    def _next(self, now: float) -> None:
        """The next strategy that this build has takes its turn."""
        assert self.bench is not None
        self._drop_strategy(now)
        while self._choices:
            choice = self._choices.popleft()
            if choice.exclusive and not self._lent.take_search(self.label, self.peer.id):
                self.peer.searches = True
                self.finish("busy", "it takes a large search, which waits for its turn", now=now)
                return
            strategy = build(choice, self.bench, self._setting)
            if strategy is None:
                continue
            self._strategy = strategy
            if not self.strategy:
                self.peer.attempts += 1
            self.bench.take_turn(strategy.name)
            self.events.append(AttemptStarted(self.peer.id, self.peer.attempts, strategy.name))
            strategy.begin(now=now)
            return
        self.finish(self._last_reason(), self._last_text or "nothing is left to try", now=now)

    def settle(self, *, now: float) -> None:
        """Go on where a strategy is through."""
        while self.bench is not None and self.bench.through is not None and self.phase == "running":
            self._last, self._last_text = self.bench.through
            if self._last in FINAL:
                self.finish(self._last, self._last_text, now=now)
                return
            self._next(now)
            if self.phase == "running":
                self._say(Next(self.number, self.strategy))
                for place, gap in enumerate(NEXT_COPIES):
                    self._timers.set(("next", str(place)), now + gap)

    def _last_reason(self) -> str:
        """Why nothing is left to try, in one word."""
        assert self.bench is not None
        if self.bench.local.blocked or self.bench.remote.blocked:
            return "blocked"
        if self.bench.local.type == "unknown":
            return "no_server"
        return "refused" if self.bench.is_barred else LAST.get(self._last, "exhausted")

    def _drop_strategy(self, now: float) -> None:
        self._lent.leave_search(self.label)
        if self._strategy is not None:
            strategy, self._strategy = self._strategy, None
            strategy.finish(now=now)

    def is_hit(self, to: Endpoint, *, now: float) -> bool:
        """The kernel refuses what goes there: it gets no more; whether all that this attempt does is in vain."""
        return self.bench is not None and self.bench.bar(to, now=now)

    # --- what comes in

    def obey(self, modes: tuple[Mode, Mode], *, now: float) -> None:
        """The settings for this peer, now and from now on."""
        self._modes = modes
        if self._theirs is not None and self._ours is not None and self.bench is not None:
            which = kind(self._ours.profile, self._theirs.profile)
            if mode_of(which, modes) == "off":
                self.finish("off", TEXTS["off"], now=now)

    def heard(self, signal: Signal, *, now: float) -> None:
        """Their side says something about this attempt."""
        if self.phase == "ended":
            return
        if isinstance(signal, Stop):
            self._stopped(signal.reason, now)
        elif isinstance(signal, Next):
            self._follow(signal.strategy, now)
        elif self._strategy is not None and self.phase == "running":
            self._strategy.heard(signal, now=now)

    def _follow(self, name: str, now: float) -> None:
        if self.phase == "running" and any(each.name == name for each in self._choices):
            while self._choices[0].name != name:
                self._choices.popleft()
            self._next(now)

    def _stopped(self, reason: str, now: float) -> None:
        if reason == "direct" and self.phase in ("running", "claimed"):
            self._wait_for_proof(now)
            return
        ours = HEARD.get(reason, reason) if reason in WORDS else "exhausted"
        self.finish(ours, TEXTS.get(ours, "they ended it"), now=now, heard=True)

    def probed(self, probe: wire.Probe, source: Endpoint, *, via: SocketId, now: float) -> Unused:
        """A valid probe of theirs came: it is answered, and where it came from is a hole."""
        if self.bench is None or self.phase not in ("running", "claimed"):
            return "probe_late"
        if self._hole is not None and via != self._hole.via:
            return "probe_socket"
        if why := self.bench.answer(probe, source, via=via, now=now):
            return why
        self._claim(via, source, now)
        return ""

    def answered(self, probe: wire.Probe, source: Endpoint, *, via: SocketId, now: float) -> Unused:
        """A valid answer came: where it came from is a hole, if that is where the probe went or might have gone."""
        if self.bench is None or self.phase not in ("running", "claimed"):
            return "probe_late"
        sent_to = self.bench.is_own(probe, via)
        if sent_to is None:
            return "answer_unasked"
        self._lent.outlet.answered(via, sent_to, proven=sent_to == source)
        if sent_to != source and not self.bench.may_go(source, now=now):
            return "probe_source"
        self._claim(via, source, now)
        return ""

    def _claim(self, via: SocketId, endpoint: Endpoint, now: float) -> None:
        assert self.bench is not None
        if self._hole is not None:
            return
        lifetimes = [each for each in (self.bench.local.lifetime, self.bench.remote.lifetime) if each is not None]
        self._hole = HoleOpened(self.peer.id, via, endpoint, min(lifetimes, default=None))
        self.bench.note(f"{self.strategy}: came through at {endpoint}, {self.bench.probes} packets", now=now)
        self._lent.holes.give_away(via)
        self.events.append(self._hole)
        self._hold(now)
        for place, gap in enumerate(CONFIRMS):
            self._timers.set(("confirm", str(place)), now + gap)

    def _hold(self, now: float) -> None:
        """Nothing is sent but answers until the host has proven the way, or not."""
        assert self.bench is not None
        self._drop_strategy(now)
        self._wait_for_proof(now)

    def _wait_for_proof(self, now: float) -> None:
        """They have proven it already: which of our sockets it is the host will hear, so none is closed before."""
        assert self.bench is not None
        self._strategy = None
        self._lent.leave_search(self.label)
        self.bench.closed = True
        self.phase = "claimed"
        self._timers.set(("claim", ""), now + CLAIM_LIFE)

    def refused(self, via: SocketId, endpoint: Endpoint, *, now: float) -> None:
        """The hole did not hold: on with the next strategy."""
        hole = self._hole
        if self.bench is None or hole is None or (hole.via, hole.endpoint) != (via, endpoint):
            return
        self._hole = None
        self.phase = "running"
        self._timers.clear(("claim", ""))
        self._last, self._last_text = "unproven", "a probe came through, but nothing after it"
        self.bench.note(self._last_text, now=now)
        self._lent.holes.release(self.label)
        self.bench.closed = False
        self._next(now)

    def opened(self, request: int, sockets: tuple[Hole, ...], *, now: float) -> None:
        """Sockets that a strategy asked for are there."""
        if self._strategy is not None and self.phase == "running":
            self._strategy.opened(request, sockets, now=now)
            return
        for each in sockets:
            self._lent.holes.close(each.socket)

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """A STUN service saw a socket of this attempt."""
        if self._strategy is not None and self.phase == "running":
            self._strategy.sampled(via, seen, sent, now=now)

    # --- time, and the end

    def finish(self, reason: str, text: str, *, now: float, tell: bool = True, heard: bool = False) -> None:
        """End it: the sockets go, the peer is told; `heard`: it is the peer that ended it."""
        if self.phase == "ended":
            return
        self._drop_strategy(now)
        if tell and not heard and reason not in UNSAID and self.phase != "preparing":
            self._say(Stop(self.number, reason))
        self.phase = "ended"
        if self.bench is not None:
            self.bench.closed = True
        self._lent.holes.release(self.label)
        self.end = End(STATES.get(reason, "failed"), reason, text, heard)

    def next_timeout(self) -> float | None:
        """When something is due."""
        return None if self.phase == "ended" else self._timers.next()

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        for what, name in self._timers.expired(now):
            if self.phase != "ended":
                self._due(what, name, now)

    def _due(self, kind: str, name: str, now: float) -> None:
        if kind == "wait" and self.bench is not None:
            self.bench.waited(name)
            if self._strategy is not None and self.phase == "running" and self.bench.through is None:
                self._strategy.due(name, now=now)
        elif kind == "offer":
            self._offer_again(now)
        elif kind == "next" and self.phase == "running":
            self._say(Next(self.number, self.strategy))
        elif kind == "confirm" and self._hole is not None and self.bench is not None:
            self.bench.confirm(self._hole.via, self._hole.endpoint, now=now)
        elif kind in _OVERDUE:
            reason, text = _OVERDUE[kind]
            if kind == "claim" and self._hole is None:
                text = "they say that a direct way is there; here none was proven"
            self.finish(reason, text, now=now)


_OVERDUE = {
    "silent": ("no_answer", "the peer's engine does not answer"),
    "claim": ("unproven", "a probe came through, but the way was not proven in time"),
    "life": ("exhausted", "it took too long"),
}
"""How an attempt ends when it waited too long for something."""
