"""Getting sessions: given addresses, and members that a record names."""

from __future__ import annotations

from overlay.paths import commands as do
from overlay.paths import events as happened
from overlay.paths import facts as told
from overlay.paths.board import Board, Timer
from overlay.paths.dials import MOST_ENDPOINTS, Dial, Dials
from overlay.paths.endpoints import may_dial
from overlay.paths.peer import Peer
from overlay.paths.proving import Proving
from overlay.paths.way import TRIES
from overlay.values import Direct, Link, NodeId, Relayed
from punch.addresses import scope
from punch.values import Endpoint, parse_endpoint

NOBODY_AFTER = 3.0
"""Seconds of dialling in vain after which a person is told."""
RELAY_HEAD_START = 1.0
"""Seconds a handshake over a relay gets before the endpoints of a record are dialled too, where somebody waits."""
STOP_AFTER = 3.7
"""4 packets: 0, 250, 750, 1,750 ms, and no fifth at 3,750 (protocol section 5)."""
REACH_FIRST, REACH_LAST = 2.0, 60.0
"""Seconds between attempts to get a session with a member; doubles."""
UNHEARD_AFTER = 5.0
"""Seconds without hearing a peer that is asked for a circuit until a new handshake starts in parallel."""
GIVE_UP_AFTER = 5.0
"""Seconds that waiting traffic is held while no way is found."""


