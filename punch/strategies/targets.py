"""Where a peer's endpoints may be met without a search: candidates, in the order they are tried.

IPv6 public      both have IPv6           firewalls only: 0, 50, 150, 400 ms
IPv4 on the LAN  shared prefix, or both behind one public address
IPv4 public      reflexive, given, forwarded, public
IPv4 preserved   public address : local port, where the outside port is not known
"""

from __future__ import annotations

from msgspec import Struct

from punch.addresses import is_private
from punch.manners import on_link
from punch.values import Candidate, Endpoint, NatProfile, udp

MOST_TARGETS = 12
"""Endpoints of one peer that are probed (protocol section 9)."""
MOST_OF_A_KIND = 4
"""So that a peer with many addresses costs no more than it must."""


class Target(Struct, frozen=True):
    """One endpoint of the peer."""

    endpoint: Endpoint
    near: bool = False
    """On a LAN."""


def find(
    remote: NatProfile,
    candidates: tuple[Candidate, ...],
    *,
    addresses: tuple[str, ...],
    one_site: bool,
    ipv6: bool,
) -> tuple[Target, ...]:
    """The endpoints worth a packet, best first, each once.

    `one_site`: another member says that the peer is behind our own public address; `ipv6`: we have a socket for it.
    """
    found = [
        *_ipv6(candidates, addresses if ipv6 else ()),
        *_lan(candidates, addresses, one_site),
        *_outside(remote, candidates),
    ]
    unique = {each.endpoint: each for each in reversed(found)}
    return tuple(each for each in found if unique.get(each.endpoint) is each)[:MOST_TARGETS]


def _ipv6(candidates: tuple[Candidate, ...], addresses: tuple[str, ...]) -> list[Target]:
    if not any(":" in own and not is_private(own) for own in addresses):
        return []
    theirs = (each.endpoint for each in candidates if each.endpoint.is_ipv6)
    return [Target(each) for each in theirs if not is_private(each.host)][:MOST_OF_A_KIND]


def _lan(candidates: tuple[Candidate, ...], addresses: tuple[str, ...], one_site: bool) -> list[Target]:
    private = (each.endpoint for each in candidates if is_private(each.endpoint.host) and not each.endpoint.is_ipv6)
    return [
        Target(each, near=True)
        for each in private
        if each.host not in addresses and (one_site or on_link(each.host, addresses))
    ][:MOST_OF_A_KIND]


def _outside(remote: NatProfile, candidates: tuple[Candidate, ...]) -> list[Target]:
    seen = remote.reflexive
    public = [
        each.endpoint
        for each in candidates
        if not each.endpoint.is_ipv6 and not is_private(each.endpoint.host) and each.kind != "stun"
    ][:MOST_OF_A_KIND]
    stun = [each.endpoint for each in candidates if each.kind == "stun" and not each.endpoint.is_ipv6]
    if seen is not None and not seen.is_ipv6:
        stun = [seen, *(each for each in stun if each.host != seen.host or remote.mapping == "unknown")]
    return [Target(each) for each in [*stun[:MOST_OF_A_KIND], *public, *_preserved(remote, candidates, stun)]]


def _preserved(remote: NatProfile, candidates: tuple[Candidate, ...], stun: list[Endpoint]) -> list[Endpoint]:
    """Where a NAT that keeps ports would show its main socket; a known EIM mapping needs no guess."""
    if remote.mapping == "eim" or remote.open or remote.allocation not in ("preserving", "unknown"):
        return []
    hosts = remote.hosts[:1] or tuple(each.host for each in stun[:1])
    ports = [each.endpoint.port for each in candidates if each.kind == "local" and not each.endpoint.is_ipv6]
    return [udp(host, port) for host in hosts for port in dict.fromkeys(ports)][:2]
