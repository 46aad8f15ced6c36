"""The machine: opens circuits to peers over a neighbour, answers as their target, and carries for others.

A circuit comes to stand by one request a link, each repeated until answered; a relay that does not reach the target
itself hands the request on, to its next choice where the first refuses, and never to one that signed it before. It dies
of a CircuitGone, with a neighbour it touches, with the policy, or after a minute idle; every death is told along the
legs that are left.
"""

from __future__ import annotations

import enum
import random
from collections import deque
from collections.abc import Callable, Iterator

from overlay.relay.choices import Choices, Onward
from overlay.relay.circuits import Book, Circuit, Leg
from overlay.relay.commands import Command, SendRelay, StopForward
from overlay.relay.courier import Courier
from overlay.relay.early import Early
from overlay.relay.events import CircuitDenied, CircuitLost, CircuitReady, Event, HandshakeCarried
from overlay.relay.facts import (
    CarryAsked,
    CircuitAnew,
    CircuitFailed,
    CircuitMessage,
    CircuitsUsed,
    CircuitTalk,
    CircuitUnwanted,
    CircuitWanted,
    Fact,
    NeighbourDown,
    NeighbourUp,
    PolicyChanged,
    RoutesChanged,
)
from overlay.relay.limits import (
    IDLE,
    MAX_CIRCUITS,
    MAX_LINKS,
    MOST_ENDS,
    MOST_OF_SOURCE,
    REASONS,
    REFUSALS_KEPT,
    REPEAT,
    REPLACED,
    TRIES,
    TRIES_SPARED,
)
from overlay.relay.requests import links_left, objection, relays_ahead, relays_behind
from overlay.relay.shares import giver, gives_way
from overlay.relay.words import forward_of, ready_of
from overlay.values import Label, NodeId
from overlay.wire.messages import Carried, CircuitGone, CircuitOpened, CircuitRefused, OpenCircuit
from punch.timers import Timers


class Timer(enum.Enum):
    """All timers of this machine; each is named with what it belongs to."""

    REPEAT = enum.auto()
    """(circuit key): ask the neighbour ahead again."""
    IDLE = enum.auto()
    """(circuit key): close it if nothing passed."""
    REPLACED = enum.auto()
    """(circuit key): close it, another took its place."""


