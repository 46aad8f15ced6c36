"""The machine: what is told -> ways proven, chosen, kept alive."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from overlay.paths import commands as do
from overlay.paths import events as happened
from overlay.paths import facts as told
from overlay.paths.board import Board, Timer
from overlay.paths.demand import Demand
from overlay.paths.dialling import Dialling
from overlay.paths.endpoints import Network, own_endpoints
from overlay.paths.facts import Where
from overlay.paths.keeping import Keeping
from overlay.paths.nearby import Nearby
from overlay.paths.peer import Peer
from overlay.paths.proving import Proving
from overlay.paths.punching import Punching
from overlay.paths.roaming import Roaming
from overlay.paths.sightings import Sightings
from overlay.paths.sockets import Sockets
from overlay.paths.spares import Spares
from overlay.paths.trial import Trials, Weigh
from overlay.paths.upkeep import REDIAL_AFTER, Upkeep
from overlay.paths.watch import Watch
from overlay.paths.way import Way
from overlay.values import Direct, Label, NodeId
from overlay.wire.messages import Answer, Challenge, Parting, Ping, Pong, Report
from punch.addresses import scope
from punch.config import PunchConfig, StunConfig
from punch.values import Endpoint, SocketId, parse_endpoint


class Paths:
    """Ways to each peer, and which one carries now."""

    def __init__(
        self,
        *,
        own: NodeId,
        overlay: tuple[Network, ...],
        punch: PunchConfig,
        stun: StunConfig,
        weigh: Weigh,
        entropy: random.Random,
        now: float,
    ) -> None:
        """`weigh` makes one figure of a way's round trip, loss and jitter, as for the links of records."""
        self._board = Board(own=own, entropy=entropy)
        self._board.around = msgspec.structs.replace(self._board.around, overlay=overlay)
        self._proving = Proving(self._board)
        self._dialling = Dialling(self._board, self._proving)
        self._upkeep = Upkeep(self._board, self._proving, self._dialling)
        self._keeping = Keeping(self._board)
        self._watch = Watch(self._board, self._proving, self._upkeep)
        self._sightings = Sightings(self._board)
        self._punching = Punching(
            self._board, self._proving, self._sightings, punch=punch, stun=stun, entropy=entropy, now=now
        )
        self._roaming = Roaming(self._board, self._proving, self._dialling, self._punching)
        self._spares = Spares(self._board, self._proving, self._upkeep)
        self._trials = Trials(self._board, self._proving, weigh)
        self._demand = Demand(
            self._board,
            self._upkeep,
            self._watch,
            self._punching,
            dialling=self._dialling,
            spares=self._spares,
            trials=self._trials,
        )
        self._sockets = Sockets(self._board, self._proving, self._punching)
        self._given: tuple[Endpoint, ...] = ()
        self.nearby = Nearby(self._board, now=now)
        self._handlers = self._tellings()
        self._due = self._moments()
        self._punching.settle(self.own_endpoints, now=now)

    def _tellings(self) -> dict[type, Callable[..., None]]:
        """Who hears what."""
        return {
            told.SocketOpened: self._sockets.opened,
            told.SocketFailed: self._punching.host,
            told.SocketClosed: self._sockets.closed,
            told.SendFailed: self._punching.host,
            told.AddressesChanged: self._roaming.addresses_changed,
            told.PeersGiven: self._peers_given,
            told.BeaconHeard: self.nearby.heard,
            told.Resolved: self._resolved,
            told.MemberKnown: self._member_known,
            told.MemberForgotten: self._member_forgotten,
            told.Wanted: self._keeping.wanted,
            told.LetGo: self._keeping.let_go,
            told.RootChanged: self._root_changed,
            told.SessionUp: self._session_up,
            told.Relabelled: self._relabelled,
            told.SessionDown: self._session_down,
            told.DialEnded: self._dialling.ended,
            told.RelaysFound: self._relays_found,
            told.CircuitReady: self._circuit_ready,
            told.CircuitLost: self._circuit_lost,
            told.Heard: self._heard,
            told.MessageHeard: self._message_heard,
            told.Sent: self._sent,
            told.ProbeKeys: self._punching.keys,
            told.SignalHeard: self._punching.signal,
            told.HostHeard: self._host_heard,
            told.PunchPolicy: self._punching.policy,
            told.PeerPolicy: self._punching.peer_policy,
            told.DirectAsked: self._demand.direct_asked,
            told.DetectAsked: lambda _, *, now: self._punching.detect(now=now),
            told.TrafficBegan: self._demand.began,
            told.TrafficWaiting: self._demand.waiting,
            told.Traffic: self._demand.counted,
            told.Pulse: self._watch.pulse,
            told.SendRefused: self._watch.refused,
            told.Woke: self._roaming.woke,
            told.PingAsked: self._demand.ping_asked,
            told.Leaving: self._leaving,
        }

    def _moments(self) -> dict[Timer, Callable[..., None]]:
        """What is done when a timer of a name expires."""
        return {
            Timer.RETRY_ADDRESS: self._dialling.retry,
            Timer.REACH: self._of_peer(self._dialling.reach),
            Timer.DIAL_DIRECT: self._of_peer(self._dialling.dial_direct),
            Timer.DIAL_RELAY: self._of_peer(self._dialling.dial_relay),
            Timer.STOP_DIAL: self._dialling.stop_dial,
            Timer.NEARBY: self.nearby.due,
            Timer.CHALLENGE: self._of_way(self._proving.repeat),
            Timer.SIZE: self._of_way(self._proving.try_sizes),
            Timer.KEEPALIVE: self._of_peer(self._upkeep.keepalive),
            Timer.SILENCE: self._of_peer(self._upkeep.silence),
            Timer.TRIAL: self._of_peer(self._trials.step),
            Timer.DOUBT: self._of_peer(self._watch.overdue),
            Timer.NOBODY: lambda _, *, now: self._dialling.nobody(now=now),
            Timer.GIVE_UP: self._of_peer(self._give_up),
            Timer.REDIAL: self._of_peer(self._redial),
            Timer.HOLE: self._punching.hole_due,
            Timer.RESOLVE_STUN: lambda _, *, now: self._punching.resolve_again(now=now),
            Timer.NAT_SEEN: self._say_profile,
        }

    # --- the verbs ---

    def tell(self, fact: told.Fact, *, now: float) -> None:
        """Hand over what is known now."""
        self._handlers[type(fact)](fact, now=now)
        self._punching.settle(self.own_endpoints, now=now)

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> None:
        """STUN or a probe came from `source` into socket `via`: the engine's."""
        self._punching.receive(payload, source, via=via, now=now)
        self._punching.settle(self.own_endpoints, now=now)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        moments = (self._board.timers.next(), self._punching.next_timeout())
        return min((at for at in moments if at is not None), default=None)

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        for timer, about in self._board.timers.expired(now):
            self._due[timer](about, now=now)
        self._punching.handle_timeout(now=now)
        self._punching.settle(self.own_endpoints, now=now)

    def commands(self) -> Iterator[do.Command]:
        """Drain what is to be done."""
        while self._board.out:
            yield self._board.out.popleft()

    def events(self) -> Iterator[happened.Event]:
        """Drain what happened."""
        while self._board.news:
            yield self._board.news.popleft()

    # --- queries ---

    @property
    def drops(self) -> dict[str, int]:
        """Reason -> count."""
        return self._board.drops

    @property
    def punching(self) -> Punching:
        """What is known of our NAT, and how the search for direct ways goes."""
        return self._punching

    def is_alternate(self, socket: SocketId) -> bool:
        """Whether a socket is one on PORT + 1."""
        return socket in self._board.alternates

    def peer(self, node: NodeId) -> Peer | None:
        """What is known of a peer."""
        return self._board.peers.get(node)

    def view(self, node: NodeId) -> happened.PathView:
        """What we send on to a peer."""
        peer = self._board.peers.get(node)
        return self._board.view(peer) if peer is not None else happened.PathView("none", None, None, 0.0)

    def control_where(self, node: NodeId) -> Where | None:
        """Where control for a peer goes now."""
        peer = self._board.peers.get(node)
        way = peer.control_way() if peer is not None else None
        return way.where if way is not None else None

    def neighbour(self, node: NodeId) -> Way | None:
        """The best proven direct way to a peer."""
        peer = self._board.peers.get(node)
        return peer.best_direct() if peer is not None and peer.session else None

    def endpoints_of(self, node: NodeId) -> tuple[Endpoint, ...]:
        """Where a neighbour is proven to be, all of it: it may send from any of these."""
        peer = self._board.peers.get(node)
        ways = peer.ways.values() if peer is not None and peer.session else ()
        return tuple(way.where.endpoint for way in ways if way.proven and isinstance(way.where, Direct))

    def wants(self, node: NodeId, *, now: float) -> bool:
        """Whether a session with a peer is wanted: all are in a small mesh."""
        peer = self._board.peers.get(node)
        return peer is None or self._board.wanted.wants(peer, now=now)

    def sessions(self) -> list[NodeId]:
        """Peers with a session."""
        return [peer.node for peer in self._board.peers.values() if peer.session]

    def neighbours(self) -> list[tuple[NodeId, Way]]:
        """Peers with a proven direct way."""
        pairs = [(peer.node, peer.best_direct()) for peer in self._board.peers.values() if peer.session]
        return [(node, way) for node, way in pairs if way is not None]

    def own_endpoints(self) -> list[tuple[Endpoint, str]]:
        """Our endpoints, best first, with how we know them."""
        ports = {local.is_ipv6: local.port for local in self._board.sockets.values()}
        own = self._board.around.own_hosts()
        found = (*self._punching.reflexive.values(), *self._sightings.endpoints)
        seen = [each for each in dict.fromkeys(found) if each.host not in own]
        return own_endpoints(self._board.around, ports=ports, given=self._given, seen=seen)

    # --- facts ---

    def _of_peer(self, act: Callable[..., None]) -> Callable[..., None]:
        def due(node: Any, *, now: float) -> None:
            peer = self._board.peers.get(node)
            if peer is not None:
                act(peer, now=now)

        return due

    def _of_way(self, act: Callable[..., None]) -> Callable[..., None]:
        def due(about: Any, *, now: float) -> None:
            peer = self._board.peers.get(about[0])
            way = peer.ways.get(about[1]) if peer is not None else None
            if way is not None:
                act(peer, way, now=now)

        return due

    def _peers_given(self, fact: told.PeersGiven, *, now: float) -> None:
        given: list[Endpoint] = []
        for text in fact.advertise:
            try:
                given.append(parse_endpoint(text))
            except ValueError:
                self._board.drop("advertise_not_numeric")
        self._given = tuple(given)
        self._dialling.give(fact, now=now)
        self._board.self_view_changed()

    def _resolved(self, fact: told.Resolved, *, now: float) -> None:
        around = self._board.around
        fair = tuple(each for each in fact.endpoints if not around.is_overlay(each.host))
        error = fact.error or ("its address is inside the overlay" if fact.endpoints and not fair else "")
        outer = told.Resolved(fact.address, fair, error)
        self._punching.resolved(outer)
        self._dialling.resolved(outer, now=now)

    def _member_known(self, fact: told.MemberKnown, *, now: float) -> None:
        peer = self._board.peer(fact.peer)
        peer.known = True
        changed = fact.endpoints != peer.endpoints
        peer.endpoints = fact.endpoints
        if changed:
            peer.misplaced = ()
        self._compare(peer)
        self._board.stale = True
        if not peer.session:
            self._dialling.reach_soon(peer, now=now)
        elif changed:
            self._proving.try_endpoints(peer, now=now)

    def _compare(self, peer: Peer) -> bool:
        """Whether the peer is seen at a public host of ours, by its relay's word too, and was not before."""
        ours = [end.host for end, _ in self.own_endpoints() if scope(end.host) == "public"]
        theirs = [end.host for end, kind in peer.endpoints if kind == "stun" and end.host in peer.vouched]
        before, peer.shares_public = peer.shares_public, any(host in ours for host in theirs)
        return peer.shares_public and not before

    def _host_heard(self, fact: told.HostHeard, *, now: float) -> None:
        self._punching.host_heard(fact, now=now)
        peer = self._board.peers.get(fact.peer)
        if peer is not None and self._compare(peer):
            self._proving.try_endpoints(peer, now=now)

    def _member_forgotten(self, fact: told.MemberForgotten, *, now: float) -> None:
        peer = self._board.peers.get(fact.peer)
        if peer is None:
            return
        peer.known = False
        peer.reached = False
        self._end_session(peer, now=now)
        self._dialling.session_down(peer, now=now)
        self._board.wanted.forget(fact.peer)
        del self._board.peers[fact.peer]

    def _root_changed(self, fact: told.RootChanged, *, now: float) -> None:
        self._board.root = fact.root

    def _session_up(self, fact: told.SessionUp, *, now: float) -> None:
        peer = self._board.peer(fact.peer)
        peer.session, peer.session_at = True, now
        self._board.wanted.opened(peer)
        self._label(peer, fact.label)
        peer.loss.reset()
        peer.reported = Report(0, 0, 0)
        if self._sightings.see(fact.peer, fact.seen):
            self._board.self_view_changed()
            for known in self._board.peers.values():
                self._compare(known)
        self._dialling.session_up(peer, fact.link, now=now)
        self._upkeep.session_up(peer, now=now)
        if fact.anew:
            self._punching.peer_anew(peer.node, now=now)
        # One that started again cannot answer what was asked under the keys of before.
        ask = self._proving.ask_anew if fact.anew else self._proving.ask
        met: Way | None = None
        if isinstance(fact.link, Direct):
            met = self._board.fresh_way(peer, fact.link) or peer.way(fact.link, fact.label)
            met.routable, met.candidate = True, False
            met.dialled = met.dialled or fact.dialled
            met.heard(now=now)
            ask(peer, met, now=now)
        elif fact.dialled and fact.link.relay not in peer.ways:
            self._dialling.met_over(peer, fact.link.relay, now=now)
        self._proving.doubt_others(peer, met, anew=fact.anew, now=now)
        for where, way in list(peer.ways.items()):
            if not isinstance(where, Direct):
                ask(peer, way, now=now)
        self._proving.try_endpoints(peer, now=now)
        self._board.settle(peer, now=now)
        if fact.anew and not peer.current:
            self._board.timers.set((Timer.REACH, peer.node), now + 1.0)

    def _relabelled(self, fact: told.Relabelled, *, now: float) -> None:
        peer = self._board.peers.get(fact.peer)
        if peer is not None and peer.session and peer.label != fact.label:
            self._label(peer, fact.label)
            self._board.settle(peer, now=now)

    def _label(self, peer: Peer, label: Label) -> None:
        """What the peer wants on direct frames from now on."""
        peer.label = label
        for where, way in peer.ways.items():
            if isinstance(where, Direct):
                way.label = label

    def _session_down(self, fact: told.SessionDown, *, now: float) -> None:
        peer = self._board.peers.get(fact.peer)
        if peer is None:
            return
        if peer.session:
            self._end_session(peer, now=now)
            self._dialling.session_down(peer, now=now)
        self._board.forget_stranger(peer)

    def _end_session(self, peer: Peer, *, now: float) -> None:
        peer.session = False
        for where in list(peer.ways):
            self._board.drop_way(peer, where)
        self._punching.peer_down(peer.node, now=now)
        if peer.reached:
            peer.reached = False
            if not self._board.wanted.is_released(peer):
                self._board.news.append(happened.PeerSilent(peer.node))
        peer.vigil.rest()
        peer.trial = None
        for timer in (Timer.KEEPALIVE, Timer.SILENCE, Timer.REDIAL, Timer.REACH, Timer.DOUBT, Timer.TRIAL):
            self._board.timers.clear((timer, peer.node))
        self._board.settle(peer, now=now)

    def _relays_found(self, fact: told.RelaysFound, *, now: float) -> None:
        peer = self._board.peers.get(fact.peer)
        if peer is not None and not self._spares.found(peer, fact.relays):
            self._dialling.relays_found(peer, fact.relays, now=now)

    def _circuit_ready(self, fact: told.CircuitReady, *, now: float) -> None:
        peer = self._board.peer(fact.peer)
        way = peer.way(fact.relay, fact.label)
        self._spares.circuit_stands(peer)
        if peer.session:
            self._proving.ask(peer, way, now=now)
            self._board.settle(peer, now=now)

    def _circuit_lost(self, fact: told.CircuitLost, *, now: float) -> None:
        peer = self._board.peers.get(fact.peer)
        if peer is None:
            return
        self._board.drop_way(peer, fact.relay)
        self._board.settle(peer, now=now)
        self._board.forget_stranger(peer)
        if peer.current:
            return
        if peer.relays:
            self._dialling.use_relay(peer, now=now)
        elif peer.session:
            self._board.timers.set((Timer.REACH, peer.node), now + 1.0)
        else:
            self._dialling.dial_direct(peer, now=now)

    def _heard(self, fact: told.Heard, *, now: float) -> None:
        peer = self._board.peer(fact.peer)
        self._upkeep.heard(peer, fact.where, now=now)
        way = peer.ways.get(fact.where)
        if isinstance(fact.where, Direct) and (way is None or not way.proven):
            self._proving.came_from(peer, fact.where, fact.size, highest=fact.highest, now=now)
        elif way is not None and not way.proven:
            self._proving.ask(peer, way, now=now)

    def _message_heard(self, fact: told.MessageHeard, *, now: float) -> None:
        peer, message = self._board.peer(fact.peer), fact.message
        if isinstance(message, Challenge):
            self._proving.challenged(peer, fact.where, message, fact.size, now=now)
        elif isinstance(message, Answer):
            self._proving.answered(peer, fact.where, message, now=now)
        elif isinstance(message, Ping):
            self._upkeep.pinged(peer, fact.where, message)
        elif isinstance(message, Pong):
            self._upkeep.ponged(peer, fact.where, message, now=now)
        elif isinstance(message, Parting):
            self._keeping.parted(peer, message, now=now)
        else:
            self._upkeep.reported(peer, message, now=now)

    def _sent(self, fact: told.Sent, *, now: float) -> None:
        peer = self._board.peers.get(fact.peer)
        if peer is not None and peer.current and fact.where == peer.current[0]:
            peer.last_tx = now

    def _say_profile(self, _: object, *, now: float) -> None:
        self._punching.say_profile()
        for peer in self._board.peers.values():
            if peer.session:
                self._upkeep.keep_soon(peer, now=now)

    def _leaving(self, fact: told.Leaving, *, now: float) -> None:
        self._board.leaving = True

    def _give_up(self, peer: Peer, *, now: float) -> None:
        if not peer.routes:
            self._board.out.append(do.GiveUpWaiting(peer.node))

    def _redial(self, peer: Peer, *, now: float) -> None:
        if self._board.leaving or not peer.session:
            return
        self._dialling.redial(peer, now=now)
        if peer.relays or not peer.ways:
            self._dialling.use_relay(peer, now=now)
        self._board.timers.set((Timer.REDIAL, peer.node), now + REDIAL_AFTER * 4)
