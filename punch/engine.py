"""The hall of the punch engine: one host, many attempts, one budget.

    receive --STUN--> observatory (detector, samples, canary, service)      tell --facts--> peers, attempts, observatory
            --probe--> attempt by its label                                      --signals--> attempt of that peer
                                        settle
    commands <-- outlet                                             events <-- attempts, observatory

A peer is attempted when it is due (punch.schedule) and a place is free; who finds none waits in line (punch.line).
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator

from msgspec import structs

from punch import probe as wire
from punch import schedule, stun
from punch.attempt import Attempt
from punch.bench import Lent
from punch.budget import Budget
from punch.commands import Command, SendSignal
from punch.config import PunchConfig, StunConfig
from punch.events import AttemptEnded, BudgetView, Event, PeerView, ProfileChanged
from punch.facts import (
    CandidatesChanged,
    DetectAsked,
    Fact,
    Heard,
    HoleRefused,
    NetworkChanged,
    PeerDirect,
    PeerDown,
    PeerHeard,
    PeerPolicy,
    PeerUp,
    PeerWanted,
    PolicyChanged,
    SendFailed,
    ServersKnown,
    SignalReceived,
    SocketClosed,
    SocketFailed,
    SocketOpened,
)
from punch.holes import Holes
from punch.incoming import take_probe
from punch.line import MOST_ATTEMPTS, MOST_OWN, Line
from punch.observatory import Observatory
from punch.outlet import Outlet
from punch.peers import Outcome, Peer, Peers
from punch.signals import Offer, Signal, Stop, Touch
from punch.terms import infeasible, offered
from punch.timers import Timers
from punch.values import Candidate, Endpoint, NatProfile, PeerId, SocketId, udp
from punch.view import peer_view

PROBE_TYPES = (wire.PROBE, wire.ANSWER)
REFUSALS = ("EPERM", "ENOBUFS", "icmp 3/13")
"""Errors that say more than that nobody is there."""


class Engine:
    """A machine (punch.machine) at the edge: it also has `receive`."""

    def __init__(self, config: PunchConfig, stun: StunConfig, *, entropy: random.Random, now: float) -> None:
        self.config = config
        self._entropy = entropy
        self._requests = 0
        self._outlet = Outlet(Budget(max_pps=config.max_pps, max_entries=config.max_entries, now=now))
        self._holes = Holes(self._next_request)
        self._observatory = Observatory(
            config, stun, self._outlet, entropy=entropy, request_ids=self._next_request, now=now
        )
        self._lent = Lent(self._outlet, self._holes, self._observatory.sampler, entropy)
        self._peers = Peers()
        self._attempts: dict[int, Attempt] = {}
        """By label."""
        self._line = Line()
        self._candidates: tuple[Candidate, ...] = ()
        self._network = ""
        self._profile_key: tuple[str, ...] = ()
        self._timers: Timers[PeerId] = Timers()
        self._events: deque[Event] = deque()

    # --- queries

    @property
    def profile(self) -> NatProfile:
        """What is known of our own NAT."""
        return self._outlet.profile

    @property
    def undecided(self) -> tuple[str, ...]:
        """Fields of the profile that could not be decided, also where the strictest is assumed."""
        return self._observatory.undecided

    def profile_age(self, now: float) -> float | None:
        """Seconds since it was measured; None: it was not."""
        return self._observatory.age(now=now)

    def view(self, peer: PeerId, now: float) -> PeerView:
        """One peer's punching, for `status` and `why`."""
        known = self._peers.get(peer)
        if known is None:
            return PeerView(state="idle" if self.config.enabled else "off")
        retry, before = self._timers.get(peer), self._line.before(peer)
        return peer_view(known, self._attempt_of(peer), self.profile, self.config, retry, before, now=now)

    def budget(self, now: float) -> BudgetView:
        """The budget, for `punch`."""
        return self._outlet.view(now)

    @property
    def drops(self) -> Counter[str]:
        """What came and was not used, by reason."""
        return self._outlet.drops + self._observatory.drops

    # --- the verbs

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> None:
        """A datagram whose first byte is STUN's or a probe's, or anything by a socket of the engine's own."""
        if stun.is_stun(payload):
            if not self._observatory.receive(payload, source, via=via, now=now):
                return
        elif payload and payload[0] in PROBE_TYPES:
            self._receive_probe(payload, source, via, now)
        else:
            self._outlet.drops["not_ours"] += 1
            return
        self._settle(now)

    def tell(self, fact: Fact, *, now: float) -> None:
        """Something this host knows."""
        match fact:
            case SocketOpened(role="engine") if self._holes.opened(fact):
                if self._holes.expects(fact.request):
                    return
            case SocketClosed() if self._holes.closed(fact.socket):
                self._observatory.sampler.forget(fact.socket)
                return
            case SocketOpened() | SocketFailed() | SocketClosed():
                self._observatory.tell(fact, now=now)
                if not self._socket(fact):
                    return
            case SendFailed():
                self._send_failed(fact, now)
            case NetworkChanged():
                self._network_changed(fact, now)
            case ServersKnown():
                self._observatory.tell(fact, now=now)
            case CandidatesChanged():
                self._candidates = fact.candidates
            case DetectAsked():
                self._observatory.tell(fact, now=now)
                self._start_over(now)
            case PolicyChanged():
                self._observatory.tell(fact, now=now)
                self._policy_changed(fact.config, now)
            case Heard():
                self._outlet.manners.vouch(fact.peer, fact.host, fact.by, now=now)
            case PeerHeard():
                self._observatory.heard_from(fact)
                self._outlet.manners.answered(udp(fact.host, 0))
            case SignalReceived():
                self._signal(fact.peer, fact.signal, now)
            case PeerUp():
                self._peer_up(fact, now)
            case PeerPolicy():
                self._peers.settle(fact)
                self._obey(self._peers.get(fact.peer), now)
            case PeerDown() | PeerWanted() | PeerDirect() | HoleRefused():
                self._peer_fact(fact, now)
        self._settle(now)

    def next_timeout(self) -> float | None:
        """The moment `handle_timeout` wants to be called at, or None."""
        earliest = self._observatory.next_timeout()
        for at in (
            self._holes.next_timeout(),
            self._timers.next(),
            *map(Attempt.next_timeout, self._attempts.values()),
        ):
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due at `now`."""
        self._observatory.handle_timeout(now=now)
        for attempt in list(self._attempts.values()):
            attempt.handle_timeout(now=now)
        self._settle(now)

    def commands(self) -> Iterator[Command]:
        """Drain what is to be done, oldest first."""
        while self._outlet.commands:
            yield self._outlet.commands.popleft()

    def events(self) -> Iterator[Event]:
        """Drain what happened, oldest first."""
        while self._events:
            yield self._events.popleft()

    # --- datagrams

    def _receive_probe(self, payload: bytes, source: Endpoint, via: SocketId, now: float) -> None:
        if why := take_probe(payload, self._attempts, source, via=via, now=now):
            self._outlet.drops[why] += 1
        else:
            self._outlet.probes_received += 1

    # --- facts

    def _socket(self, fact: SocketOpened | SocketFailed | SocketClosed) -> bool:
        """Whether anything may follow from it: seldom from the end of one."""
        if isinstance(fact, SocketClosed):
            self._holes.lost(fact.socket)
            self._outlet.lost(fact.socket)
            return self._observatory.has_news or self._outlet.main is None
        if isinstance(fact, SocketFailed):
            self._holes.failed(fact)
        elif fact.role == "main":
            self._outlet.take(fact.socket, ipv6=fact.local.is_ipv6)
        return True

    def _send_failed(self, fact: SendFailed, now: float) -> None:
        """A full table or a forbidding kernel ends those it hits and halves what may be; a candidate is only barred."""
        self._outlet.drops[f"send_{fact.error.lower().replace(' ', '_')}"] += 1
        if fact.error not in REFUSALS:
            return
        hit = [each for each in self._running() if fact.error == "ENOBUFS" or each.is_hit(fact.to, now=now)]
        if hit:
            self._outlet.budget.suffer(self._network, now=now)
        for attempt in hit:
            attempt.finish("refused", f"this network refuses packets ({fact.error})", now=now)

    def _network_changed(self, fact: NetworkChanged, now: float) -> None:
        self._observatory.tell(fact, now=now)
        earlier = self._outlet.addresses
        self._outlet.surround(fact)
        if fact.key == self._network and set(earlier) <= set(fact.addresses):
            return
        if fact.key != self._network:
            self._network = fact.key
            self._outlet.budget.change_network(fact.key, now=now)
        for attempt in list(self._attempts.values()):
            attempt.finish("network_changed", "this host's network changed", now=now)
        self._start_over(now)

    def _start_over(self, now: float) -> None:
        for peer in self._peers:
            peer.start_over(now=now)
            self._consider(peer, now)

    def _policy_changed(self, config: PunchConfig, now: float) -> None:
        self.config = config
        self._outlet.budget.limit(max_pps=config.max_pps, max_entries=config.max_entries, now=now)
        for peer in self._peers:
            self._obey(peer, now)

    def _obey(self, peer: Peer | None, now: float) -> None:
        """End what the settings now forbid, begin what they now want."""
        if peer is None:
            return
        attempt = self._attempt_of(peer.id)
        if attempt is not None and self.config.enabled:
            attempt.obey(peer.modes_in_force(self.config), now=now)
        elif attempt is not None:
            attempt.finish("off", "switched off", now=now)
        self._consider(peer, now)

    def _peer_up(self, fact: PeerUp, now: float) -> None:
        peer = self._peers.meet(fact, now=now)
        self._outlet.manners.meet(peer.id)
        if (gone := self._peers.forget()) is not None:
            self._outlet.manners.forget(gone)
        if fact.direct:
            self._direct(peer, True, now)
        self._consider(peer, now)

    def _peer_fact(self, fact: PeerDown | PeerWanted | PeerDirect | HoleRefused, now: float) -> None:
        peer = self._peers.get(fact.peer)
        if peer is None:
            return
        attempt = self._attempt_of(peer.id)
        match fact:
            case PeerDown():
                peer.is_up = False
                self._observatory.lost(peer.id)
                if attempt is not None:
                    attempt.finish("peer_gone", "the peer is not reached any more", now=now, tell=False)
            case PeerWanted():
                peer.want(fact.why, now=now)
            case PeerDirect():
                self._direct(peer, fact.direct, now)
            case HoleRefused():
                if attempt is not None:
                    attempt.refused(fact.via, fact.endpoint, now=now)
        self._consider(peer, now)

    def _direct(self, peer: Peer, direct: bool, now: float) -> None:
        attempt = self._attempt_of(peer.id)
        if direct and attempt is not None:
            attempt.finish("direct", f"direct by {attempt.strategy}" if attempt.strategy else "direct", now=now)
        if peer.direct and not direct:
            peer.let_go = True
            peer.start_over(now=now)
        peer.direct = direct

    # --- signals

    def _signal(self, peer_id: PeerId, signal: Signal, now: float) -> None:
        peer = self._peers.get(peer_id)
        if peer is None:
            self._outlet.drops["signal_unknown_peer"] += 1
        elif not peer.signals.take(now=now):
            self._outlet.drops["signal_rate"] += 1
        elif isinstance(signal, Touch):
            self._observatory.touch(peer_id, signal, now=now)
        elif isinstance(signal, Offer):
            self._offer(peer, signal, now)
        else:
            attempt = self._attempt_of(peer_id)
            if attempt is not None and attempt.number == signal.attempt:
                attempt.heard(signal, now=now)
            else:
                self._outlet.drops["signal_stale"] += 1

    def _offer(self, peer: Peer, offer: Offer, now: float) -> None:
        attempt = self._attempt_of(peer.id)
        if peer.is_over(offer.attempt):
            self._say_ended(peer, offer)
            return
        if attempt is not None and attempt.belongs(offer):
            attempt.met(offer, now=now)
            return
        if offer.reply:
            self._outlet.drops["signal_stale"] += 1
            return
        if not self.config.enabled:
            self._say(peer, Stop(offer.attempt, "off"))
            return
        if not peer.offers.take(now=now):
            self._outlet.drops["offer_rate"] += 1
            return
        if attempt is not None:
            attempt.finish("peer_changed", "they began anew", now=now, heard=True)
            self._conclude(attempt, now)
        if sum(1 for each in self._attempts.values() if not each.began_here) >= MOST_ATTEMPTS - MOST_OWN:
            self._say(peer, Stop(offer.attempt, "busy"))
            return
        if peer.hopeless and infeasible(ours := self._say_of_us(peer, now), offer):
            self._say(peer, structs.replace(ours, attempt=offer.attempt, reply=True))
            return
        peer.hopeless = False
        self._begin(peer, offer.attempt, "they ask us", now).met(offer, now=now)

    def _say_ended(self, peer: Peer, offer: Offer) -> None:
        """Our last word got lost: say it again."""
        if offer.reply:
            return
        if peer.replied is not None and peer.replied.attempt == offer.attempt:
            self._say(peer, peer.replied)
        self._say(peer, Stop(offer.attempt, peer.ended[offer.attempt]))

    def _say(self, peer: Peer, signal: Signal) -> None:
        self._outlet.commands.append(SendSignal(peer.id, signal))

    # --- beginning and end of attempts

    def _consider(self, peer: Peer, now: float) -> None:
        """When is this peer to be attempted by itself?"""
        busy = self._attempt_of(peer.id) is not None
        at = None if busy or not self._outlet.is_open else schedule.due(peer, self.config, now=now)
        if at is None or at > now:
            self._line.leave(peer.id)
        if at is None:
            self._timers.clear(peer.id)
        elif peer.id in self._line:
            self._join(peer.id, now)
        else:
            self._timers.set(peer.id, max(at, now))

    def _join(self, peer_id: PeerId, now: float) -> None:
        """A peer is due: it waits for a place."""
        if (peer := self._peers.get(peer_id)) is not None and self._attempt_of(peer_id) is None:
            self._line.join(peer_id, heavy=peer.searches, quiet=schedule.is_quiet(peer, now=now))

    def _seat(self, now: float) -> None:
        """Begin with whose turn it is, as long as there are places."""
        while (peer_id := self._line.next(self._attempts.values(), self._lent)) is not None:
            peer = self._peers.get(peer_id)
            assert peer is not None, "who is in line is here"
            self._consider(peer, now)
            if peer_id in self._line:
                quiet = self._line.is_quiet(peer_id)
                attempt = self._begin(peer, self._entropy.getrandbits(32), "we ask them", now)
                attempt.began_here, attempt.is_quiet = True, quiet
        self._line.watch(self._attempts.values(), self._lent)

    def _begin(self, peer: Peer, number: int, how: str, now: float) -> Attempt:
        label = self._entropy.getrandbits(32)
        while label == 0 or label in self._attempts:
            label = self._entropy.getrandbits(32)
        self._timers.clear(peer.id)
        self._line.leave(peer.id)
        peer.journal.open(how, now=now)
        attempt = self._attempts[label] = Attempt(peer, self._lent, number=number, label=label, now=now)
        return attempt

    def _conclude(self, attempt: Attempt, now: float) -> None:
        """Take note of how it ended, and when the peer is due again."""
        peer, end = attempt.peer, attempt.end
        if end is None or self._attempts.pop(attempt.label, None) is None:
            return
        bench = attempt.bench
        probes = 0 if bench is None else bench.probes
        planned = 0 if bench is None else bench.planned
        peer.journal.close(f"ended: {end.reason} ({end.text}), {probes} packets", now=now)
        peer.last = Outcome(end.state, end.reason, end.text, attempt.strategy, probes=probes, planned=planned)
        peer.remember_end(attempt.number, end.reason)
        self._events.append(AttemptEnded(peer.id, end.state, end.reason, end.text))
        schedule.after(peer, end.reason, self._entropy, heard=end.heard, now=now)
        if attempt.strategy == "birthday":
            peer.searches = True
        if end.reason == "direct" and attempt.strategy:
            peer.learned[self._network] = attempt.strategy
        self._consider(peer, now)

    # --- settling

    def _settle(self, now: float) -> None:
        """Let everything happen that follows from the last input."""
        while self._step(now):
            pass
        self._observatory.watch(bool(self._running()), now=now)
        if self._holes.has_commands:
            self._outlet.commands.extend(self._holes.commands())

    def _step(self, now: float) -> bool:
        """One round; False: nothing moved."""
        self._observatory.settle(now=now)
        if self._observatory.events:
            self._hear_observatory(now)
        moved = False
        for peer_id in self._timers.expired(now):
            self._join(peer_id, now)
        self._seat(now)
        for owner, request, sockets in self._holes.ready(now=now):
            moved = True
            if (found := self._attempts.get(owner)) is not None:
                found.opened(request, sockets, now=now)
        for seen in self._observatory.sampler.results():
            if (found := self._attempts.get(seen.owner)) is not None:
                found.sampled(seen.via, seen.seen, seen.sent, now=now)
        for attempt in list(self._attempts.values()):
            if attempt.phase == "preparing" and (self._is_measured or attempt.waited_enough(now)):
                attempt.ready(self._say_of_us(attempt.peer, now), now=now)
            attempt.settle(now=now)
            if attempt.events:
                self._events.extend(attempt.events)
                attempt.events.clear()
            if attempt.end is not None:
                moved = True
                self._conclude(attempt, now)
        return moved

    def _say_of_us(self, peer: Peer, now: float) -> Offer:
        said = offered(self.profile, self._candidates)
        return peer.offer(self.profile, said, self.config, network=self._network, now=now)

    def _hear_observatory(self, now: float) -> None:
        """A profile that is another than the one attempts failed with sets waiting times aside."""
        while self._observatory.events:
            event = self._observatory.events.popleft()
            self._events.append(event)
            if isinstance(event, ProfileChanged):
                seen = event.profile
                key = (seen.type, seen.mapping, seen.filtering, seen.allocation)
                if key != self._profile_key and seen.type != "unknown":
                    self._profile_key = key
                    self._start_over(now)

    @property
    def _is_measured(self) -> bool:
        """Whether our own profile is good enough to offer."""
        return self.profile.type != "unknown" and not self._observatory.is_looking

    def _next_request(self) -> int:
        self._requests += 1
        return self._requests

    def _attempt_of(self, peer: PeerId) -> Attempt | None:
        return next((each for each in self._attempts.values() if each.peer.id == peer), None)

    def _running(self) -> list[Attempt]:
        return [each for each in self._attempts.values() if each.phase in ("running", "claimed")]
