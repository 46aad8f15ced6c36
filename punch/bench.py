"""The desk of an attempt: what its strategies send, ask, open and say goes over it.

    strategy --probe, sample, open, say, wait, note, end--> bench --> outlet (budget, manners), holes, sampler, journal
    attempt  --answer, is_own, due----------------------------^

It knows which probes were sent, so that an answer can be told from a forgery or a replay.
"""

from __future__ import annotations

import random
from math import inf
from typing import Literal

from punch import probe as wire
from punch.addresses import is_private
from punch.budget import NOTHING, Leave
from punch.commands import SendSignal
from punch.holes import Holes
from punch.manners import FREE_PORTS, Try
from punch.outlet import Outlet, Verdict
from punch.peers import Peer
from punch.sampler import Sampler
from punch.signals import Offer, Signal
from punch.terms import checked, named, search_host
from punch.timers import Timers
from punch.values import Candidate, Endpoint, NatProfile, PeerId, SocketId

MOST_OUTSTANDING = 4096
"""Probes whose answers are waited for, and randoms that were answered; the oldest go."""
UNVOUCHED_LIFE = 3.0
"""Seconds a search is refused for want of a word of another member before it is given up."""

LEAVES = {
    "birthday": (Leave(0.1, 1 / 16), Leave(0.25, 1 / 4)),
    "block": (NOTHING, Leave(0.1, 1 / 16)),
    "sandwich": (NOTHING, Leave(0.1, 1 / 16)),
    "anchor_walk": (NOTHING, Leave(0.1, 1 / 16)),
}
"""What a search leaves of the budget to others: where it is alone, and where easier ones are at it too."""
ALONE = (NOTHING, NOTHING)
"""What all else leaves."""

Waits = Timers[tuple[str, str]]
Unused = Literal["", "probe_again", "probe_source", "probe_late", "probe_socket", "answer_unasked"]
"""Why a probe or an answer is of no use; "": it is."""


class Lent:
    """What the engine lends every attempt."""

    def __init__(self, outlet: Outlet, holes: Holes, sampler: Sampler, entropy: random.Random) -> None:
        self.outlet = outlet
        self.holes = holes
        self.sampler = sampler
        self.entropy = entropy
        self.light: tuple[int, ...] = ()
        """Attempts that need no search of that size, as far as is known, and 0 for those in line: they come first."""
        self.heavy: tuple[PeerId, ...] = ()
        """Peers in line for a search."""
        self._searching = 0
        self._searched: PeerId | None = None
        """Whom the last one was for."""

    @property
    def is_searching(self) -> bool:
        """A birthday search is on: one a node at a time, whichever its role."""
        return self._searching != 0

    def take_search(self, label: int, peer: PeerId) -> bool:
        """An attempt wants to search; False: another does, or easier ones, or others after a search for this peer."""
        if self._searching not in (0, label) or any(each != label for each in self.light):
            return False
        if self._searched == peer and any(each != peer for each in self.heavy):
            return False
        self._searching, self._searched = label, peer
        return True

    def leave_search(self, label: int) -> None:
        """Its search is over, if it had one."""
        if self._searching == label:
            self._searching = 0


