"""What a pair of NATs allows, before a packet is sent: chance, packets, seconds (nat-science 2, 3.1 to 3.4).

             easy           preserving     sequential     block b        uniform
easy         at once
preserving   1 to 3 probes  a port named   a port named   m / b          no
sequential   1 to 3 probes                 anchor, walk   m / b          no
block b      birthday in b                                no             no
uniform      birthday                                                    no

m    holes that may be put into a block: half of it, 128 a round, three rounds
no   thousands of packets a second for minutes: decided at once, and nothing is sent

A symmetric NAT that keeps ports keeps each for one destination only, or it would read as NAT3: its probes come from as
many ports as there are, and holes can be open to one of them at a time.
"""

from __future__ import annotations

import math

from msgspec import Struct

from punch.predict.hypothesis import PORTS
from punch.values import Allocation, NatProfile

HOLES, PROBES = 256, 1750
"""Of a birthday search (nat-science 5.2)."""
LEAST = 0.05
"""A chance below this is none."""
DEPTH, RATE, MOST_RATE = 40.0, 33.0, 100.0
"""The budget's packets at once, a second at first, and a second at most (design section 4)."""
DEFAULT_BLOCK = 1024
PREDICTABLE: tuple[Allocation, ...] = ("preserving", "sequential", "cluster")
WALKING: tuple[Allocation, ...] = ("preserving", "sequential")
"""Allocations that can be brought to a chosen port: one side of two symmetric ones has to."""


class Outlook(Struct, frozen=True):
    """What may be expected of a pair."""

    chance: float
    """Of meeting at all within the bounds of the search."""
    packets: int
    """Of both sides together, in the median of those that meet."""
    seconds: float
    """The same, without the way of the signals."""

    @property
    def feasible(self) -> bool:
        """Worth a try."""
        return self.chance >= LEAST


NONE = Outlook(0.0, 0, 0.0)


def hit(ports: int, holes: int, probes: int) -> float:
    """Chance that one of `probes` different ports is one of `holes` among `ports`: 1 - C(N-m, k) / C(N, k)."""
    if holes + probes > ports:
        return 1.0
    log = 0.0
    for tried in range(probes):
        log += math.log1p(-holes / (ports - tried))
    return -math.expm1(log)


def birthday(ports: int, *, holes: int = HOLES, probes: int = PROBES) -> Outlook:
    """Both sides send alike until chance 1/2, n x n = N ln 2, or the holes are all open."""
    each = math.sqrt(math.log(2.0) * ports)
    if each > holes:
        each = (holes + math.log(2.0) * ports / holes) / 2.0
    return Outlook(hit(ports, min(holes, ports), min(probes, ports)), round(2.0 * each), seconds_for(each))


def seconds_for(packets: float) -> float:
    """When a side's budget has let out so many: 40 at once, then 33, 66, 100 in each second."""
    left, at, rate = packets - DEPTH, 0.0, RATE
    while left > rate:
        left, at, rate = left - rate, at + 1.0, min(MOST_RATE, 2.0 * rate)
    return at + max(0.0, left) / rate


def outlook(local: NatProfile, remote: NatProfile) -> Outlook:
    """What to expect of this pair; the same from both sides."""
    hard = [profile for profile in (local, remote) if profile.type == "NAT4"]
    if "blocked" in (local.type, remote.type):
        return NONE
    if not hard:
        return Outlook(0.999, 8, 0.4)
    if len(hard) == 1:
        return _search(hard[0])
    return _both_hard(*hard)


def _search(profile: NatProfile) -> Outlook:
    """One side is easy: its port is known."""
    if profile.allocation == "block":
        size = block_size(profile)
        return birthday(size, holes=min(HOLES, max(32, size // 8)), probes=400)
    if profile.allocation == "uniform":
        return birthday(PORTS // 2 if profile.parity else PORTS)
    return Outlook(0.999, 15 if profile.allocation in PREDICTABLE else 40, 0.1)


def _both_hard(local: NatProfile, remote: NatProfile) -> Outlook:
    kinds = {local.allocation, remote.allocation}
    if not kinds & set(WALKING):
        return NONE
    if kinds <= set(PREDICTABLE):
        return Outlook(0.999 if "cluster" not in kinds else 0.7, 17 if "preserving" in kinds else 40, 0.6)
    if "block" in kinds:
        size = min(block_size(profile) for profile in (local, remote) if profile.allocation == "block")
        holes = min(size // 2, 3 * 128)
        return Outlook(-math.expm1(-0.9 * holes / size), holes // 2 + 30, seconds_for(holes / 2.0))
    return NONE


def block_size(profile: NatProfile) -> int:
    """Ports in the block, as far as seen."""
    return max(64, profile.block[1]) if profile.block is not None else DEFAULT_BLOCK
