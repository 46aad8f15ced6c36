"""The keeper of the punch engine: facts of this room and its host in, what the engine asks and tells out.

sockets, network, servers, keys, wants, signals --> engine --> datagrams, sockets, signals --> hall
                                                      |
          own endpoints, NAT profile <----------------+--> holes (claimed, proven, kept)
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from typing import Any

from msgspec import structs

from overlay.paths import events as happened
from overlay.paths import facts as told
from overlay.paths.board import Board, Timer
from overlay.paths.holes import Holes
from overlay.paths.peer import MOST_VOUCHED, Peer
from overlay.paths.proving import Proving
from overlay.paths.servers import Servers
from overlay.paths.sightings import Sightings
from overlay.values import Direct, NodeId
from punch import facts as tell
from punch.addresses import scope
from punch.commands import CloseSocket, Command
from punch.config import PunchConfig, StunConfig
from punch.engine import Engine
from punch.events import (
    AttemptEnded,
    AttemptStarted,
    BudgetView,
    HoleOpened,
    PeerView,
    ProfileChanged,
    ReflexiveFound,
)
from punch.values import Candidate, Endpoint, NatProfile, SocketId

SAY_AFTER = 0.5
"""Seconds a changed NAT profile waits for more of it before the record says so."""
UNSURE = 60.0
"""Seconds a lifetime is measured in the background: answers after 10, 20 and 40 s (nat-science section 1.4)."""
WANT_EVERY = 1.0
"""Seconds between two tellings that traffic wants a direct way."""
MEASURE_EVERY = 30.0
"""Seconds between two measurements on account of holes that went dead."""
STUN_METHODS = 4
"""First bytes below this are STUN's."""


