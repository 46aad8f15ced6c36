"""A peer's punching in words: what `status` and `why` show."""

from __future__ import annotations

from punch.attempt import Attempt
from punch.config import PunchConfig
from punch.events import PeerView, State
from punch.peers import Peer
from punch.schedule import is_allowed
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
        state = "off"
    elif before is not None:
        state, reason = "idle", "busy"
        text = f"waits in line, {before} before it" if before else "waits in line, next"
    return PeerView(
        state=state,
        strategy=strategy,
        attempts=peer.attempts,
        probes=probes,
        planned=planned,
        reason=reason,
        text=text,
        fix=fixes(peer, local, state, enabled=config.enabled),
        retry=retry if attempt is None and retry is not None and retry > now else None,
        journal=peer.journal.lines(),
        remote=peer.remote_profile,
    )


def fixes(peer: Peer, local: NatProfile, state: State, *, enabled: bool) -> tuple[str, ...]:
    """What would help, the easiest first."""
    if state in ("running", "succeeded", "idle"):
        return ()
    reason = peer.last.reason
    switch = _SWITCH.get(peer.kind, ON) if enabled else ON
    found = [switch] if state == "off" and (reason != "peer_off" or not enabled) else []
    found += _FIRST.get(reason, ())
    remote = peer.remote_profile
    hard = [whose for whose, each in (("your", local), ("their", remote)) if each is not None and each.type == "NAT4"]
    found += ["forward a UDP port to either side (router settings, or UPnP)", "use IPv6 on both sides"]
    return (*found, *(f"ask {whose} provider for a NAT that is not symmetric" for whose in hard))


ON = "overlay punch on"
_SWITCH = {
    "nat3_nat4": "overlay punch set nat3_nat4=auto",
    "nat4_nat4": "overlay punch set nat4_nat4=auto",
}
_FIRST = {
    "peer_off": ("switch punching on on their side: overlay punch on",),
    "no_answer": ("update the other side, or switch punching on there",),
    "no_server": ("name a STUN server: [stun] servers, or let one member have an open port",),
    "blocked": ("let UDP through the firewall of the blocked side",),
    "sockets": ("raise the limit of open files (ulimit -n)",),
    "refused": ("let UDP out: a firewall on this host or a full NAT table refuses packets",),
    "budget": ("wait: searches for other peers use up the budget, or raise max_pps and max_entries",),
    "unvouched": ("let a third member that hears the peer be connected to both",),
}
