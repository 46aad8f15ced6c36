"""What rooms ask for -> frames, plane commands, and facts for other rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from overlay.dataplane import port
from overlay.gossip import commands as gossip
from overlay.node.commands import Resolve
from overlay.node.relays import find_relays, open_anew
from overlay.node.rooms import Rooms
from overlay.paths import commands as paths
from overlay.paths import facts as paths_told
from overlay.paths.facts import Where
from overlay.paths.way import BASE_SIZE
from overlay.relay import commands as relay
from overlay.relay import facts as relay_told
from overlay.sealing import LARGEST_TAG
from overlay.session import commands as session
from overlay.session import facts as session_told
from overlay.values import Direct, Label, NodeId, Relayed
from overlay.wire import frame as wire
from overlay.wire.messages import Carried, Heard, Message, Signal
from punch.commands import CloseSocket, OpenSockets, SendDatagram, SendSignal
from punch.values import Endpoint

VOUCHED = 3
"""Times we tell an end of a circuit where we hear the other from: at once, and with the next seconds' counters ..."""
VOUCH_EVERY = 30.0
"""... and seconds until we do so again where the circuit is used: such a word is good for 90."""
CARRIED_LINKS = 7
"""Links a handshake may still cross behind the first relay (8 in all: protocol section 7)."""


