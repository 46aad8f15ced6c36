"""The hall: settles after each input.

input -> one room -> commands and events -> other rooms ... until all are silent
      -> commands, events, next timeout for the shell
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from overlay.dataplane import port
from overlay.gossip.record import Record
from overlay.node import facts as told
from overlay.node.circle import Circle
from overlay.node.commands import Command
from overlay.node.events import Event
from overlay.node.explain import explain
from overlay.node.farewell import Farewell
from overlay.node.happenings import Happenings
from overlay.node.inbound import Inbound
from overlay.node.lan import Lan
from overlay.node.outbound import Outbound
from overlay.node.outside import Outside
from overlay.node.report import path_of, punch_view, snapshot
from overlay.node.rooms import Rooms
from overlay.node.setup import Setup
from overlay.node.snapshot import Explained, Path, Snapshot
from overlay.node.tracing import Trace
from overlay.values import NodeId
from punch.config import PunchConfig
from punch.events import PeerView
from punch.machine import Machine
from punch.values import Endpoint, SocketId

MOST_ROUNDS = 1000
"""Rounds of settling after one input; more would be a loop between rooms: counted, and left for the next input."""


class Timed(Protocol):
    """A part of the node that waits for moments."""

    def next_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called."""

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""


class Node:
    """A whole node: an edge machine."""

    def __init__(self, setup: Setup, *, keygen: Callable[[int], bytes], entropy: random.Random, now: float) -> None:
        self._rooms = Rooms(setup, keygen=keygen, entropy=entropy, now=now)
        self._outbound = Outbound(self._rooms)
        self._trace = Trace(self._rooms, self._outbound, entropy=entropy)
        self._inbound = Inbound(self._rooms, self._outbound, self._trace, self._settle)
        self._circle = Circle(self._rooms)
        self._happenings = Happenings(self._rooms, self._outbound, self._circle)
        self._farewell = Farewell(self._rooms, self._outbound)
        self._lan = Lan(self._rooms, keygen, enabled=setup.lan)
        self._outside = Outside(self._rooms, self._outbound, self._farewell, self._trace, self._lan)
        rooms, happenings = self._rooms, self._happenings
        self._timed: tuple[Timed, ...] = (
            *(rooms.session, rooms.relay, rooms.paths, rooms.gossip),
            *(self._circle, happenings.rerouting, self._trace, self._lan, self._farewell),
        )
        self._outside.start(now=now)
        self._settle(now=now)

    # --- the verbs ---

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> None:
        """One UDP payload that is not data came from `source` into socket `via`."""
        if self._rooms.left:
            return
        self._inbound.receive(payload, source, via=via, now=now)
        self._settle(now=now)

    def tell(self, fact: told.Fact | port.Fact, *, now: float) -> None:
        """Hand over what this host knows."""
        if self._rooms.left:
            return
        self._outside.tell(fact, now=now)
        self._settle(now=now)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        if self._rooms.left:
            return None
        moments = [each.next_timeout() for each in self._timed]
        return min((at for at in moments if at is not None), default=None)

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        if self._rooms.left:
            return
        for each in self._timed:
            at = each.next_timeout()
            if at is not None and at <= now:
                each.handle_timeout(now=now)
        self._settle(now=now)

    def commands(self) -> Iterator[Command]:
        """Drain what the shell is to do."""
        while self._rooms.out:
            yield self._rooms.out.popleft()

    def events(self) -> Iterator[Event]:
        """Drain what happened."""
        while self._rooms.news:
            yield self._rooms.news.popleft()

    # --- queries ---

    @property
    def id(self) -> NodeId:
        """Our id."""
        return self._rooms.own

    def member(self, node: NodeId) -> Record | None:
        """What a member says of itself."""
        return self._rooms.gossip.member(node)

    def snapshot(self, *, now: float) -> Snapshot:
        """What `status` shows; tell CountersPulled just before."""
        return snapshot(self._rooms, now=now)

    def punching(self, peer: NodeId, *, now: float) -> PeerView:
        """How the search for a direct way to `peer` goes, with its journal."""
        return punch_view(self._rooms, peer, now=now)

    def explain(self, peer: NodeId, *, now: float) -> Explained:
        """The ways to `peer` and who may carry to it, for `why`."""
        return explain(self._rooms, peer, now=now)

    def path(self, peer: NodeId, *, now: float) -> Path:
        """What we send on to `peer`."""
        return path_of(self._rooms, peer, self._rooms.paths.view(peer), now=now)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Fields of our own NAT profile that could not be decided."""
        return self._rooms.paths.punching.undecided

    @property
    def punch_config(self) -> PunchConfig:
        """The engine's settings in force."""
        return self._rooms.paths.punching.config

    # --- settling ---

    def _settle(self, *, now: float) -> None:
        rooms = self._rooms
        for _ in range(MOST_ROUNDS):
            silent = True
            for room in (rooms.session, rooms.relay, rooms.paths, rooms.gossip):
                silent = self._drain(room, now=now) and silent
            if silent:
                self._happenings.save()
                return
        rooms.drop("unsettled")

    def _drain(self, room: Machine[Any, Any, Any], *, now: float) -> bool:
        silent = True
        for event in room.events():
            silent = False
            self._happenings.take(event, now=now)
        for command in room.commands():
            silent = False
            self._outbound.do(command, now=now)
        return silent
