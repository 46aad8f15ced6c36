"""How many entries a router's NAT holds: a userspace NAT writes them down, netfilter's are counted.

userspace NAT --counters.json, ten times a second--> Entries <--/proc/net/nf_conntrack-- netfilter
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from punch.sim.model import NatModel


class UserspaceNat(Struct, frozen=True, kw_only=True):
    """What the program that translates for a router is told, as a JSON file whose path is its only argument."""

    model: NatModel
    addresses: tuple[str, ...]
    """Its public addresses."""
    inside: tuple[str, ...]
    """Prefixes of its inside segments: hosts there that send to a public address ask for a hairpin."""
    device: str
    """An existing TUN device."""
    seed: str
    counters: str
    """The file it writes Entries to; ten times a second, whole or not at all."""


class Entries(Struct, frozen=True, kw_only=True):
    """UDP entries of one NAT at one moment."""

    alive: int
    peak: int
    """The most there were; where nobody kept count, those of this moment."""
    by_inside: dict[str, int]
    """Inside host -> entries."""
    by_destination: dict[str, int]
    """Outside host -> entries."""
    peak_by_inside: dict[str, int] = {}
    counts: dict[str, int] = {}
    """Packets by fixed words of punch.sim.nat: in, out, new, and why they were dropped."""


def conntrack(table: str) -> Entries:
    """Read the UDP entries of a /proc/net/nf_conntrack: `ipv4 2 udp 17 29 [UNREPLIED] src=... dst=... sport=...`."""
    inside: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    for line in table.splitlines():
        words = line.split()
        if len(words) > 6 and words[2] == "udp":
            ends = dict(word.split("=", 1) for word in reversed(words) if "=" in word)
            inside[ends["src"]] += 1
            outside[ends["dst"]] += 1
    alive = inside.total()
    return Entries(alive=alive, peak=alive, by_inside=dict(inside), by_destination=dict(outside))