class Outbound:
    """The half of the hall that sends."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._handlers: dict[type, Callable[..., None]] = {
            session.SendHandshake: self._handshake,
            session.SendControl: self._control,
            gossip.SendGossip: self._gossip,
            relay.SendRelay: self._to_neighbour,
            relay.Forward: self._put_forward,
            relay.StopForward: self._stop_forward,
            paths.Resolve: self._resolve,
            paths.Dial: self._dial,
            paths.DropDial: self._drop_dial,
            paths.FindRelay: self._find_relay,
            paths.WantCircuit: self._want_circuit,
            paths.DropCircuit: self._drop_circuit,
            paths.SendOn: self._send_on,
            paths.UseRoutes: self._use_routes,
            paths.GiveUpWaiting: self._give_up,
            paths.EndSession: self._end_session,
            SendDatagram: self._as_it_is,
            OpenSockets: self._as_it_is,
            CloseSocket: self._as_it_is,
            SendSignal: self._signal,
        }

    def do(self, command: Any, *, now: float) -> None:
        """Carry out what a room asked for."""
        self._handlers[type(command)](command, now=now)

    # --- frames ---

    def _handshake(self, command: session.SendHandshake, *, now: float) -> None:
        link = command.link
        if isinstance(link, Direct):
            self._rooms.out.append(SendDatagram(link.via, link.endpoint, command.frame))
            return
        carried = Carried(link.peer, self._rooms.own, command.frame, CARRIED_LINKS)
        self._to_neighbour(relay.SendRelay(link.relay, carried), now=now)

    def _control(self, command: session.SendControl | gossip.SendGossip, *, now: float) -> None:
        where = self._rooms.paths.control_where(command.peer)
        if where is None:
            self._rooms.drop("control_no_way")
        else:
            self.send(command.peer, where, command.message, now=now)

    def _gossip(self, command: gossip.SendGossip, *, now: float) -> None:
        if not command.to_each or not self.send_to_each(command.peer, command.message, now=now):
            self._control(command, now=now)

    def send_to_each(self, peer: NodeId, message: Message, *, now: float) -> bool:
        """Say it under the keys of each handshake of `peer` that lives, where it speaks from: they may be two hosts.

        False: there is but one, or none is known to speak directly.
        """
        rooms = self._rooms
        labels = {
            own: (theirs, place) for own, theirs in rooms.session.labels(peer) if (place := rooms.places.get(own))
        }
        if len(labels) < 2:
            return False
        for own, (theirs, place) in labels.items():
            sealed = rooms.session.seal_under(peer, own, message, now=now)
            if sealed is not None:
                for piece in wire.cut(wire.CONTROL, theirs, sealed.epoch, sealed.counter, sealed.body, BASE_SIZE):
                    rooms.out.append(SendDatagram(place.via, place.endpoint, piece))
        return True

    def _to_neighbour(self, command: relay.SendRelay, *, now: float) -> None:
        way = self._rooms.paths.neighbour(command.peer)
        if way is None:
            self._rooms.drop("control_no_way")
        else:
            self.send(command.peer, way.where, command.message, now=now)

    def _send_on(self, command: paths.SendOn, *, now: float) -> None:
        self.send(command.peer, command.where, command.message, pad=command.pad, now=now)

    def send(self, peer: NodeId, where: Where, message: Message, *, pad: int = 0, now: float) -> None:
        """Seal `message` and send it by `where`, cut to what that way is known to carry."""
        rooms = self._rooms
        hop = self._hop(peer, where)
        if hop is None:
            rooms.drop("control_no_way")
            return
        link, label = hop
        sealed = rooms.session.seal(peer, message, pad=max(0, pad - wire.HEADER_SIZE), now=now)
        if sealed is None:
            rooms.drop("control_no_keys")
            return
        size = max(pad, BASE_SIZE)
        for piece in wire.cut(wire.CONTROL, label, sealed.epoch, sealed.counter, sealed.body, size):
            rooms.out.append(SendDatagram(link.via, link.endpoint, piece))
        rooms.paths.tell(paths_told.Sent(peer, where), now=now)
        if not isinstance(where, Direct):
            self.use_circuit(peer, where, len(sealed.body))

    def _hop(self, peer: NodeId, where: Where) -> tuple[Direct, Label] | None:
        """The first link of a way, and the label frames carry on it."""
        known = self._rooms.paths.peer(peer)
        way = known.ways.get(where) if known is not None else None
        if isinstance(where, Direct):
            label = way.label if way is not None else self._rooms.session.peer_label(peer)
            return (where, label) if label is not None else None
        first = self._rooms.paths.neighbour(where)
        if way is None or first is None or not isinstance(first.where, Direct):
            return None
        return (first.where, way.label)

    def use_circuit(self, peer: NodeId, relay_node: NodeId, size: int) -> None:
        """A circuit that ends here carried `size` bytes."""
        rooms = self._rooms
        for label in rooms.ends.get((peer, relay_node), ()):
            rooms.used[label] = rooms.used.get(label, 0) + size

    def _as_it_is(self, command: SendDatagram | OpenSockets | CloseSocket, *, now: float) -> None:
        self._rooms.out.append(command)

    def _signal(self, command: SendSignal, *, now: float) -> None:
        peer = NodeId(command.peer)
        where = self._rooms.paths.control_where(peer)
        if where is None:
            self._rooms.drop("control_no_way")
        else:
            self.send(peer, where, Signal(command.signal), now=now)

    # --- circuits ---

    def _put_forward(self, command: relay.Forward, *, now: float) -> None:
        self._rooms.forwards[command.label] = command
        self.install_forward(command)
        self._vouch(command.target, command.source, used=True, now=now)

    def install_forward(self, command: relay.Forward) -> None:
        """Tell the plane where frames of a carried circuit come from and go to now."""
        source = self._rooms.paths.neighbour(command.source)
        target = self._rooms.paths.neighbour(command.target)
        if source is None or target is None:
            return
        came, goes = source.where, target.where
        if isinstance(came, Direct) and isinstance(goes, Direct):
            also = self._rooms.paths.endpoints_of(command.source)
            self._rooms.out.append(
                port.PutCircuit(command.label, came.endpoint, command.out_label, goes.via, goes.endpoint, also)
            )

    def vouch(self, *, now: float) -> None:
        """Tell both ends of each circuit we carry where we hear the other from: a few times, as nobody answers, and
        again as long as it is used (`rooms.used` knows the last second's)."""
        rooms = self._rooms
        pairs: dict[tuple[NodeId, NodeId], bool] = {}
        for label, each in rooms.forwards.items():
            for pair in ((each.target, each.source), (each.source, each.target)):
                pairs[pair] = pairs.get(pair, False) or label in rooms.used
        for (to, about), used in pairs.items():
            self._vouch(to, about, used=used, now=now)
        rooms.vouched = {key: said for key, said in rooms.vouched.items() if key[:2] in pairs}

    def _vouch(self, to: NodeId, about: NodeId, *, used: bool, now: float) -> None:
        rooms, way = self._rooms, self._rooms.paths.neighbour(to)
        for host in dict.fromkeys(endpoint.host for endpoint in rooms.paths.endpoints_of(about)):
            times, last = rooms.vouched.get((to, about, host), (0, now))
            due = times < VOUCHED or (used and now - last >= VOUCH_EVERY)
            if way is not None and due:
                rooms.vouched[to, about, host] = times + 1, now
                self.send(to, way.where, Heard(about, host), now=now)

    def _stop_forward(self, command: relay.StopForward, *, now: float) -> None:
        self._rooms.forwards.pop(command.label, None)
        self._rooms.out.append(port.DropCircuit(command.label))

    # --- from paths ---

    def _resolve(self, command: paths.Resolve, *, now: float) -> None:
        self._rooms.out.append(Resolve(command.address))

    def _dial(self, command: paths.Dial, *, now: float) -> None:
        link = command.link
        if not isinstance(link, Relayed) or self._rooms.paths.neighbour(link.relay) is not None:
            likely = self._likely(link.endpoint) if isinstance(link, Direct) and command.expect is None else None
            self._rooms.session.tell(session_told.DialAsked(link, command.expect, likely, command.chance), now=now)

    def _likely(self, endpoint: Endpoint) -> NodeId | None:
        """Who answered there before, or says that it can be reached there."""
        rooms, text = self._rooms, str(endpoint)
        known = rooms.answered.get(endpoint, rooms.own)
        if known != rooms.own:
            return known
        others = (each for each in rooms.gossip.members() if each.id != rooms.own)
        return next((each.id for each in others if any(end.address == text for end in each.endpoints)), None)

    def _drop_dial(self, command: paths.DropDial, *, now: float) -> None:
        self._rooms.session.tell(session_told.DialDropped(command.link), now=now)

    def _find_relay(self, command: paths.FindRelay, *, now: float) -> None:
        found = find_relays(self._rooms, command.peer, now=now)
        open_anew(self._rooms, command.peer, found, now=now)
        relays, costs = tuple(each.relay for each in found), tuple(each.cost_ms for each in found)
        self._rooms.paths.tell(paths_told.RelaysFound(command.peer, relays, costs), now=now)

    def _want_circuit(self, command: paths.WantCircuit, *, now: float) -> None:
        self._rooms.relay.tell(relay_told.CircuitWanted(command.peer, command.relay), now=now)

    def _drop_circuit(self, command: paths.DropCircuit, *, now: float) -> None:
        ended = relay_told.CircuitUnwanted if command.spare else relay_told.CircuitFailed
        self._rooms.relay.tell(ended(command.peer, command.relay), now=now)

    def _use_routes(self, command: paths.UseRoutes, *, now: float) -> None:
        ways = tuple(
            port.Way(
                route.via,
                route.endpoint,
                route.label,
                route.size,
                route.size - wire.HEADER_SIZE - LARGEST_TAG
                if route.small
                else min(route.limit or port.FULL_ENVELOPE, port.FULL_ENVELOPE),
                route.watch,
                route.parity,
            )
            for route in command.routes
        )
        self._rooms.out.append(port.PutWay(command.peer, ways))

    def _end_session(self, command: paths.EndSession, *, now: float) -> None:
        self._rooms.session.tell(session_told.PeerLeft(command.peer), now=now)

    def _give_up(self, command: paths.GiveUpWaiting, *, now: float) -> None:
        self._rooms.out.append(port.DropWaiting(command.peer))
