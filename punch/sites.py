"""Who may be near whom: one public address, one LAN, IPv6 on both sides. Both sides come to the same end."""

from __future__ import annotations

from punch.addresses import is_private
from punch.manners import on_link
from punch.signals import Offer
from punch.values import NatProfile


def same_site(local: NatProfile, remote: NatProfile) -> bool:
    """Whether both say that they are seen at one public IPv4 address: the same NAT, or the same carrier's."""
    return bool(set(public_hosts(local)) & set(public_hosts(remote)))


def both_ipv6(ours: Offer, theirs: Offer) -> bool:
    """Whether both named a global IPv6 address."""
    return all(any(_is_global_ipv6(each.endpoint.host) for each in offer.candidates) for offer in (ours, theirs))


def one_lan(ours: Offer, theirs: Offer) -> bool:
    """Whether local addresses of both share a prefix."""
    own = [each.endpoint.host for each in ours.candidates if each.kind == "local"]
    return any(on_link(each.endpoint.host, own) for each in theirs.candidates if each.kind == "local")


def public_hosts(profile: NatProfile) -> tuple[str, ...]:
    """The public IPv4 addresses a host is seen at."""
    seen = () if profile.reflexive is None else (profile.reflexive.host,)
    return tuple(host for host in (*seen, *profile.hosts) if ":" not in host and not is_private(host))


def _is_global_ipv6(host: str) -> bool:
    return ":" in host and not is_private(host)
