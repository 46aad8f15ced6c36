"""What happened in one room -> what the others must know, and what the plane and the person see."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Callable
from typing import Any

from overlay.dataplane import port
from overlay.gossip import events as gossip
from overlay.gossip import facts as gossip_told
from overlay.gossip.record import RecordEndpoint, RecordLink
from overlay.gossip.records import decode
from overlay.node import events as node
from overlay.node.circle import Circle, is_far
from overlay.node.commands import Configure, StoreAddress, StorePeers, StoreTickets
from overlay.node.nat import to_word
from overlay.node.outbound import Outbound
from overlay.node.relays import relay_refused
from overlay.node.report import path_of
from overlay.node.rerouting import Rerouting
from overlay.node.rooms import Rooms
from overlay.node.tables import Departed, Owner
from overlay.paths import events as paths
from overlay.paths import facts as paths_told
from overlay.relay import events as relay
from overlay.relay import facts as relay_told
from overlay.session import events as session
from overlay.session import facts as session_told
from overlay.values import Direct, NodeId, Relayed
from overlay.wire.codec import Malformed
from overlay.wire.messages import Records
from punch.values import Endpoint, parse_endpoint

MOST_REMEMBERED = 32
"""Endpoints kept for the next start."""
MOST_DEPARTED = 256
"""Members listed as gone; the newest are kept."""


class Happenings:
    """The part of the hall that passes events on."""

    def __init__(self, rooms: Rooms, outbound: Outbound, circle: Circle) -> None:
        self._rooms = rooms
        self._outbound = outbound
        self._circle = circle
        self._unsaved = False
        """Members or endpoints that answered are others than the disk knows."""
        self.rerouting = Rerouting(rooms, self._say_self, now=rooms.started)
        self._handlers: dict[type, Callable[..., None]] = {
            session.SessionOpened: self._session_opened,
            session.OpenKeyReady: self._open_key,
            session.KeysLive: self._keys_live,
            session.ProbeKeysLive: self._probe_keys,
            session.KeysMade: self._keys_made,
            session.KeysRetired: self._keys_retired,
            session.LabelRetired: self._label_retired,
            session.SessionLost: self._session_lost,
            session.TicketsChanged: self._tickets_changed,
            session.SecretRefused: self._secret_refused,
            session.DialFailed: self._dial_failed,
            relay.CircuitReady: self._circuit_ready,
            relay.CircuitLost: self._circuit_lost,
            relay.CircuitDenied: self._circuit_denied,
            relay.HandshakeCarried: self._handshake_carried,
            paths.PathChanged: self._path_changed,
            paths.PeerReached: self._peer_reached,
            paths.PeerSilent: self._peer_silent,
            paths.Refused: self._refused,
            paths.NeighbourUp: self._neighbour_up,
            paths.NeighbourMoved: self._neighbour_moved,
            paths.NeighbourDown: self._neighbour_down,
            paths.SelfViewChanged: self._self_view,
            paths.NatSeen: self._nat_seen,
            paths.PunchEnded: self._punch_ended,
            paths.AnsweredFrom: self._answered_from,
            paths.PongHeard: self._pong,
            paths.NobodyAnswers: self._nobody,
            paths.SomebodyAnswered: self._somebody,
            gossip.OwnRecordIssued: self._own_record,
            gossip.AddressClaimed: self._address_claimed,
            gossip.MemberChanged: self._member_changed,
            gossip.AddressBound: self._address_bound,
            gossip.AddressUnbound: self._address_unbound,
            gossip.MemberGone: self._member_gone,
            gossip.MemberQuiet: self._member_quiet,
            gossip.RootChanged: self._root_changed,
            gossip.Conflict: self._conflict,
            gossip.ConflictOver: self._conflict_over,
        }

    def take(self, event: Any, *, now: float) -> None:
        """Pass one event on."""
        self._handlers[type(event)](event, now=now)

    # --- session ---

    def _session_opened(self, event: session.SessionOpened, *, now: float) -> None:
        rooms = self._rooms
        rooms.pending[event.peer] = event
        rooms.labels[event.label] = Owner(event.peer, None)
        with contextlib.suppress(Malformed):
            rooms.runs[event.label] = decode(event.record, rooms.setup.keys.name).boot
        rooms.out.append(port.PutLabel(event.label, event.peer, False))
        rooms.out.append(port.PutOffloads(event.peer, event.offloads))
        rooms.problems.over("wrong_secret")
        rooms.problems.over("udp_blocked")

    def _open_key(self, event: session.OpenKeyReady, *, now: float) -> None:
        self._rooms.out.append(
            port.PutKeys(peer=event.peer, cipher=event.cipher, open_epoch=event.epoch, open_key=event.key)
        )

    def _keys_live(self, event: session.KeysLive, *, now: float) -> None:
        rooms = self._rooms
        rooms.out.append(port.PutKeys(peer=event.peer, cipher=event.cipher, seal_epoch=event.epoch, seal_key=event.key))
        opened = rooms.pending.pop(event.peer, None)
        if opened is None:
            # Two handshakes crossed, and the one that opened earlier gives way; or it is a rekey, with the same label.
            if (label := rooms.session.peer_label(event.peer)) is not None:
                rooms.paths.tell(paths_told.Relabelled(event.peer, label), now=now)
            return
        anew = self._is_anew(opened)
        unsure = anew or rooms.run_of(event.peer) is None
        if unsure and not opened.first and rooms.paths.neighbour(event.peer) is not None:
            # It started again, or may have, and knows none of the circuits that crossed it.
            rooms.relay.tell(relay_told.NeighbourDown(event.peer), now=now)
            rooms.relay.tell(relay_told.NeighbourUp(event.peer), now=now)
            rooms.vouched = {key: said for key, said in rooms.vouched.items() if event.peer not in key[:2]}
        # Of two handshakes that both completed, the label belongs to the one whose keys seal.
        label = rooms.session.peer_label(event.peer)
        label = label if label is not None else opened.peer_label
        if anew:
            # Should the run before live on, on another host, it hears of this one.
            self._outbound.send_to_each(event.peer, Records([opened.record]), now=now)
        up = paths_told.SessionUp(event.peer, opened.link, label, opened.dialled, opened.seen, anew)
        rooms.paths.tell(up, now=now)
        boot = rooms.boots.get(event.peer, b"")
        rooms.gossip.tell(gossip_told.SessionUp(event.peer, opened.record, boot), now=now)

    def _is_anew(self, opened: session.SessionOpened) -> bool:
        """Whether the peer started again since its last handshake, by the boot id of the record it sent with it."""
        rooms = self._rooms
        boot = rooms.run_of(opened.peer)
        if boot is None:
            return False
        before, rooms.boots[opened.peer] = rooms.boots.get(opened.peer), boot
        return before not in (None, boot)

    def _probe_keys(self, event: session.ProbeKeysLive, *, now: float) -> None:
        keys = paths_told.ProbeKeys(event.peer, event.epoch, event.seal_key, event.open_key)
        self._rooms.paths.tell(keys, now=now)

    def _keys_made(self, event: session.KeysMade, *, now: float) -> None:
        self._rooms.news.append(node.KeysMade(event))

    def _keys_retired(self, event: session.KeysRetired, *, now: float) -> None:
        self._rooms.out.append(port.DropKeys(event.peer, event.epoch))

    def _label_retired(self, event: session.LabelRetired, *, now: float) -> None:
        waiting = self._rooms.pending.get(event.peer)
        if waiting is not None and waiting.label == event.label:
            del self._rooms.pending[event.peer]
        for table in (self._rooms.labels, self._rooms.runs, self._rooms.places):
            table.pop(event.label, None)
        self._rooms.out.append(port.DropLabel(event.label))

    def _session_lost(self, event: session.SessionLost, *, now: float) -> None:
        rooms, peer = self._rooms, event.peer
        for label in [key for key, owner in rooms.labels.items() if owner.peer == peer and owner.relay is None]:
            del rooms.labels[label]
            rooms.runs.pop(label, None)
            rooms.places.pop(label, None)
        for table in (rooms.pending, rooms.highest, rooms.heard, rooms.boots):
            table.pop(peer, None)
        rooms.out.append(port.DropPeer(peer))
        rooms.paths.tell(paths_told.SessionDown(peer), now=now)
        rooms.gossip.tell(gossip_told.SessionDown(peer), now=now)
        self._show_blocked(now=now)

    def _tickets_changed(self, event: session.TicketsChanged, *, now: float) -> None:
        self._rooms.out.append(StoreTickets(event.peer, event.tickets))

    def _secret_refused(self, event: session.SecretRefused, *, now: float) -> None:
        rooms, link = self._rooms, event.link
        rooms.paths.tell(paths_told.DialEnded(link, "wrong_secret"), now=now)
        if isinstance(link, Direct) and rooms.paths.nearby.refused(link.endpoint, now=now):
            return  # another network of this name, on the same link
        who = rooms.gossip.name_of(link.peer) if isinstance(link, Relayed) else str(link.endpoint)
        rooms.problems.found(
            "wrong_secret",
            f"{who} answered, but its network name or secret is not ours.",
            f"Compare --network and --secret on both devices; here the network is {rooms.setup.keys.name!r}.",
            now=now,
        )

    def _dial_failed(self, event: session.DialFailed, *, now: float) -> None:
        if event.reason == "version":
            self._rooms.problems.found(
                "old_version",
                "A peer speaks another major version of the protocol.",
                "Install the same version of overlay on both devices.",
                now=now,
            )
        self._rooms.paths.tell(paths_told.DialEnded(event.link, event.reason), now=now)

    # --- relay ---

    def _circuit_ready(self, event: relay.CircuitReady, *, now: float) -> None:
        rooms = self._rooms
        rooms.put_end(event.label, Owner(event.peer, event.relay))
        rooms.out.append(port.PutLabel(event.label, event.peer, True))
        if not event.spare:
            rooms.paths.tell(paths_told.CircuitReady(event.peer, event.relay, event.out_label), now=now)

    def _circuit_lost(self, event: relay.CircuitLost, *, now: float) -> None:
        rooms = self._rooms
        if rooms.drop_end(event.label):
            rooms.out.append(port.DropLabel(event.label))
        if not event.spare:
            rooms.paths.tell(paths_told.CircuitLost(event.peer, event.relay), now=now)

    def _circuit_denied(self, event: relay.CircuitDenied, *, now: float) -> None:
        rooms = self._rooms
        if event.reason == "off":
            relay_refused(rooms, event.peer, [rooms.gossip.name_of(event.relay)], now=now)
        rooms.paths.tell(paths_told.CircuitLost(event.peer, event.relay), now=now)

    def _handshake_carried(self, event: relay.HandshakeCarried, *, now: float) -> None:
        self._rooms.session.receive(event.payload, Relayed(event.relay, event.sender), now=now)

    # --- paths ---

    def _path_changed(self, event: paths.PathChanged, *, now: float) -> None:
        rooms = self._rooms
        path = path_of(rooms, event.peer, event.view, now=now)
        rooms.news.append(node.PathChanged(event.peer, rooms.gossip.name_of(event.peer), path))

    def _peer_reached(self, event: paths.PeerReached, *, now: float) -> None:
        self._rooms.problems.over("relay_off")
        # A dial that ends after the farewell brings nobody back: who is here again says so by a record.
        if event.peer not in self._rooms.departed or self._rooms.gossip.member(event.peer) is not None:
            self._arrive(event.peer, now=now)

    def _arrive(self, peer: NodeId, *, now: float) -> None:
        rooms = self._rooms
        rooms.departed.pop(peer, None)
        path = path_of(rooms, peer, rooms.paths.view(peer), now=now)
        rooms.news.append(node.PeerJoined(peer, rooms.gossip.name_of(peer), path))

    def _peer_silent(self, event: paths.PeerSilent, *, now: float) -> None:
        self._circle.failed(event.peer, now=now)
        self._depart(event.peer, left=False, now=now)
        if self._rooms.chosen is not None:
            self._rooms.gossip.tell(gossip_told.Quiet(event.peer), now=now)

    def _refused(self, event: paths.Refused, *, now: float) -> None:
        self._circle.failed(event.peer, now=now)

    def _depart(self, peer: NodeId, *, left: bool, now: float) -> None:
        rooms, face = self._rooms, self._rooms.faces.get(peer)
        known = rooms.departed.get(peer)
        if face is not None and (known is None or left):
            name, record = face
            met = rooms.paths.peer(peer)
            rooms.departed[peer] = Departed(name, record, now, left, met.heard_at if met is not None else None)
            while len(rooms.departed) > MOST_DEPARTED:
                del rooms.departed[next(iter(rooms.departed))]
            rooms.news.append(node.PeerGone(peer, name, left))

    def _neighbour_up(self, event: paths.NeighbourUp, *, now: float) -> None:
        self._rooms.relay.tell(relay_told.NeighbourUp(event.peer), now=now)
        self._follow(event.peer)

    def _neighbour_moved(self, event: paths.NeighbourMoved, *, now: float) -> None:
        self._follow(event.peer)

    def _neighbour_down(self, event: paths.NeighbourDown, *, now: float) -> None:
        self._rooms.relay.tell(relay_told.NeighbourDown(event.peer), now=now)

    def _follow(self, peer: NodeId) -> None:
        """Circuits follow the neighbour's proven endpoint."""
        for forward in self._rooms.forwards.values():
            if peer in (forward.source, forward.target):
                self._outbound.install_forward(forward)

    def _self_view(self, event: paths.SelfViewChanged, *, now: float) -> None:
        self._say_self(now=now)

    def _say_self(self, *, now: float) -> None:
        rooms = self._rooms
        endpoints = tuple(RecordEndpoint(str(each), kind) for each, kind in rooms.paths.own_endpoints())
        links = tuple(RecordLink(peer, cost) for peer, cost in self.rerouting.links(now=now))
        nat = to_word(rooms.paths.punching.profile)
        rooms.gossip.tell(gossip_told.SelfChanged(endpoints, links, rooms.relay_on, nat), now=now)

    def _nat_seen(self, event: paths.NatSeen, *, now: float) -> None:
        self._show_blocked(now=now)

    def _show_blocked(self, *, now: float) -> None:
        """Whether UDP is blocked here, as far as is known: a session shows that it is not."""
        problems = self._rooms.problems
        if self._rooms.paths.punching.profile.blocked:
            problems.found(
                "udp_blocked",
                "No UDP comes back from any server: something on this network blocks it.",
                "Ask whoever runs this network to let UDP out, or use another one.",
                now=now,
            )
        else:
            problems.over("udp_blocked")

    def _punch_ended(self, event: paths.PunchEnded, *, now: float) -> None:
        name = self._rooms.gossip.name_of(event.peer)
        self._rooms.news.append(node.PunchEnded(event.peer, name, event.state, event.reason, event.text))

    def _answered_from(self, event: paths.AnsweredFrom, *, now: float) -> None:
        answered = self._rooms.answered
        answered.pop(event.endpoint, None)
        answered[event.endpoint] = event.peer
        while len(answered) > MOST_REMEMBERED:
            del answered[next(iter(answered))]
        self._unsaved = True

    def save(self) -> None:
        """Have what is known now remembered, if it changed."""
        if not self._unsaved:
            return
        self._unsaved = False
        newest_first = list(reversed(self._rooms.answered.items()))
        endpoints, holders = tuple(str(each) for each, _ in newest_first), tuple(each for _, each in newest_first)
        self._rooms.out.append(StorePeers(self._rooms.gossip.signed_records(), endpoints, holders))

    def _pong(self, event: paths.PongHeard, *, now: float) -> None:
        path = path_of(self._rooms, event.peer, event.view, now=now)
        self._rooms.news.append(node.PongHeard(event.peer, event.token, event.rtt * 1000, path))

    def _nobody(self, event: paths.NobodyAnswers, *, now: float) -> None:
        self._rooms.problems.found(
            "no_peer",
            f"No peer answers: {', '.join(dict.fromkeys(event.tried))}.",
            "Check the address, that the peer runs `overlay join`, and that UDP to it is open.",
            now=now,
        )

    def _somebody(self, event: paths.SomebodyAnswered, *, now: float) -> None:
        self._rooms.problems.over("no_peer")

    # --- gossip ---

    def _own_record(self, event: gossip.OwnRecordIssued, *, now: float) -> None:
        self._rooms.session.tell(session_told.RecordChanged(event.signed), now=now)
        self._rooms.out.append(StoreAddress(event.record.ipv4, event.record.sequence))

    def _address_claimed(self, event: gossip.AddressClaimed, *, now: float) -> None:
        rooms = self._rooms
        rooms.out.append(port.PutSelf(_packed(event.ipv4, event.ipv6)))
        rooms.out.append(Configure(event.ipv4, event.ipv6))
        rooms.news.append(node.NodeUp(rooms.gossip.own.name, event.ipv4, event.ipv6, event.why))

    def _member_changed(self, event: gossip.MemberChanged, *, now: float) -> None:
        endpoints: list[tuple[Endpoint, str]] = []
        for each in event.record.endpoints:
            try:
                endpoints.append((parse_endpoint(each.address), each.kind))
            except ValueError:
                self._rooms.drop("record_endpoint")
        self._rooms.faces[event.record.id] = (event.name, event.record)
        links = tuple((link.node, link.cost) for link in event.record.links)
        if self._rooms.roads.learn(event.record.id, links, relay=event.record.relay):
            self._rooms.relay.tell(relay_told.RoutesChanged(event.record.id), now=now)
            self.rerouting.stale(now=now)
        self._rooms.paths.tell(paths_told.MemberKnown(event.record.id, tuple(endpoints)), now=now)
        if event.record.id in self._rooms.departed:
            self._back(event.record.id, now=now)
        if event.first:
            self._circle.stale(now=now)
            self._unsaved = True

    def _address_bound(self, event: gossip.AddressBound, *, now: float) -> None:
        for address in _packed(event.address):
            self._rooms.out.append(port.PutRoute(address, event.peer))

    def _address_unbound(self, event: gossip.AddressUnbound, *, now: float) -> None:
        for address in _packed(event.address):
            self._rooms.out.append(port.DropRoute(address))

    def _back(self, peer: NodeId, *, now: float) -> None:
        """One that was gone says something new, to whomever."""
        known = self._rooms.paths.peer(peer)
        if known is not None and known.reached:
            self._arrive(peer, now=now)
        elif self._rooms.chosen is not None:
            del self._rooms.departed[peer]

    def _member_gone(self, event: gossip.MemberGone, *, now: float) -> None:
        self._depart(event.peer, left=event.left, now=now)
        self._rooms.roads.forget(event.peer)
        self._circle.stale(now=now)
        self._rooms.faces.pop(event.peer, None)
        self._rooms.paths.tell(paths_told.MemberForgotten(event.peer), now=now)
        self._unsaved = True

    def _member_quiet(self, event: gossip.MemberQuiet, *, now: float) -> None:
        if is_far(self._rooms, event.peer, now=now):
            self._depart(event.peer, left=False, now=now)

    def _root_changed(self, event: gossip.RootChanged, *, now: float) -> None:
        self._rooms.paths.tell(paths_told.RootChanged(event.root), now=now)

    def _conflict(self, event: gossip.Conflict, *, now: float) -> None:
        fixes = {
            "address_conflict": "Give one of the two devices another address with --ip.",
            "name_conflict": "Give this device another name with --name.",
            "identity_flood": "Unless a large network is joining this one, change the secret: somebody abuses it.",
            "false_claims": "If it goes on, change the secret and join again without that device.",
            "duplicate_id": "Delete the state folder on one of the two devices: they share one identity.",
        }
        self._rooms.problems.found(event.code, event.text, fixes.get(event.code, ""), now=now)

    def _conflict_over(self, event: gossip.ConflictOver, *, now: float) -> None:
        self._rooms.problems.over(event.code)


def _packed(*addresses: str) -> tuple[bytes, ...]:
    return tuple(ipaddress.ip_address(address).packed for address in addresses if address)