class Relay:
    """The circuits of this node. `avoid` says which labels other rooms hold: a session's direct ones, say; `onward`
    knows the ways to those that are no neighbours of ours."""

    def __init__(
        self,
        *,
        own: NodeId,
        enabled: bool,
        entropy: random.Random,
        avoid: Callable[[Label], bool] = lambda label: False,
        onward: Onward = lambda target, avoid, links, now, may_search: (),
        now: float,
    ) -> None:
        self.drops: dict[str, int] = {}
        self._own = own
        self._enabled = enabled
        self._entropy = entropy
        self._avoid = avoid
        self._choices = Choices(onward, self._drop)
        self._up: dict[NodeId, None] = {}
        self._book = Book()
        self._courier = Courier()
        self._early = Early(self._drop)
        self._refusals: dict[NodeId, dict[int, str]] = {}
        self._timers: Timers[tuple[Timer, Label]] = Timers()
        self._out: deque[Command] = deque()
        self._told: deque[Event] = deque()

    # --- the verbs

    def tell(self, fact: Fact, *, now: float) -> None:
        """Hand over what is known now."""
        match fact:
            case CircuitsUsed(carried):
                self._used(carried, now)
            case CircuitMessage(peer, message):
                self._message(peer, message, now)
            case CarryAsked():
                self._carry(fact, now)
            case CircuitWanted(peer, relay):
                self._want(peer, relay, now)
            case CircuitAnew(peer, relay):
                self._anew(peer, relay, now)
            case CircuitUnwanted(peer, relay):
                self._unwant(peer, relay)
            case CircuitFailed(peer, relay):
                self._unwant(peer, relay)
                self._choices.failed.put((peer, relay), now=now)
            case RoutesChanged(peer):
                self._choices.refused.forgive_peer(peer)
            case NeighbourUp(peer):
                self._neighbour_up(peer, now)
            case NeighbourDown(peer):
                self._neighbour_down(peer, now)
            case PolicyChanged(enabled):
                self._policy(enabled)

    def next_timeout(self) -> float | None:
        """The moment `handle_timeout` wants to be called at, or None."""
        return self._timers.next()

    def handle_timeout(self, *, now: float) -> None:
        """Repeat what is unanswered, close what is idle."""
        for timer, of in self._timers.expired(now):
            if (circuit := self._book.with_label(of)) is None:
                continue
            if timer is Timer.REPEAT:
                self._ask(circuit, now)
            elif timer is Timer.IDLE and now < circuit.used + IDLE:
                self._timers.set((Timer.IDLE, of), circuit.used + IDLE)
            else:
                self._end(circuit)

    def commands(self) -> Iterator[Command]:
        """Drain what is to be done, oldest first."""
        while self._out:
            yield self._out.popleft()

    def events(self) -> Iterator[Event]:
        """Drain what happened, oldest first."""
        while self._told:
            yield self._told.popleft()

    # --- questions

    def carrying(self) -> int:
        """How many circuits of others stand here."""
        return self._book.carrying

    def circuit(self, peer: NodeId, relay: NodeId) -> CircuitReady | None:
        """The circuit to `peer` over `relay` that we send on, or None."""
        circuit = self._book.standing(peer, relay)
        return None if circuit is None else ready_of(circuit, spare=False)

    def uses(self, label: Label) -> bool:
        """Whether `label` is one of ours here, so that other rooms avoid it."""
        return self._book.with_label(label) is not None

    def denied(self, peer: NodeId, *, now: float) -> list[NodeId]:
        """The neighbours that would not carry to `peer` within the last minute, longest ago first."""
        return self._choices.refused.of(peer, now=now)

    def failed(self, peer: NodeId, *, now: float) -> list[NodeId]:
        """Those whose circuits to `peer` stood and carried nothing: the last to be tried within a minute."""
        return self._choices.failed.of(peer, now=now)

    # --- what this host wants

    def _want(self, peer: NodeId, relay: NodeId, now: float) -> None:
        if peer not in (self._own, relay) and relay != self._own and not self._book.ends(peer, relay):
            self._open(peer, relay, now)

    def _anew(self, peer: NodeId, relay: NodeId, now: float) -> None:
        ends = self._book.ends(peer, relay)
        if not any(each.back is None and not each.stands for each in ends) and len(ends) <= MOST_ENDS:
            (self._open if ends else self._want)(peer, relay, now)

    def _open(self, peer: NodeId, relay: NodeId, now: float) -> None:
        ahead = Leg(relay, self._fresh_request(), self._fresh_label(), None)
        self._ask(self._enter(Circuit(self._own, peer, None, ahead, MAX_LINKS - 1, now)), now)

    def _unwant(self, peer: NodeId, relay: NodeId) -> None:
        for circuit in reversed(self._book.ends(peer, relay)):
            self._end(circuit, silent=not circuit.stands)

    def _policy(self, enabled: bool) -> None:
        self._enabled = enabled
        if not enabled:
            for circuit in self._book.carried():
                self._end(circuit, refusal="off")

    def _used(self, carried: tuple[tuple[Label, int], ...], now: float) -> None:
        for label, _ in carried:
            if (circuit := self._book.with_label(label)) is not None:
                circuit.used = now

    # --- who is there

    def _neighbour_up(self, peer: NodeId, now: float) -> None:
        if peer in self._up:
            return
        self._up[peer] = None
        self._choices.up(peer)
        for circuit in self._book.touching(peer):
            circuit.tries = 0
            self._ask(circuit, now)
        for message in self._early.take(peer, now=now):
            self._asked(peer, message, now)

    def _neighbour_down(self, peer: NodeId, now: float) -> None:
        self._up.pop(peer, None)
        self._refusals.pop(peer, None)
        for circuit in reversed(self._book.touching(peer)):
            asked = circuit.ahead is not None and circuit.ahead.neighbour == peer
            if not (asked and circuit.carried and not circuit.stands and self._turn(circuit, gone=peer, now=now)):
                self._end(circuit, gone=peer)

    # --- handshakes

    def _carry(self, asked: CarryAsked, now: float) -> None:
        if asked.to == self._own and asked.sender != self._own:
            self._told.append(HandshakeCarried(asked.peer, asked.sender, asked.payload))
            return
        if reason := self._courier.objection(asked, own=self._own, enabled=self._enabled, now=now):
            self._drop(reason)
            return
        after = self._choices.after(asked, self._up, now=now)
        if after is None:
            self._drop("carried_no_peer")
        else:
            hops = min(asked.hops, MAX_LINKS - 1) - 1
            self._send(after, Carried(asked.to, asked.sender, asked.payload, hops))

    # --- circuits: what neighbours say

    def _message(self, peer: NodeId, message: CircuitTalk, now: float) -> None:
        if peer not in self._up:
            self._too_early(peer, message, now)
            return
        match message:
            case OpenCircuit():
                self._asked(peer, message, now)
            case CircuitOpened():
                self._opened(peer, message, now)
            case CircuitRefused(req, reason):
                self._refused(peer, req, reason, now)
            case CircuitGone(label):
                self._gone(peer, label)

    def _too_early(self, peer: NodeId, message: CircuitTalk, now: float) -> None:
        """The neighbour proved its way to us a moment before we proved ours to it: its request can wait."""
        if isinstance(message, OpenCircuit):
            self._early.put(peer, message, now=now)
        else:
            self._drop("circuit_stranger")

    def _asked(self, peer: NodeId, message: OpenCircuit, now: float) -> None:
        if (known := self._book.opened_by(peer, message.req)) is not None:
            self._asked_again(known, message)
            return
        reason = self._refusals.get(peer, {}).get(message.req) or self._objection(peer, message)
        if reason is not None:
            self._refuse(peer, message.req, reason)
            return
        source, target = NodeId(message.source), NodeId(message.target)
        crossed = relays_behind(peer, message)
        if target == self._own:
            back = Leg(peer, message.req, self._fresh_label(), Label(message.label))
            self._stand(self._enter(Circuit(source, target, back, None, 0, now, crossed)), now)
            return
        following = self._choices.following(peer, message, self._up, now=now)
        if not following:
            self._refuse(peer, message.req, self._because("circuit_refused", "no_peer"))
            return
        back = Leg(peer, message.req, self._fresh_label(), Label(message.label))
        ahead = Leg(following[0], self._fresh_request(), self._fresh_label(back), None)
        hops = links_left(message) - 1
        circuit = Circuit(source, target, back, ahead, hops, now, crossed, others=following[1:])
        self._ask(self._enter(circuit), now)

    def _asked_again(self, circuit: Circuit, message: OpenCircuit) -> None:
        """A request that was repeated hears the same answer, or the one that is still to come."""
        assert circuit.back is not None
        if (message.source, message.target, message.label) != (circuit.source, circuit.target, circuit.back.out_label):
            self._drop("circuit_bad")
        elif circuit.stands:
            self._answer(circuit, circuit.back)

    def _objection(self, peer: NodeId, message: OpenCircuit) -> str | None:
        """Why we will not be part of this circuit, in the wire's words; None: we will."""
        if wrong := objection(self._own, peer, message):
            return self._because(*wrong)
        if self._book.writing(peer, message.label) is not None:
            return self._because("circuit_bad", "full")
        if message.target != self._own and not self._enabled:
            return self._because("circuit_refused", "off")
        if message.target != self._own and links_left(message) <= 0:
            return self._because("circuit_refused", "hops")
        return None if self._has_room(peer, message) else self._because("circuit_refused", "full")

    def _has_room(self, peer: NodeId, message: OpenCircuit) -> bool:
        """Whether there is room for one more circuit of a neighbour, if need be in another one's place."""
        source = NodeId(message.source)
        if message.target == self._own:
            opened = sum(each.back is not None for each in self._book.ends(source, peer))
            if opened >= MOST_OF_SOURCE:
                return False
        if self._book.count_by(peer) < MAX_CIRCUITS:
            return True
        other = gives_way(self._book.given_by(peer), giver(source, relays_behind(peer, message)))
        if other is not None:
            self._end(other, refusal="full")
        return other is not None

    def _opened(self, peer: NodeId, message: CircuitOpened, now: float) -> None:
        circuit, label = self._book.asked(peer, message.req), Label(message.label)
        if circuit is None or circuit.ahead is None:
            self._drop("circuit_unknown")
        elif circuit.stands:
            if circuit.ahead.out_label != label:
                self._drop("circuit_bad")
        elif self._book.writing(peer, label) is not None:
            self._drop("circuit_bad")
        elif (through := relays_ahead(self._own, circuit, message.through)) is None:
            self._drop("circuit_loop")
            self._fail(circuit, "no_peer", gone=None, now=now)
        else:
            circuit.through = through
            self._book.complete(circuit, label)
            self._stand(circuit, now)

    def _refused(self, peer: NodeId, request: int, reason: str, now: float) -> None:
        circuit = self._book.asked(peer, request)
        if circuit is None or circuit.stands:
            self._drop("circuit_unknown")
        else:
            self._fail(circuit, reason if reason in REASONS else "no_peer", gone=peer, now=now)

    def _gone(self, peer: NodeId, label: int) -> None:
        circuit = self._book.writing(peer, label)
        if circuit is None:
            self._drop("circuit_unknown")
        else:
            self._end(circuit, gone=peer)

    # --- circuits: birth and death

    def _enter(self, circuit: Circuit) -> Circuit:
        self._book.add(circuit)
        self._timers.set((Timer.IDLE, circuit.key), circuit.used + IDLE)
        return circuit

    def _ask(self, circuit: Circuit, now: float) -> None:
        """Ask the neighbour ahead, again if it did not answer; give up after the last try."""
        ahead = circuit.ahead
        if ahead is None or circuit.stands:
            return
        if circuit.tries == (TRIES_SPARED if circuit.others else TRIES):
            self._fail(circuit, "no_answer", gone=None, now=now)
            return
        if ahead.neighbour in self._up:
            crossed = (*circuit.crossed, self._own) if circuit.carried else ()
            asked = OpenCircuit(ahead.request, circuit.source, circuit.target, ahead.label, circuit.hops, crossed)
            self._send(ahead.neighbour, asked)
        self._timers.set((Timer.REPEAT, circuit.key), now + REPEAT * 2**circuit.tries)
        circuit.tries += 1

    def _stand(self, circuit: Circuit, now: float) -> None:
        """Every label is known: forward or use it, and answer the one that asked."""
        circuit.used = circuit.since = now
        self._timers.clear((Timer.REPEAT, circuit.key))
        back, ahead = circuit.back, circuit.ahead
        if back is not None and ahead is not None:
            self._out.append(forward_of(back, ahead))
            self._out.append(forward_of(ahead, back))
        else:
            self._choices.refused.forgive(circuit.pair)
            self._replace(circuit, now)
            self._told.append(ready_of(circuit, spare=self._book.standing(*circuit.pair) is not circuit))
        if back is not None:
            self._answer(circuit, back)

    def _replace(self, circuit: Circuit, now: float) -> None:
        """Of two circuits that were not opened at once, the newer one is sent on; its opener closes the other."""
        replaced = self._book.replaced(circuit)
        if replaced:
            self._book.prefer(circuit)
        if circuit.back is None:
            for each in replaced:
                self._timers.set((Timer.REPLACED, each.key), now + REPLACED)

    def _answer(self, circuit: Circuit, back: Leg) -> None:
        """Name our label, and every relay from us on."""
        through = (self._own, *circuit.through) if circuit.carried else ()
        self._send(back.neighbour, CircuitOpened(back.request, back.label, through))

    def _fail(self, circuit: Circuit, reason: str, *, gone: NodeId | None, now: float) -> None:
        """The leg ahead will not come: ask another, or say so to whoever wanted it."""
        if circuit.carried and circuit.ahead is not None:
            if reason != "hops":
                self._choices.refused.put((circuit.target, circuit.ahead.neighbour), now=now)
            if self._turn(circuit, gone=gone, now=now):
                return
        self._end(circuit, gone=gone, refusal=reason if reason in REASONS else "no_peer", silent=True)
        if circuit.carried or self._book.standing(*circuit.pair) is not None:
            return
        peer, relay = circuit.pair
        self._choices.refused.put(circuit.pair, now=now)
        self._told.append(CircuitDenied(peer, relay, reason))

    def _turn(self, circuit: Circuit, *, gone: NodeId | None, now: float) -> bool:
        """Hand a request of others to the next choice; False when there is none."""
        following = [each for each in circuit.others if each in self._up]
        if not following or circuit.ahead is None:
            return False
        if circuit.ahead.neighbour != gone:
            self._send(circuit.ahead.neighbour, CircuitGone(circuit.ahead.label))
        circuit.others, circuit.tries = tuple(following[1:]), 0
        self._book.turn(circuit, Leg(following[0], self._fresh_request(), self._fresh_label(circuit.back), None))
        self._ask(circuit, now)
        return True

    def _end(
        self, circuit: Circuit, *, gone: NodeId | None = None, refusal: str = "no_peer", silent: bool = False
    ) -> None:
        """Forget a circuit and tell every leg but the one to `gone`; `silent`: our own rooms never heard of it."""
        first = circuit.carried or self._book.standing(*circuit.pair) is circuit
        self._book.remove(circuit)
        self._timers.clear((Timer.REPEAT, circuit.key))
        self._timers.clear((Timer.IDLE, circuit.key))
        self._timers.clear((Timer.REPLACED, circuit.key))
        for leg in circuit.legs:
            if leg.neighbour == gone or leg.neighbour not in self._up:
                continue
            if leg is circuit.back and not circuit.stands:
                self._refuse(leg.neighbour, leg.request, refusal)
            else:
                self._send(leg.neighbour, CircuitGone(leg.label))
        if circuit.carried:
            self._out.extend(StopForward(leg.label) for leg in circuit.legs if circuit.stands)
        elif not silent:
            self._lost(circuit, first)

    def _lost(self, circuit: Circuit, first: bool) -> None:
        """An end of ours is gone; where both sides opened one, the other takes its place."""
        peer, relay = circuit.pair
        heir = self._book.standing(peer, relay)
        if heir is not None and first:
            self._told.append(ready_of(heir, spare=False))
        self._told.append(CircuitLost(peer, relay, circuit.key, spare=heir is not None))

    def _refuse(self, neighbour: NodeId, request: int, reason: str) -> None:
        kept = self._refusals.setdefault(neighbour, {})
        kept[request] = reason
        if len(kept) > REFUSALS_KEPT:
            del kept[next(iter(kept))]
        self._send(neighbour, CircuitRefused(request, reason))

    def _fresh_label(self, other: Leg | None = None) -> Label:
        while True:
            label = Label(self._entropy.getrandbits(32))
            if not (self._avoid(label) or self.uses(label) or (other is not None and other.label == label)):
                return label

    def _fresh_request(self) -> int:
        while self._book.has_request(request := self._entropy.getrandbits(32)):
            pass
        return request

    def _send(self, peer: NodeId, message: CircuitTalk | Carried) -> None:
        self._out.append(SendRelay(peer, message))

    def _drop(self, reason: str) -> None:
        self.drops[reason] = self.drops.get(reason, 0) + 1

    def _because(self, counted: str, said: str) -> str:
        self._drop(counted)
        return said
