"""What `status` shows, gathered from the rooms."""

from __future__ import annotations

from collections import Counter

import msgspec

from overlay.node import snapshot as shown
from overlay.node.circle import is_far
from overlay.node.nat import describe, from_word
from overlay.node.relays import relays_of
from overlay.node.rooms import Rooms
from overlay.paths.events import PathView
from overlay.values import NodeId
from punch.events import PeerView


def path_of(rooms: Rooms, peer: NodeId, view: PathView, *, now: float) -> shown.Path:
    """A path to `peer` in the contract's words."""
    via = via_names(rooms, peer, view.relay) if view.relay is not None else []
    return shown.Path(
        kind=view.kind,
        transport=view.endpoint.transport if view.endpoint is not None else None,
        endpoint=str(view.endpoint) if view.endpoint is not None else None,
        via=via,
        hops=None if view.kind == "none" else 1 + len(via),
        since_s=None if view.kind == "none" else round(now - view.since, 1),
    )


def via_names(rooms: Rooms, peer: NodeId, relay: NodeId) -> list[str]:
    """The relays of a circuit to `peer`, from us on."""
    return [rooms.gossip.name_of(each) for each in relays_of(rooms, peer, relay)]


def snapshot(rooms: Rooms, *, now: float) -> shown.Snapshot:
    """Everything `status` tells."""
    peers = [_peer(rooms, record.id, now=now) for record in rooms.gossip.members()]
    known = {peer.id for peer in peers}
    peers += [_gone(rooms, node, now=now) for node in rooms.departed if node.hex() not in known]
    return shown.Snapshot(
        version=rooms.setup.version,
        network=shown.Network(rooms.setup.keys.name, 1 + sum(peer.state != "gone" for peer in peers)),
        self=_self(rooms, now=now),
        peers=sorted(peers, key=lambda peer: (peer.state == "gone", peer.name, peer.id)),
        punch=_punch(rooms, now=now),
        drops=_drops(rooms),
        problems=rooms.problems.listed(now=now),
    )


def _punch(rooms: Rooms, *, now: float) -> shown.Punch:
    config, budget = rooms.paths.punching.config, rooms.paths.punching.budget(now=now)
    return shown.Punch(
        enabled=config.enabled,
        nat3_nat4=config.nat3_nat4,
        nat4_nat4=config.nat4_nat4,
        probes_sent=budget.probes_sent,
        probes_received=budget.probes_received,
        measured=budget.measured,
        entries_live=budget.entries_live,
        max_entries=config.max_entries,
        max_pps=config.max_pps,
    )


def punch_view(rooms: Rooms, node: NodeId, *, now: float) -> PeerView:
    """How the search for a direct way to a member goes; a success is one as long as its hole is used."""
    view = rooms.paths.punching.view(node, now=now)
    if view.state != "succeeded":
        return view
    if not view.attempts:
        return msgspec.structs.replace(view, state="idle")
    if rooms.paths.view(node).kind == "direct":
        return view
    return msgspec.structs.replace(view, state="idle", text="its hole was let go; it goes direct when used")


def _punch_state(rooms: Rooms, node: NodeId, *, now: float) -> shown.PunchState:
    view = punch_view(rooms, node, now=now)
    return shown.PunchState(
        state=view.state,
        strategy=view.strategy or None,
        attempts=view.attempts,
        probes=view.probes,
        planned=view.planned,
        reason=view.reason or None,
        text=view.text or None,
        retry_s=round(max(0.0, view.retry - now), 1) if view.retry is not None else None,
    )


def _peer_nat(rooms: Rooms, node: NodeId, word: str, *, now: float) -> shown.Nat:
    """What the peer's engine told ours, else what its record says."""
    remote = rooms.paths.punching.view(node, now=now).remote
    return describe(remote if remote is not None and remote.type != "unknown" else from_word(word))


def own_nat(rooms: Rooms, *, now: float) -> shown.Nat:
    """What is known of our own NAT."""
    age = rooms.paths.punching.profile_age(now=now)
    return describe(rooms.paths.punching.profile, age=age)


