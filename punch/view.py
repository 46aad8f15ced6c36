"""A peer's punching in words: what `status` and `why` show."""

from __future__ import annotations

from punch.attempt import Attempt
from punch.config import PunchConfig
from punch.events import PeerView, State
from punch.peers import Peer
from punch.schedule import is_allowed
from punch.terms import mode_of
from punch.values import NatProfile


def peer_view(
    peer: Peer,
    attempt: Attempt | None,
    local: NatProfile,
    config: PunchConfig,
    retry: float | None,
    before: int | None,
    *,
    now: float,
) -> PeerView:
    """All of it; `retry` is when it is tried again by itself, `before` how many have their turn before it."""
    last = peer.last
    state: State = last.state
    strategy, probes, planned, reason, text = last.strategy, last.probes, last.planned, last.reason, last.text
    if attempt is not None:
        state, strategy, reason, text = "running", attempt.strategy, "", "trying"
        probes = 0 if attempt.bench is None else attempt.bench.probes
        planned = 0 if attempt.bench is None else attempt.bench.planned
    elif peer.direct:
        state = "succeeded"
    elif not is_allowed(peer, config) and not (peer.hopeless and config.enabled):
        state, reason, text = "off", "off", _off_here(peer, config)
    elif before is not None:
        state, reason = "idle", "busy"
        text = f"waits in line, {before} before it" if before else "waits in line, next"
    elif reason == "peer_off":
        text = _off_there(peer)
    return PeerView(
        state=state,
        strategy=strategy,
        attempts=peer.attempts,
        probes=probes,
        planned=planned,
        reason=reason,
        text=text,
        fix=fixes(peer, local, state, config),
        retry=retry if attempt is None and retry is not None and retry > now else None,
        journal=peer.journal.lines(),
        remote=peer.remote_profile,
    )


def fixes(peer: Peer, local: NatProfile, state: State, config: PunchConfig) -> tuple[str, ...]:
    """What would help, the easiest first."""
    if state in ("running", "succeeded", "idle"):
        return ()
    reason = peer.last.reason
    found = () if peer.hopeless else (*_switches(peer, config, state), *_FIRST.get(reason, ()))
    remote = peer.remote_profile
    hard = [whose for whose, each in (("your", local), ("their", remote)) if each is not None and each.type == "NAT4"]
    found += ("forward a UDP port to either side (router settings, or UPnP)", "use IPv6 on both sides")
    return (*found, *(f"ask {whose} provider for a NAT that is not symmetric" for whose in hard))


ON = "overlay punch on"
THERE = "on their side: "
"""Before a command that is to be given there."""


def _switches(peer: Peer, config: PunchConfig, state: State) -> tuple[str, ...]:
    """What has to be switched on, here and on their side: both have to allow it."""
    if state != "off":
        return ()
    found = [] if config.enabled else [ON]
    switch = f"overlay punch set {peer.kind}=auto"
    if mode_of(peer.kind, peer.modes_in_force(config)) == "off":
        found.append(switch)
    if _is_kind_off_there(peer):
        found.append(f"{THERE}{switch}")
    elif peer.last.reason == "peer_off":
        found.append(f"{THERE}{ON}")
    return tuple(found)


def _is_kind_off_there(peer: Peer) -> bool:
    """Whether they said that their setting for this kind of pair is off."""
    return peer.remote is not None and mode_of(peer.kind, peer.remote.modes) == "off"


def _off_there(peer: Peer) -> str:
    return f"{peer.kind} is off on their side" if _is_kind_off_there(peer) else "punching is off on their side"


def _off_here(peer: Peer, config: PunchConfig) -> str:
    """Who has switched off what."""
    if not config.enabled and peer.hopeless:
        return f"punching is off here; it would not help either: {peer.last.text}"
    if not config.enabled:
        return "punching is off here"
    return f"{peer.kind} is off {'on both sides' if _is_kind_off_there(peer) else 'here'}"


_FIRST = {
    "no_answer": ("update the other side, unless it was just started again",),
    "no_server": ("name a STUN server: [stun] servers, or let one member have an open port",),
    "blocked": ("let UDP through the firewall of the blocked side",),
    "sockets": ("raise the limit of open files (ulimit -n)",),
    "refused": ("let UDP out: a firewall on this host or a full NAT table refuses packets",),
    "budget": ("wait: searches for other peers use up the budget, or raise max_pps and max_entries",),
    "unvouched": ("let a third member that hears the peer be connected to both",),
}
