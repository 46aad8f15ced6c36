"""What this host knows -> rooms: sockets, addresses, counters, what a person asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from overlay.dataplane import port
from overlay.gossip import facts as gossip
from overlay.node import facts as told
from overlay.node.farewell import Farewell
from overlay.node.lan import Lan
from overlay.node.outbound import Outbound
from overlay.node.rooms import Rooms
from overlay.node.tracing import Trace
from overlay.paths import facts as paths
from overlay.relay import facts as relay
from overlay.session import facts as session
from overlay.values import Direct, NodeId

BYTES_PER_MBIT = 125_000
DAY = 86_400.0
"""Seconds a departed member stays listed (contract)."""


class Outside:
    """The part of the hall that hears the host."""

    def __init__(self, rooms: Rooms, outbound: Outbound, farewell: Farewell, trace: Trace, lan: Lan) -> None:
        self._rooms = rooms
        self._outbound = outbound
        self._farewell = farewell
        self._trace = trace
        self._lan = lan
        self._given: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        """Whom to dial, until this host's addresses are known."""
        self._handlers: dict[type, Callable[..., None]] = {
            told.SocketOpened: self._socket,
            told.SocketFailed: self._socket,
            told.SocketClosed: self._socket,
            told.SendFailed: self._datagram_refused,
            told.AddressesChanged: self._addresses_changed,
            told.Resolved: self._resolved,
            told.CountersPulled: self._counters,
            told.PolicyChanged: self._policy,
            told.BeaconHeard: self._lan.hear,
            told.PunchAsked: self._punch,
            told.PeerPunchAsked: self._peer_punch,
            told.DirectAsked: self._direct,
            told.DetectAsked: self._detect,
            told.PingAsked: self._ping,
            told.TraceAsked: lambda fact, *, now: self._trace.begin(fact.peer, fact.token, now=now),
            told.ProblemFound: self._problem,
            told.ProblemOver: self._problem_over,
            told.FaultMet: self._fault,
            told.WallClockJumped: self._wall_clock,
            told.Pulsed: self._pulsed,
            told.Woke: lambda _, *, now: self._rooms.paths.tell(paths.Woke(), now=now),
            told.LeaveAsked: lambda _, *, now: self._farewell.begin(now=now),
            port.TrafficWaiting: self._waiting,
            port.TrafficBegan: self._began,
            port.CameFrom: self._came_from,
            port.LossSeen: self._loss_seen,
            port.CounterSpent: self._spent,
            port.SendFailed: self._send_failed,
        }

    def tell(self, fact: Any, *, now: float) -> None:
        """Hand a fact to the room it concerns."""
        self._handlers[type(fact)](fact, now=now)

    def start(self, *, now: float) -> None:
        """What an earlier run remembered, and whom to dial."""
        rooms, setup = self._rooms, self._rooms.setup
        if setup.records:
            rooms.gossip.tell(gossip.Remembered(list(setup.records)), now=now)
        rooms.gossip.tell(gossip.FirstDial() if setup.peers or setup.endpoints else gossip.NoPeers(), now=now)
        self._given = (setup.peers, setup.advertise)
        self._limit_carried(setup.max_mbit)

    def _limit_carried(self, max_mbit: int) -> None:
        self._rooms.out.append(port.LimitCarried(max_mbit * BYTES_PER_MBIT))

    def _socket(self, fact: told.SocketOpened | told.SocketFailed | told.SocketClosed, *, now: float) -> None:
        self._rooms.paths.tell(fact, now=now)

    def _datagram_refused(self, fact: told.SendFailed, *, now: float) -> None:
        self._rooms.drop("send_failed")
        self._rooms.paths.tell(fact, now=now)

    def _addresses_changed(self, fact: told.AddressesChanged, *, now: float) -> None:
        self._rooms.paths.tell(paths.AddressesChanged(fact.addresses, fact.gateway), now=now)
        if self._given is not None:
            peers, advertise = self._given
            self._given = None
            self._rooms.paths.tell(paths.PeersGiven(peers, self._rooms.setup.endpoints, advertise), now=now)
        self._lan.addresses_changed(fact, now=now)

    def _resolved(self, fact: told.Resolved, *, now: float) -> None:
        # Also where a name leads nowhere: a node comes up whoever answers.
        self._rooms.gossip.tell(gossip.FirstDial(), now=now)
        self._rooms.paths.tell(paths.Resolved(fact.address, fact.endpoints, fact.error), now=now)

    def _policy(self, fact: told.PolicyChanged, *, now: float) -> None:
        self._rooms.relay_on = fact.relay
        self._rooms.relay.tell(relay.PolicyChanged(fact.relay), now=now)
        self._limit_carried(fact.max_mbit)
        self._rooms.paths.tell(paths.PeersGiven(fact.peers, (), fact.advertise), now=now)
        self._rooms.paths.tell(paths.PunchPolicy(fact.punch, fact.stun), now=now)
        self._rooms.stun = fact.stun
        self._lan.switch(fact.lan, now=now)

    def _punch(self, fact: told.PunchAsked, *, now: float) -> None:
        self._rooms.paths.tell(paths.PunchPolicy(fact.punch, self._rooms.stun), now=now)

    def _peer_punch(self, fact: told.PeerPunchAsked, *, now: float) -> None:
        self._rooms.paths.tell(paths.PeerPolicy(fact.peer, fact.nat3_nat4, fact.nat4_nat4), now=now)

    def _direct(self, fact: told.DirectAsked, *, now: float) -> None:
        self._rooms.paths.tell(paths.DirectAsked(fact.peer), now=now)

    def _detect(self, fact: told.DetectAsked, *, now: float) -> None:
        self._rooms.paths.tell(paths.DetectAsked(), now=now)

    def _ping(self, fact: told.PingAsked, *, now: float) -> None:
        self._rooms.paths.tell(paths.PingAsked(fact.peer, fact.token), now=now)

    def _problem(self, fact: told.ProblemFound, *, now: float) -> None:
        self._rooms.problems.found(fact.code, fact.text, fact.fix, now=now)

    def _problem_over(self, fact: told.ProblemOver, *, now: float) -> None:
        self._rooms.problems.over(fact.code)

    def _fault(self, fact: told.FaultMet, *, now: float) -> None:
        self._rooms.drop("fault")
        self._rooms.problems.found(
            "fault",
            f"This program met a fault of its own: {fact.place}. It goes on without what met it.",
            "Report it with what `join` printed (with -d: the file log in its state folder); joining again may help.",
            now=now,
        )

    def _wall_clock(self, fact: told.WallClockJumped, *, now: float) -> None:
        self._rooms.session.tell(session.WallClockJumped(), now=now)

    # --- the plane ---

    def _waiting(self, fact: port.TrafficWaiting, *, now: float) -> None:
        self._rooms.paths.tell(paths.TrafficWaiting(fact.peer), now=now)

    def _began(self, fact: port.TrafficBegan, *, now: float) -> None:
        self._rooms.paths.tell(paths.TrafficBegan(fact.peer), now=now)

    def _came_from(self, fact: port.CameFrom, *, now: float) -> None:
        heard = paths.Heard(fact.peer, Direct(fact.via, fact.endpoint), fact.size, True)
        self._rooms.paths.tell(heard, now=now)

    def _loss_seen(self, fact: port.LossSeen, *, now: float) -> None:
        self._rooms.paths.tell(_traffic(fact.peer, fact.counters), now=now)

    def _spent(self, fact: port.CounterSpent, *, now: float) -> None:
        self._rooms.session.tell(session.CounterSpent(fact.peer), now=now)

    def _send_failed(self, fact: port.SendFailed, *, now: float) -> None:
        self._rooms.drop("send_failed")
        self._rooms.paths.tell(paths.SendRefused(fact.peer, fact.endpoint), now=now)

    def _pulsed(self, fact: told.Pulsed, *, now: float) -> None:
        for each in fact.pulses:
            self._rooms.paths.tell(paths.Pulse(each.peer, each.last_rx, each.last_tx), now=now)

    def _counters(self, fact: told.CountersPulled, *, now: float) -> None:
        """Tell each room what concerns it; the whole is kept for `status`."""
        rooms, before = self._rooms, self._rooms.counters
        rooms.counters = fact.counters
        rooms.partial.expire(now)
        for node, each in fact.counters.peers.items():
            rooms.paths.tell(_traffic(node, each), now=now)
            earlier = before.peers.get(node)
            view = rooms.paths.view(node)
            if view.relay is not None and (earlier is None or each.last_tx > earlier.last_tx):
                self._outbound.use_circuit(node, view.relay, 1)
            if each.last_rx > rooms.heard.get(node, 0.0):
                rooms.heard[node] = each.last_rx
                rooms.gossip.tell(gossip.Heard(node), now=now)
        self._circuits_used(before, now=now)
        for node in [key for key, gone in rooms.departed.items() if now - gone.since > DAY]:
            del rooms.departed[node]

    def _circuits_used(self, before: port.Counters, *, now: float) -> None:
        rooms = self._rooms
        for label, (total, _) in rooms.counters.carried.items():
            new = total - before.carried.get(label, (0, 0.0))[0]
            if new > 0:
                rooms.used[label] = rooms.used.get(label, 0) + new
        self._outbound.vouch(now=now)
        if rooms.used:
            rooms.relay.tell(relay.CircuitsUsed(tuple(rooms.used.items())), now=now)
            rooms.used.clear()


def _traffic(node: NodeId, each: port.PeerCounters) -> paths.Traffic:
    return paths.Traffic(
        node,
        each.complete,
        each.incomplete,
        each.highest,
        each.last_rx,
        each.last_tx,
        each.small,
        each.slices,
        each.missed,
        each.rebuilt,
    )