def _self(rooms: Rooms, *, now: float) -> shown.Self:
    own, setup = rooms.gossip.own, rooms.setup
    return shown.Self(
        id=rooms.own.hex(),
        name=rooms.gossip.name_of(rooms.own),
        ipv4=own.ipv4 or None,
        ipv6=own.ipv6 or None,
        dev=setup.dev,
        mtu=setup.mtu,
        port=setup.port,
        uptime_s=round(now - rooms.started, 1),
        endpoints=[shown.OwnEndpoint(str(each), kind) for each, kind in rooms.paths.own_endpoints()],
        nat=own_nat(rooms, now=now),
    )


def _peer(rooms: Rooms, node: NodeId, *, now: float) -> shown.Peer:
    record, known, counted = rooms.gossip.member(node), rooms.paths.peer(node), rooms.counters.peers.get(node)
    view = rooms.paths.view(node)
    way = known.ways.get(known.current[0]) if known is not None and known.current else None
    heard, gone = known.heard_at if known is not None else None, rooms.departed.get(node)
    handshake = rooms.session.handshake_at(node)
    if known is not None and known.reached:
        state = "connected"
    elif gone is not None:
        state = "gone"
    elif is_far(rooms, node, now=now):
        # Its record is here and nobody says that it fell silent: it is reached when it is wanted.
        state = "connected"
    else:
        state = "connecting"
    return shown.Peer(
        id=node.hex(),
        name=rooms.gossip.name_of(node),
        ipv4=(record.ipv4 or None) if record is not None else None,
        ipv6=record.ipv6 if record is not None else None,
        state=state,
        version=record.version if record is not None else None,
        seen_s=round(now - heard, 1) if heard is not None else None,
        path=path_of(rooms, node, view, now=now),
        rtt_ms=milliseconds(way.rtt.smoothed if way is not None else None),
        jitter_ms=milliseconds(way.rtt.jitter if way is not None else None),
        loss=known.loss.share(now=now) if known is not None else None,
        rx_bytes=counted.rx_bytes if counted is not None else 0,
        tx_bytes=counted.tx_bytes if counted is not None else 0,
        handshake_s=round(now - handshake, 1) if handshake is not None else None,
        nat=_peer_nat(rooms, node, record.nat if record is not None else "", now=now),
        punch=_punch_state(rooms, node, now=now),
        loss_inside=known.loss.inside(now=now) if known is not None else None,
        gone=("left" if gone.left else "silent") if gone is not None and state == "gone" else None,
        gone_s=round(now - gone.since, 1) if gone is not None and state == "gone" else None,
    )


def _gone(rooms: Rooms, node: NodeId, *, now: float) -> shown.Peer:
    gone = rooms.departed[node]
    return shown.Peer(
        id=node.hex(),
        name=gone.name,
        ipv4=gone.record.ipv4 or None,
        ipv6=gone.record.ipv6 or None,
        state="gone",
        version=gone.record.version,
        seen_s=round(now - gone.heard_at, 1) if gone.heard_at is not None else None,
        path=shown.Path(kind="none", transport=None, endpoint=None, via=[], hops=None, since_s=None),
        rtt_ms=None,
        jitter_ms=None,
        loss=None,
        rx_bytes=0,
        tx_bytes=0,
        handshake_s=None,
        nat=describe(from_word(gone.record.nat)),
        punch=shown.PunchState(),
        gone="left" if gone.left else "silent",
        gone_s=round(now - gone.since, 1),
    )


def milliseconds(seconds: float | None) -> float | None:
    """As `status` shows them."""
    return round(seconds * 1000, 3) if seconds is not None else None


def _drops(rooms: Rooms) -> dict[str, int]:
    total: Counter[str] = Counter()
    sources = (
        rooms.drops,
        rooms.session.drops,
        rooms.relay.drops,
        rooms.paths.drops,
        rooms.paths.punching.drops,
        rooms.gossip.drops,
        rooms.partial.drops,
        rooms.counters.drops,
    )
    for each in sources:
        total.update(each)
    return dict(sorted(total.items()))