class Punching:
    """The part of `paths` that owns the engine."""

    def __init__(
        self,
        board: Board,
        proving: Proving,
        sightings: Sightings,
        *,
        punch: PunchConfig,
        stun: StunConfig,
        entropy: random.Random,
        now: float,
    ) -> None:
        self._board = board
        self._sightings = sightings
        self._engine = Engine(punch, stun, entropy=entropy, now=now)
        self._holes = Holes(board, proving, self._engine.tell)
        self._servers = Servers(board)
        self.config = punch
        self.reflexive: dict[bool, Endpoint] = {}
        """Where our main sockets are seen, by is-IPv6."""
        self._keyed: dict[NodeId, None] = {}
        """Peers the engine holds probe keys of ..."""
        self._waiting: dict[NodeId, told.ProbeKeys] = {}
        """... and those to which no way is proven yet."""
        self._wanted: dict[NodeId, float] = {}
        self._words: dict[tuple[NodeId, NodeId], str] = {}
        """(peer, relay) -> where the relay hears the peer, while the circuit between is not proven yet."""
        self._hosts: dict[NodeId, str] = {}
        """Where we hear peers from, as last told."""
        self._network: tell.NetworkChanged | None = None
        self._measured_at = -MEASURE_EVERY
        """When a dead hole last led to that."""
        self._told: tuple[Any, ...] = ((), tell.ServersKnown(()))
        """Candidates and servers as last told."""
        self._servers.name(stun.servers, now=now)
        self._events: dict[type, Callable[..., None]] = {
            HoleOpened: self._hole_opened,
            ProfileChanged: self._profile_changed,
            ReflexiveFound: self._reflexive_found,
            AttemptStarted: lambda event, *, now: None,
            AttemptEnded: self._attempt_ended,
        }

    # --- verbs of the engine ---

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> None:
        """STUN or a probe came in."""
        self._engine.receive(payload, source, via=via, now=now)

    def next_timeout(self) -> float | None:
        """When the engine wants to be woken."""
        return self._engine.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Let the engine do what is due."""
        at = self._engine.next_timeout()
        if at is not None and at <= now:
            self._engine.handle_timeout(now=now)

    def settle(self, candidates: Callable[[], list[tuple[Endpoint, str]]], *, now: float) -> None:
        """Tell the engine what changed, and pass on what it asks and tells, until both are silent."""
        board, busy = self._board, True
        if board.rebound:
            board.rebound = False
            self._measure_again(now=now)
        for node in list(self._waiting):
            peer = board.peers.get(node)
            if peer is not None and peer.current:
                self._introduce(peer, now=now)
        for (node, by), host in list(self._words.items()):
            self._take_word(node, by, host, now=now)
        while busy:
            busy = board.stale or bool(board.turned)
            if board.stale:
                board.stale = False
                self._follow(candidates(), now=now)
            while board.turned:
                node, direct = board.turned.popleft()
                if node in self._keyed:
                    self._engine.tell(tell.PeerDirect(node, direct), now=now)
            for event in self._engine.events():
                busy = True
                self._events[type(event)](event, now=now)
        board.out.extend(command for command in self._engine.commands() if self._is_its(command))

    def _is_its(self, command: Command) -> bool:
        """Whether the engine may have that: not to close a socket that became a way's."""
        if not isinstance(command, CloseSocket):
            return True
        if self._holes.uses(command.socket):
            return False
        return self._board.engine_sockets.pop(command.socket, None) is not None

    def _follow(self, endpoints: list[tuple[Endpoint, str]], *, now: float) -> None:
        candidates = tuple(Candidate(endpoint, kind) for endpoint, kind in endpoints)
        servers = self._servers.known()
        self._hear(now=now)
        before, self._told = self._told, (candidates, servers)
        if candidates != before[0]:
            self._engine.tell(tell.CandidatesChanged(candidates), now=now)
        if servers != before[1]:
            self._engine.tell(servers, now=now)

    def _hear(self, *, now: float) -> None:
        """Where we hear peers from ourselves: what they ask to be touched at is there."""
        for node in self._keyed:
            peer = self._board.peers.get(node)
            way = peer.best_direct() if peer is not None and peer.session else None
            if way is not None and isinstance(way.where, Direct):
                host = way.where.endpoint.host
                if self._hosts.get(node) != host:
                    self._hosts[node] = host
                    self._engine.tell(tell.PeerHeard(node, host), now=now)

    # --- what the host knows ---

    def host(
        self, fact: told.SocketOpened | told.SocketFailed | told.SocketClosed | told.SendFailed, *, now: float
    ) -> None:
        """What becomes of sockets, and of what is sent by them, is for the engine as it stands."""
        self._engine.tell(fact, now=now)

    def network_changed(self, fact: told.AddressesChanged, *, now: float) -> None:
        """Addresses or gateway are others now."""
        around = self._board.around
        inner, broadcasts = tuple(str(net) for net in around.overlay), around.broadcasts()
        network = tell.NetworkChanged(_key(fact), around.own_hosts(), inner, broadcasts)
        if network == self._network:
            return
        first, self._network = self._network is None, network
        self.reflexive.clear()
        self._board.lifetime, self._board.unsure_until = None, now + UNSURE
        self._engine.tell(network, now=now)
        if not first:
            self._servers.resolve(now=now)

    def resolved(self, fact: told.Resolved) -> None:
        """Perhaps the name of a STUN server."""
        if self._servers.resolved(fact):
            self._board.stale = True

    def resolve_again(self, *, now: float) -> None:
        """Names of STUN servers are old."""
        self._servers.resolve(now=now)

    # --- peers ---

    def keys(self, fact: told.ProbeKeys, *, now: float) -> None:
        """Probes of a peer can be told from forgeries; the engine hears of it once some way to the peer is proven."""
        self._waiting[fact.peer] = fact

    def _introduce(self, peer: Peer, *, now: float) -> None:
        keys = self._waiting.pop(peer.node)
        first = self._board.own < peer.node
        self._keyed[peer.node] = None
        self._board.stale = True
        direct = peer.best_direct() is not None
        self._engine.tell(tell.PeerUp(peer.node, keys.seal_key, keys.open_key, keys.epoch, first, direct), now=now)
        self._engine.tell(tell.PeerDirect(peer.node, direct), now=now)

    def peer_down(self, node: NodeId, *, now: float) -> None:
        """No session with a peer is left."""
        self.peer_anew(node, now=now)
        self._words = {key: host for key, host in self._words.items() if key[0] != node}
        if (peer := self._board.peers.get(node)) is not None:
            peer.vouched = ()

    def peer_anew(self, node: NodeId, *, now: float) -> None:
        """A peer started again: so does what the engine knows of it, with the keys that follow."""
        self._wanted.pop(node, None)
        self._hosts.pop(node, None)
        self._waiting.pop(node, None)
        if node in self._keyed:
            del self._keyed[node]
            self._engine.tell(tell.PeerDown(node), now=now)

    def traffic(self, peer: Peer, *, now: float) -> None:
        """Packets for the peer are on their way; where a relay carries them, a direct way is wanted."""
        if not peer.current or not isinstance(peer.current[0], bytes) or peer.node not in self._keyed:
            return
        if now - self._wanted.get(peer.node, -WANT_EVERY) >= WANT_EVERY - 0.001:
            self._wanted[peer.node] = now
            self._engine.tell(tell.PeerWanted(peer.node, "traffic"), now=now)

    def demanded(self, node: NodeId, *, now: float) -> None:
        """A person wants a direct way now."""
        if node in self._keyed:
            self._engine.tell(tell.PeerWanted(node, "demand"), now=now)

    def signal(self, fact: told.SignalHeard, *, now: float) -> None:
        """The engine of a peer speaks."""
        peer = self._board.peers.get(fact.peer)
        if peer is not None and fact.peer in self._waiting:
            self._introduce(peer, now=now)
        if fact.peer in self._keyed:
            self._engine.tell(tell.SignalReceived(fact.peer, fact.signal), now=now)
        else:
            self._board.drop("signal_early")

    def host_heard(self, fact: told.HostHeard, *, now: float) -> None:
        """A member vouches for a peer's address: it counts if that is the relay the peer is reached by."""
        try:
            host = str(ipaddress.ip_address(fact.host))
        except ValueError:
            self._board.drop("heard_malformed")
            return
        if fact.by == fact.peer or fact.peer == self._board.own:
            self._board.drop("heard_foreign")
            return
        if not self._take_word(fact.peer, fact.by, host, now=now):
            self._board.drop("heard_unasked")

    def _take_word(self, node: NodeId, by: NodeId, host: str, *, now: float) -> bool:
        """Tell the engine once the circuit over `by` is proven; until then keep the word. False: there is none."""
        self._words.pop((node, by), None)
        peer = self._board.peers.get(node)
        way = peer.ways.get(by) if peer is not None else None
        if peer is None or way is None:
            return False
        if peer.session and way.proven:
            peer.vouched = (*(each for each in peer.vouched if each != host), host)[-MOST_VOUCHED:]
            self._engine.tell(tell.Heard(node, host, by), now=now)
        else:
            self._words[node, by] = host
        return True

    # --- settings ---

    def policy(self, fact: told.PunchPolicy, *, now: float) -> None:
        """Settings from now on."""
        self.config = fact.punch
        self._engine.tell(tell.PolicyChanged(fact.punch, fact.stun), now=now)
        self._servers.name(fact.stun.servers, now=now)
        self._board.stale = True

    def peer_policy(self, fact: told.PeerPolicy, *, now: float) -> None:
        """Settings for one peer."""
        self._engine.tell(tell.PeerPolicy(fact.peer, fact.nat3_nat4, fact.nat4_nat4), now=now)

    def detect(self, *, now: float) -> None:
        """Measure our NAT anew."""
        self._servers.resolve(now=now)
        self._engine.tell(tell.DetectAsked(), now=now)

    def _measure_again(self, *, now: float) -> None:
        """Where our NAT lets us out is to be seen anew before the next attempt."""
        if now - self._measured_at >= MEASURE_EVERY:
            self._measured_at = now
            self.detect(now=now)

    # --- what the engine tells ---

    def hole_due(self, about: Any, *, now: float) -> None:
        """A claimed hole is due."""
        self._holes.due(about, now=now)

    def _hole_opened(self, event: HoleOpened, *, now: float) -> None:
        self._holes.claim(event, now=now)

    def _profile_changed(self, event: ProfileChanged, *, now: float) -> None:
        if self._board.timers.get((Timer.NAT_SEEN, None)) is None:
            self._board.timers.set((Timer.NAT_SEEN, None), now + SAY_AFTER)

    def say_profile(self) -> None:
        """The profile has settled."""
        profile = self.profile
        self._board.lifetime = None if profile.open else profile.lifetime
        if profile.open:
            self._board.unsure_until = 0.0
        self._board.news.append(happened.NatSeen(profile))
        self._board.self_view_changed()

    def _reflexive_found(self, event: ReflexiveFound, *, now: float) -> None:
        if self.reflexive.get(event.endpoint.is_ipv6) != event.endpoint:
            self.reflexive[event.endpoint.is_ipv6] = event.endpoint
            self._board.self_view_changed()

    def _attempt_ended(self, event: AttemptEnded, *, now: float) -> None:
        ended = happened.PunchEnded(NodeId(event.peer), event.state, event.reason, event.text)
        self._board.news.append(ended)

    # --- queries ---

    @property
    def drops(self) -> dict[str, int]:
        """Of the engine."""
        return dict(self._engine.drops)

    @property
    def profile(self) -> NatProfile:
        """What is known of our own NAT; nothing blocks UDP where a session stands, whoever does not answer, and where
        nothing could be measured, handshakes may tell that there is no NAT."""
        profile = self._engine.profile
        if profile.blocked and any(peer.session for peer in self._board.peers.values()):
            profile = structs.replace(profile, blocked=False)
        return structs.replace(profile, open=True) if self._is_seen_open(profile) else profile

    def _is_seen_open(self, measured: NatProfile) -> bool:
        return measured.type == "unknown" and self._sightings.is_open()

    @property
    def undecided(self) -> tuple[str, ...]:
        """Fields of it that could not be decided."""
        return () if self._is_seen_open(self._engine.profile) else self._engine.undecided

    def profile_age(self, *, now: float) -> float | None:
        """Seconds since it was measured."""
        return self._engine.profile_age(now)

    def view(self, node: NodeId, *, now: float) -> PeerView:
        """How the punching for a peer goes."""
        return self._engine.view(node, now)

    def budget(self, *, now: float) -> BudgetView:
        """What was sent and may be sent."""
        return self._engine.budget(now)


def _key(fact: told.AddressesChanged) -> str:
    """Names a network by its gateway and the prefix that leads there: what else comes and goes, a bridge, a VPN, has
    no part in our NAT. Where no prefix does, by the public ones; addresses in a prefix change, temporary ones daily.
    """
    nets = [ipaddress.ip_interface(f"{address}/{length}").network for address, length, _ in fact.addresses]
    near = [net for net in nets if _address(fact.gateway) in net]
    public = [net for net in nets if scope(str(net.network_address)) == "public"]
    return " ".join(dict.fromkeys((fact.gateway, *(str(net) for net in near or public or nets)))).strip()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address a gateway goes by; the unspecified one where it has another name, or none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return ipaddress.IPv4Address(0)