class Bench:
    """The desk (punch.strategies.desk.Desk) of one attempt, once both offers are known."""

    def __init__(
        self, peer: Peer, lent: Lent, timers: Waits, *, label: int, ours: Offer, theirs: Offer, now: float
    ) -> None:
        self.attempt = theirs.attempt
        self.entropy = lent.entropy
        outlet = lent.outlet
        self.main: SocketId = SocketId(-1) if outlet.main is None else outlet.main
        self.main6 = outlet.main6
        self.local: NatProfile = ours.profile
        self.remote: NatProfile = theirs.profile
        vouched = outlet.manners.vouched(peer.id, now=now)
        self.candidates: tuple[Candidate, ...] = tuple(
            each for each in checked(theirs.candidates) if not outlet.manners.is_ours(each.endpoint.host)
        )
        self.local_candidates = ours.candidates
        self.remote_host = search_host(theirs, vouched)
        self.probes = 0
        """Packets of this attempt that drew from the budget, ours."""
        self.planned = 0
        self.strategy = ""
        self.through: tuple[str, str] | None = None
        """The strategy ended: reason and text, until the attempt takes note."""
        self.closed = False
        """Nothing is sent any more but answers."""
        self._peer = peer
        self._lent = lent
        self._timers = timers
        self._label = label
        self._their_label = theirs.label
        self._try = Try(peer.id, named(theirs), vouched)
        self._waits: dict[str, None] = {}
        self._outstanding: dict[bytes, tuple[SocketId, Endpoint]] = {}
        self._answered: dict[bytes, None] = {}
        self._barred: dict[Endpoint, None] = {}
        self._slot = 0
        self._refused_since = inf

    # --- what the attempt wants

    def take_turn(self, name: str) -> None:
        """Another strategy sits down."""
        for each in self._waits:
            self._timers.clear(("wait", each))
        self._waits.clear()
        self.through = None
        self.strategy = name
        self.planned = 0

    def is_own(self, answer: wire.Probe, via: SocketId) -> Endpoint | None:
        """Where the probe went that this is the first answer to; None: to none."""
        sent = self._outstanding.get(answer.random)
        if sent is None or sent[0] != via:
            return None
        return self._outstanding.pop(answer.random)[1]

    def answer(self, probe: wire.Probe, source: Endpoint, *, via: SocketId, now: float) -> Unused:
        """Answer a valid probe, each random once, where something of ours may go; sources are easily forged."""
        if probe.random in self._answered:
            return "probe_again"
        if not self.may_go(source, now=now):
            return "probe_source"
        self._answered[probe.random] = None
        if len(self._answered) > MOST_OUTSTANDING:
            del self._answered[next(iter(self._answered))]
        answer = wire.answer_to(probe, epoch=self._peer.keys.epoch, label=self._their_label)
        if self._send(answer, via, source, 0, now):
            self._lent.outlet.answered(via, source, proven=False)
        return ""

    def may_go(self, to: Endpoint, *, now: float) -> bool:
        """Whether a packet of ours may go there at all, budget or not."""
        return self._refusal(to, now) is None

    def bar(self, to: Endpoint, *, now: float) -> bool:
        """What was sent there was refused: it gets no more. Whether that is where another member hears the peer."""
        if to not in self._try.endpoints:
            return False
        self._barred[to] = None
        return self._lent.outlet.manners.is_vouched(self._try, to.host, now=now)

    @property
    def is_barred(self) -> bool:
        """The kernel refused packets of this attempt."""
        return bool(self._barred)

    def is_at_one_site(self, *, now: float) -> bool:
        """Whether the peer is behind the same public address as we, by another member's word."""
        return self._lent.outlet.shares_site(self._try, now=now)

    def waited(self, name: str) -> None:
        """A wait is over."""
        self._waits.pop(name, None)

    # --- what a strategy wants

    def probe(self, via: SocketId, to: Endpoint, *, now: float, ttl: int = 0) -> bool:
        """Send one probe; False: neither budget nor leave for it now."""
        return not self.closed and self.through is None and self.confirm(via, to, now=now, ttl=ttl)

    def confirm(self, via: SocketId, to: Endpoint, *, now: float, ttl: int = 0) -> bool:
        """Send one probe, also when all is over but the proof: our answer may have got lost."""
        token = self.entropy.getrandbits(8 * wire.RANDOM_BYTES).to_bytes(wire.RANDOM_BYTES, "little")
        self._slot = (self._slot + 1) & 0xFFFF
        probe = wire.Probe(wire.PROBE, self._peer.keys.epoch, self._slot, self._their_label, self.attempt, token)
        if not self._send(probe, via, to, ttl, now):
            return False
        self._outstanding[token] = (via, to)
        if len(self._outstanding) > MOST_OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]
        return True

    def sample(self, via: SocketId, *, now: float) -> bool:
        """Ask a STUN service what `via` looks like; False: no budget now, or nobody to ask."""
        if self.closed or self.through is not None or not self._lent.sampler.ask(self._label, via, now=now):
            return False
        self.probes += 1
        return True

    def room(self, *, now: float) -> float:
        """Packets that may be sent now."""
        return self._lent.outlet.budget.room(now=now, leave=self._leave)

    def room_at(self, packets: float, *, now: float) -> float:
        """When there will be room for so many packets."""
        return self._lent.outlet.budget.room_at(packets, now=now, leave=self._leave)

    @property
    def _leave(self) -> Leave:
        others = self._lent.light not in ((), (self._label,))
        return LEAVES.get(self.strategy, ALONE)[others]

    def open(self, count: int, *, even: bool = False, port: int = 0) -> int:
        """Ask for fresh sockets."""
        return self._lent.holes.ask(self._label, count, even=even, port=port)

    def close(self, via: SocketId) -> None:
        """A socket is not needed any more."""
        self._lent.holes.close(via)

    def say(self, signal: Signal) -> None:
        """Tell the peer's side of this attempt."""
        self._lent.outlet.commands.append(SendSignal(self._peer.id, signal))

    def wait(self, name: str, at: float) -> None:
        """Call `due(name)` at that time; `inf` clears it."""
        if at == inf or self.closed or self.through is not None:
            self._waits.pop(name, None)
            self._timers.clear(("wait", name))
        else:
            self._waits[name] = None
            self._timers.set(("wait", name), at)

    def note(self, text: str, *, now: float) -> None:
        """A line for the journal."""
        self._peer.journal.note(text, now=now)

    def plan(self, ports: int) -> None:
        """So many ports the present search may try at most."""
        self.planned = ports

    def end(self, reason: str, text: str, *, now: float) -> None:
        """This strategy is through."""
        if self.through is None:
            self.note(f"{self.strategy}: {text}", now=now)
            self.through = (reason, text)

    def _send(self, probe: wire.Probe, via: SocketId, to: Endpoint, ttl: int, now: float) -> bool:
        outlet = self._lent.outlet
        refusal = None if outlet.manners.is_clear(to, self._try) else self._refusal(to, now)
        if self._barred and to in self._barred:
            return False
        if refusal is not None:
            self._note_refusal(refusal, to, now)
            return False
        payload, answer = wire.encode(probe, self._peer.keys.seal), self.closed or probe.type == wire.ANSWER
        if not outlet.send(via, to, payload, of=self._try, now=now, ttl=ttl, answer=answer):
            return False
        self.probes += 1
        return True

    def _refusal(self, to: Endpoint, now: float) -> Verdict:
        outlet = self._lent.outlet
        near = is_private(to.host) and outlet.is_near(to.host, self._try, now=now)
        return outlet.refusal(to, of=self._try, near=near, now=now)

    def _note_refusal(self, why: str, to: Endpoint, now: float) -> None:
        """A search that has nobody's word for where it aims ends; a few packets too many do not end anything."""
        if why != "unvouched" or to.host != self.remote_host or self.planned <= FREE_PORTS:
            return
        self._refused_since = min(self._refused_since, now)
        if now - self._refused_since >= UNVOUCHED_LIFE:
            self.end("unvouched", f"no other member hears the peer from {to.host}, so it is not searched", now=now)
