"""What two Offers amount to: which kind of pair it is, whether it may and need be tried, and whereto.

Both sides hold the same two offers and come to the same end, so nothing else is said about it.

    both easy           needs `enabled`                  if either wants it
    exactly one NAT4    nat3_nat4      off: not tried    auto: if either wants it    always: tried
    both NAT4           nat4_nat4      the same, and first: is it feasible at all, as far as both are measured?
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from punch.addresses import is_private
from punch.config import Mode
from punch.manners import is_sendable
from punch.predict.feasible import PREDICTABLE, outlook
from punch.signals import Offer
from punch.sites import both_ipv6, one_lan, same_site
from punch.strategies.choose import Choice, choose, is_sought
from punch.values import Candidate, Endpoint, NatProfile, udp

Kind = Literal["easy", "nat3_nat4", "nat4_nat4"]
MOST_CANDIDATES = 12


class Terms(Struct, frozen=True):
    """May it be tried? `reason` "" means yes."""

    kind: Kind
    reason: Literal["", "off", "peer_off", "idle", "unmeasured"]


def mode_of(which: str, modes: tuple[Mode, Mode]) -> Mode | None:
    """The one of the settings nat3_nat4 and nat4_nat4 that a kind of pair needs; None: none, or it is not known."""
    return {"nat3_nat4": modes[0], "nat4_nat4": modes[1]}.get(which)


def kind(local: NatProfile, remote: NatProfile) -> Kind:
    """Which setting a pair needs."""
    kinds: tuple[Kind, ...] = ("easy", "nat3_nat4", "nat4_nat4")
    return kinds[(local.type == "NAT4") + (remote.type == "NAT4")]


def settle(ours: Offer, theirs: Offer) -> Terms:
    """What follows from both settings and wishes; a person's demand stands over `auto`, not over `off`."""
    which = kind(ours.profile, theirs.profile)
    modes = mode_of(which, ours.modes), mode_of(which, theirs.modes)
    wanted = ours.wanted or ours.demand or theirs.wanted or theirs.demand
    if modes[0] == "off":
        return Terms(which, "off")
    if modes[1] == "off":
        return Terms(which, "peer_off")
    if not wanted and "always" not in modes:
        return Terms(which, "idle")
    return Terms(which, "unmeasured" if _is_unmeasured(ours, theirs) else "")


def choices(ours: Offer, theirs: Offer, *, first: bool) -> tuple[Choice, ...]:
    """The strategies for this pair, in order."""
    leading, other = (ours, theirs) if first else (theirs, ours)
    return choose(
        ours.profile,
        theirs.profile,
        first=first,
        near=site_or_ipv6(ours, theirs),
        one_site=same_site(ours.profile, theirs.profile),
        learned=leading.learned or other.learned,
    )


def site_or_ipv6(ours: Offer, theirs: Offer) -> bool:
    """Whether they may meet without their IPv4 NATs: on a LAN, or over IPv6."""
    return same_site(ours.profile, theirs.profile) or both_ipv6(ours, theirs) or one_lan(ours, theirs)


def infeasible(ours: Offer, theirs: Offer) -> str:
    """Why no effort would do, in people's words; "" where it may."""
    if kind(ours.profile, theirs.profile) != "nat4_nat4" or site_or_ipv6(ours, theirs):
        return ""
    if is_sought(ours.profile) or is_sought(theirs.profile) or _is_unmeasured(ours, theirs):
        return ""
    if outlook(ours.profile, theirs.profile).feasible:
        return ""
    if is_predictable(ours.profile) and is_predictable(theirs.profile):
        return "both sides are symmetric and draw ports from blocks, which would be used up before two holes meet"
    random = [whose for whose, offer in (("yours", ours), ("theirs", theirs)) if not is_predictable(offer.profile)]
    which = "neither NAT's ports" if len(random) == 2 else f"the ports of one NAT ({random[0]})"
    verb = "can" if len(random) == 2 else "cannot"
    return f"both sides are symmetric, and {which} {verb} be predicted: it would take hours of probing"


def _is_unmeasured(ours: Offer, theirs: Offer) -> bool:
    """Whether what two symmetric NATs allow hangs on what is not known of one yet."""
    if kind(ours.profile, theirs.profile) != "nat4_nat4" or site_or_ipv6(ours, theirs):
        return False
    if is_sought(ours.profile) or is_sought(theirs.profile):
        return False
    return "unknown" in (ours.profile.allocation, theirs.profile.allocation)


def is_predictable(profile: NatProfile) -> bool:
    """Whether its next outside port can be told, or is one of few."""
    return profile.allocation in (*PREDICTABLE, "block")


def checked(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Those of a peer's candidates that may be sent to at all."""
    return tuple(each for each in candidates if is_sendable(each.endpoint))[:MOST_CANDIDATES]


def offered(profile: NatProfile, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """What we name: the outside endpoint of the main socket first, then what the host knows."""
    own = list(candidates)
    seen = profile.reflexive
    if seen is not None and all(each.endpoint != seen for each in own):
        own.insert(0, Candidate(seen, "stun"))
    return tuple(own[:MOST_CANDIDATES])


def search_host(theirs: Offer, vouched: tuple[str, ...]) -> str:
    """The public IPv4 address a search aims at: one that is vouched for, if any; "" where nothing is known."""
    named = [each for each in _named_hosts(theirs) if ":" not in each and not is_private(each)]
    heard = [each for each in vouched if ":" not in each]
    both = [each for each in named if each in heard]
    return next(iter([*both, *heard, *named]), "")


def reflexive(offer: Offer) -> Endpoint | None:
    """Where its main socket is seen from outside, over IPv4."""
    if (seen := offer.profile.reflexive) is not None and not seen.is_ipv6:
        return udp(seen.host, seen.port) if is_sendable(seen) else None
    public = (each.endpoint for each in offer.candidates if each.kind != "local")
    return next((each for each in public if not each.is_ipv6 and not is_private(each.host)), None)


def named(offer: Offer) -> tuple[Endpoint, ...]:
    """Every endpoint a peer called its own."""
    seen = offer.profile.reflexive
    own = tuple(each.endpoint for each in offer.candidates)
    return own if seen is None else (seen, *own)


def _named_hosts(offer: Offer) -> list[str]:
    seen = offer.profile.reflexive
    first = [] if seen is None else [seen.host]
    return [*first, *offer.profile.hosts, *(each.endpoint.host for each in offer.candidates)]
