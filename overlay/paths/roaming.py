"""This host's network changed, or it slept: new endpoints told, every way asked from where we are now.

bell, AddressesChanged --> own endpoints, NAT measured anew, record issued
                      \\--> every way in use asked at once; data goes on by it, and by a spare until it answers

The peer takes frames from a new source as a candidate (protocol section 5): its answers come here one round trip
after our first frame. Wall time decides nothing; a sleep shows as a gap between two ticks of a clock that goes on.
"""

from __future__ import annotations

import msgspec

from overlay.paths import facts as told
from overlay.paths.board import Board, Timer
from overlay.paths.dialling import Dialling
from overlay.paths.proving import Proving
from overlay.paths.punching import Punching
from overlay.values import Direct

AWAKE = 15.0
"""Seconds after waking until somebody who was not heard is silent."""


class Roaming:
    """The part of `paths` that follows this host about."""

    def __init__(self, board: Board, proving: Proving, dialling: Dialling, punching: Punching) -> None:
        self._board = board
        self._proving = proving
        self._dialling = dialling
        self._punching = punching
        self._network: tuple[tuple[tuple[str, int, str], ...], str] | None = None
        """This host's addresses and gateway, once they were told, if only that there are none."""

    def addresses_changed(self, fact: told.AddressesChanged, *, now: float) -> None:
        """Addresses or gateway are others now, perhaps."""
        network = (fact.addresses, fact.gateway)
        if network == self._network:
            return
        first, self._network = self._network is None, network
        self._board.around = msgspec.structs.replace(self._board.around, addresses=fact.addresses)
        self._punching.network_changed(fact, now=now)
        self._board.self_view_changed()
        if not first:
            self._dialling.redial_all(now=now)
            self._ask_everywhere(now=now)

    def woke(self, _: told.Woke, *, now: float) -> None:
        """We slept: nobody is blamed for not having been heard, and everybody is asked at once."""
        self._board.woke_at = now
        for peer in self._board.peers.values():
            peer.vigil.rest()
            if peer.session:
                self._board.timers.set((Timer.SILENCE, peer.node), now + AWAKE)
        self._board.self_view_changed()
        self._dialling.redial_all(now=now)
        self._ask_everywhere(now=now)

    def _ask_everywhere(self, *, now: float) -> None:
        """Peers in use first: there are packets that wait. Ways that lead from here are in doubt until they answer."""
        peers = [peer for peer in self._board.peers.values() if peer.session]
        for peer in sorted(peers, key=lambda peer: -peer.user_at):
            for way in list(peer.ways.values()):
                if way.proven and isinstance(way.where, Direct):
                    self._board.distrust(peer, way, now=now)
                    self._proving.back_to_base(peer, way, now=now)
                self._proving.ask_anew(peer, way, now=now)
            self._proving.try_endpoints(peer, now=now)
            self._board.settle(peer, now=now)
