"""Which strategies suit a pair: one table, read alike by both sides.

    local \\ remote   reachable          strict           hard
    reachable        simultaneous       simultaneous     reachable, search
    strict           simultaneous       simultaneous     search
    hard             reachable, search  search           predict

    reachable   open, NAT1, NAT2
    strict      NAT3, and whatever is not known
    hard        NAT4
    search      by the hard side's allocator: sequential, preserving, cluster, unknown: sandwich, then birthday;
                block: block, then birthday; uniform: birthday
    predict     only where both can be predicted: anchor_walk; for an anchor with few ports too. A side whose mapping
                and filtering mind addresses only (ADM, ADF) is searched like NAT3's peer: any port of ours will do

IPv6 and LAN endpoints go first where there are any; then what worked last.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from punch.values import Allocation, NatProfile

Side = Literal["reachable", "strict", "hard"]
Name = Literal["simultaneous", "low_ttl", "hairpin", "reachable", "sandwich", "block", "birthday", "anchor_walk"]

NEAR_FIRST = 0.5
"""Seconds IPv6 and LAN endpoints have before a search begins (nat-science 6)."""


class Choice(Struct, frozen=True):
    """One strategy, and our part in it."""

    name: Name
    hard: bool = False
    """Ours is the symmetric side of a search, the anchor of a walk, the one that knocks at a reachable side."""
    exclusive: bool = False
    """A birthday search: one a node at a time."""
    until: float = 0.0
    """Seconds after which the next one has its turn; 0: when it ends by itself."""


_SEARCH: dict[Allocation, tuple[Name, ...]] = {
    "preserving": ("sandwich", "birthday"),
    "sequential": ("sandwich", "birthday"),
    "cluster": ("sandwich", "birthday"),
    "unknown": ("sandwich", "birthday"),
    "block": ("block", "birthday"),
    "uniform": ("birthday",),
}


def side(profile: NatProfile) -> Side:
    """Which row of the table a profile reads."""
    if profile.type == "NAT4":
        return "hard"
    return "reachable" if profile.type in ("open", "NAT1", "NAT2") else "strict"


def choose(
    local: NatProfile, remote: NatProfile, *, first: bool, near: bool, one_site: bool = False, learned: str = ""
) -> tuple[Choice, ...]:
    """The strategies of this pair in order, as seen from `local`.

    `first`: ours is the side that begins where both could; `near`: both have IPv6, or may share a LAN; `one_site`:
    both are behind one public address; `learned`: what worked last.
    """
    sides = (side(local), side(remote))
    if "hard" not in sides:
        choices = _easy(local, remote, one_site)
    elif sides == ("hard", "hard"):
        choices = _both_hard(local, remote, first)
    else:
        choices = _one_hard(local, remote, sides)
    if near and "hard" in sides:
        until = NEAR_FIRST if choices else 0.0
        return (Choice("simultaneous", until=until), *_learned_first(choices, learned))
    return _learned_first(choices, learned)


def _learned_first(choices: tuple[Choice, ...], learned: str) -> tuple[Choice, ...]:
    return tuple(sorted(choices, key=lambda each: each.name != learned))


def _easy(local: NatProfile, remote: NatProfile, one_site: bool) -> tuple[Choice, ...]:
    if one_site:
        return (Choice("hairpin"), Choice("low_ttl"))
    if local.poisonable and remote.poisonable:
        return (Choice("low_ttl"), Choice("simultaneous"))
    return (Choice("simultaneous"), Choice("low_ttl"))


def _one_hard(local: NatProfile, remote: NatProfile, sides: tuple[Side, Side]) -> tuple[Choice, ...]:
    ours = sides[0] == "hard"
    allocation = (local if ours else remote).allocation
    search = tuple(Choice(name, ours, name == "birthday") for name in _SEARCH[allocation])
    if "reachable" in sides:
        return (Choice("reachable", ours), *search)
    return search


def _both_hard(local: NatProfile, remote: NatProfile, first: bool) -> tuple[Choice, ...]:
    sought = [is_sought(local), is_sought(remote)]
    if any(sought):
        ours = first if all(sought) else sought[0]
        names = _SEARCH[(local if ours else remote).allocation]
        return tuple(Choice(name, ours, name == "birthday") for name in names)
    return (Choice("anchor_walk", is_anchor(local, remote, first=first)),)


def is_sought(profile: NatProfile) -> bool:
    """Whether a symmetric side's holes take packets from any port of the peer, and answer by the same."""
    return profile.mapping == "adm" and profile.filtering in ("eif", "adf")


def is_anchor(local: NatProfile, remote: NatProfile, *, first: bool) -> bool:
    """Whether our side holds still in anchor and walk: the one with few ports, or the noisier counter."""
    ours, theirs = _noise(local), _noise(remote)
    return first if ours == theirs else ours > theirs


def _noise(profile: NatProfile) -> tuple[int, float]:
    """Sorts sides by how badly they could walk to a chosen port."""
    rank = {"preserving": 0, "sequential": 1, "cluster": 2, "block": 3}.get(profile.allocation, 4)
    return rank, profile.foreign or 0.0