class Dialling:
    """The part of `paths` that gets sessions."""

    def __init__(self, board: Board, proving: Proving) -> None:
        self._board = board
        self._proving = proving
        self._dials = Dials()
        self._nobody = False
        self._aimed: dict[Link, NodeId] = {}
        """Dials that records brought about, and at whom."""

    # --- given addresses ---

    def give(self, fact: told.PeersGiven, *, now: float) -> None:
        """Take the addresses of a person and of disk; those taken back are forgotten."""
        self._dials.keep_given(fact.given)
        for dial in self._dials.give(fact.given, remembered=False):
            self._board.out.append(do.Resolve(dial.address))
        for dial in self._dials.give((str(each) for each in fact.remembered), remembered=True):
            dial.endpoints = (parse_endpoint(dial.address),)
            self._start(dial, now=now)
        if self._dials and self._board.timers.get((Timer.NOBODY, None)) is None:
            self._board.timers.set((Timer.NOBODY, None), now + NOBODY_AFTER)

    def resolved(self, fact: told.Resolved, *, now: float) -> None:
        """A name has endpoints now, or an error."""
        dial = self._dials.get(fact.address)
        if dial is None or dial.holder is not None:
            return
        if not fact.endpoints:
            dial.failure = fact.error or "its name has no address"
            self._retry_later(dial, now=now)
            return
        dial.endpoints = fact.endpoints[:MOST_ENDPOINTS]
        self._start(dial, now=now)

    def _start(self, dial: Dial, *, now: float) -> None:
        if self._board.leaving:
            return
        dial.open = []
        failure = "this host has no socket of its address family"
        for endpoint in dial.endpoints:
            holder = self._holder(endpoint)
            if holder is not None:
                dial.holder = holder
                return
            via = self._board.socket_for(endpoint)
            if scope(endpoint.host) == "never":
                failure = "loopback, unspecified and multicast addresses are never dialled"
            elif dial.remembered and not may_dial(endpoint, around=self._board.around, shares_public=False):
                failure = "it is not near any more"
            elif via is not None:
                dial.open.append(endpoint)
                self._board.out.append(do.Dial(Direct(via, endpoint), None))
        if not dial.open:
            dial.failure = failure
            self._retry_later(dial, now=now)

    def _holder(self, endpoint: Endpoint) -> NodeId | None:
        for peer in self._board.peers.values():
            if peer.session and any(
                isinstance(where, Direct) and where.endpoint == endpoint and way.proven
                for where, way in peer.ways.items()
            ):
                return peer.node
        return None

    def _retry_later(self, dial: Dial, *, now: float) -> None:
        self._board.timers.set((Timer.RETRY_ADDRESS, dial.address), now + dial.retry_wait())

    def retry(self, address: str, *, now: float) -> None:
        """A given address is due again."""
        dial = self._dials.get(address)
        if dial is None or dial.holder is not None or self._board.leaving:
            return
        if dial.remembered:
            if any(peer.session for peer in self._board.peers.values()):
                self._retry_later(dial, now=now)
            else:
                self._start(dial, now=now)
        else:
            self._board.out.append(do.Resolve(dial.address))

    def redial_all(self, *, now: float) -> None:
        """The network changed: try every free address again soon."""
        for dial in self._dials.free():
            dial.tries = 0
            self._board.timers.set((Timer.RETRY_ADDRESS, dial.address), now + 0.1)

    def nobody(self, *, now: float) -> None:
        """Nobody answered for a while: tell, unless somebody did."""
        if not any(peer.session for peer in self._board.peers.values()) and self._dials:
            self._nobody = True
            self._board.news.append(happened.NobodyAnswers(self._dials.tried()))
            self._board.timers.set((Timer.NOBODY, None), now + 30.0)

    def ended(self, fact: told.DialEnded, *, now: float) -> None:
        """A handshake over some link failed."""
        if not isinstance(fact.link, Direct):
            return
        if fact.reason == "wrong_id":
            self._somebody_else(fact.link)
        for dial in self._dials.at(fact.link.endpoint):
            if fact.link.endpoint in dial.open:
                dial.open.remove(fact.link.endpoint)
                dial.failure = _FAILURES.get(fact.reason, fact.reason)
                if fact.reason in _LASTING:
                    # Each further try costs the other side's guess budget a token, which comes back once a minute.
                    dial.tries = 8
                if not dial.open and dial.holder is None:
                    self._retry_later(dial, now=now)

    def _somebody_else(self, link: Direct) -> None:
        """Another member lives where a record says that one does: the record is left alone there, and whoever it is
        is met under its own id."""
        told = [
            peer
            for peer in self._board.peers.values()
            if not peer.session
            and link.endpoint not in peer.misplaced
            and any(endpoint == link.endpoint for endpoint, _ in peer.endpoints)
        ]
        for peer in told:
            peer.misplaced = (*peer.misplaced, link.endpoint)
        if told:
            self._board.out.append(do.Dial(link, None))

    # --- sessions ---

    def session_up(self, peer: Peer, link: Link, *, now: float) -> None:
        """Somebody answered."""
        for timer in (Timer.DIAL_DIRECT, Timer.DIAL_RELAY, Timer.REDIAL):
            self._board.timers.clear((timer, peer.node))
        if self._nobody:
            self._nobody = False
            self._board.news.append(happened.SomebodyAnswered())
        self._board.timers.clear((Timer.NOBODY, None))
        for other in [other for other, node in self._aimed.items() if node == peer.node and other != link]:
            self.stop_dial(other, now=now)
        if isinstance(link, Direct):
            for dial in self._dials.at(link.endpoint):
                self._hold(dial, peer, link.endpoint)

    def _hold(self, dial: Dial, peer: Peer, endpoint: Endpoint) -> None:
        dial.holder = peer.node
        dial.tries = 0
        self._board.timers.clear((Timer.RETRY_ADDRESS, dial.address))
        for other in dial.open:
            via = self._board.socket_for(other)
            if other != endpoint and via is not None:
                self._board.out.append(do.DropDial(Direct(via, other)))
        dial.open = []

    def session_down(self, peer: Peer, *, now: float) -> None:
        """A session is gone: its addresses are due again, and so is the member."""
        alone = not any(each.session for each in self._board.peers.values())
        if alone or not self._board.wanted.is_released(peer):
            # The address of one that let us go waits until nobody else is there.
            for dial in self._dials.lost(peer.node, all_of_them=alone):
                self._retry_later(dial, now=now)
        if self._dials and alone:
            self._board.timers.set((Timer.NOBODY, None), now + NOBODY_AFTER)
        if peer.known:
            self.reach_soon(peer, now=now)
        else:
            for link in [link for link, node in self._aimed.items() if node == peer.node]:
                self.stop_dial(link, now=now)

    # --- members ---

    def reach_soon(self, peer: Peer, *, now: float) -> None:
        """A member without a session: start trying at once, unless already trying, if it is wanted."""
        if self._board.wanted.wants(peer, now=now) and self._board.timers.get((Timer.REACH, peer.node)) is None:
            self._board.timers.set((Timer.REACH, peer.node), now)

    def reach(self, peer: Peer, *, now: float) -> None:
        """One attempt to get a session with a member, or a way to it: directly first, unless somebody waits for what
        a relay can do at once."""
        if (peer.session and peer.current) or not peer.known or self._board.leaving:
            return
        if not self._board.wanted.wants(peer, now=now):
            return
        peer.dialled_direct = peer.dialled_direct and now - peer.dialled_at < STOP_AFTER
        self._proving.try_endpoints(peer, now=now)
        if not self._board.is_in_haste(peer, now=now):
            self.dial_direct(peer, now=now)
        peer.searched = False
        self._board.seek_relay(peer, now=now)
        wait = min(REACH_LAST, REACH_FIRST * 2.0 ** min(peer.tries, 6))
        peer.tries += 1
        spread = 0.75 + self._board.entropy.random() / 2
        self._board.timers.set((Timer.REACH, peer.node), now + max(STOP_AFTER + 0.5, wait) * spread)

    def dial_relay(self, peer: Peer, *, now: float) -> None:
        """Nothing else led to the peer so far."""
        if peer.known and not peer.current and not self._board.leaving:
            peer.searched = True
            self._board.out.append(do.FindRelay(peer.node))

    def relays_found(self, peer: Peer, relays: tuple[NodeId, ...], *, now: float) -> None:
        """Who may carry: the best is asked; without any, the record's endpoints are dialled at once."""
        peer.relays = relays
        if relays:
            self.use_relay(peer, now=now)
        if not peer.session:
            self._board.timers.set((Timer.DIAL_DIRECT, peer.node), now + (RELAY_HEAD_START if relays else 0.0))

    def use_relay(self, peer: Peer, *, now: float) -> None:
        """Ask the next relay for a circuit, and dial over it where there is no session."""
        if not peer.relays:
            return
        relay, peer.relays = peer.relays[0], peer.relays[1:]
        peer.sought_at = now
        if peer.session or not self._may_meet(peer, now=now):
            self._board.out.append(do.WantCircuit(peer.node, relay))
        if not peer.session or self._unheard(peer, now=now):
            self._dial(peer, Relayed(relay, peer.node), now=now)

    def met_over(self, peer: Peer, relay: NodeId, *, now: float) -> None:
        """A handshake of ours went over a relay: a circuit is to follow, unless a direct way comes first."""
        if self._may_meet(peer, now=now):
            self._board.seek_relay(peer, now=now)
        else:
            self._board.out.append(do.WantCircuit(peer.node, relay))

    def _may_meet(self, peer: Peer, *, now: float) -> bool:
        """Whether, in a crowd, a direct way may come of what the record names, and nobody waits meanwhile."""
        crowd = self._board.crowd(now=now) > 0 and not self._board.is_in_haste(peer, now=now)
        return crowd and bool(self._proving.dialable(peer))

    def _unheard(self, peer: Peer, *, now: float) -> bool:
        """A session with a peer that no way reaches: it may have forgotten us (protocol section 4)."""
        return not peer.current and now - (peer.heard_at or peer.session_at) >= UNHEARD_AFTER

    def dial_direct(self, peer: Peer, *, now: float) -> None:
        """Dial the endpoints of a member's record, once an attempt."""
        if peer.session or peer.dialled_direct or self._board.leaving:
            return
        peer.dialled_direct = True
        for endpoint in self._proving.dialable(peer):
            via = self._board.socket_for(endpoint)
            if via is not None and self._board.may_knock(endpoint, packets=TRIES, now=now):
                peer.dialled_at = now
                self._dial(peer, Direct(via, endpoint), now=now)

    def _dial(self, peer: Peer, link: Link, *, now: float) -> None:
        self._aimed[link] = peer.node
        self._board.out.append(do.Dial(link, peer.node))
        self._board.timers.set((Timer.STOP_DIAL, link), now + STOP_AFTER)

    def stop_dial(self, link: Link, *, now: float) -> None:
        """A record alone gets no more packets out of us; where a person had us dial, that goes on."""
        self._aimed.pop(link, None)
        if not (isinstance(link, Direct) and any(link.endpoint in dial.open for dial in self._dials.at(link.endpoint))):
            self._board.out.append(do.DropDial(link))

    def redial(self, peer: Peer, *, now: float) -> None:
        """Sent for 5 s and nothing opened: a new handshake in parallel by the ways there are; nothing is torn down."""
        for where in list(peer.ways)[:4]:
            link = where if isinstance(where, Direct) else Relayed(where, peer.node)
            self._dial(peer, link, now=now)

    def traffic_waiting(self, peer: Peer, *, now: float) -> None:
        """Somebody wants the peer now."""
        peer.user_at = max(peer.user_at, now)
        if peer.routes:
            self._board.out.append(do.UseRoutes(peer.node, peer.routes))
            return
        self._board.timers.set((Timer.GIVE_UP, peer.node), now + GIVE_UP_AFTER)
        if peer.session:
            self._board.out.append(do.FindRelay(peer.node))
            self._proving.try_endpoints(peer, now=now)
        elif peer.known and (peer.tries > 1 or self._board.timers.get((Timer.REACH, peer.node)) is None):
            peer.tries = 0
            self._board.timers.set((Timer.REACH, peer.node), now)
        elif peer.known:
            self._board.seek_relay(peer, now=now)


_LASTING = ("self", "wrong_secret")
"""Reasons that a try a second later will not change."""
_FAILURES = {
    "no_answer": "no answer",
    "wrong_secret": "it has another secret or network name",
    "wrong_id": "somebody else answers there",
    "self": "that is this node itself",
    "version": "it speaks another version",
}
