"""From a choice to the strategy that plays it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from punch.strategies.anchor_walk import AnchorWalk
from punch.strategies.birthday import Birthday
from punch.strategies.block import Block
from punch.strategies.choose import Choice, Name
from punch.strategies.desk import Desk, Strategy
from punch.strategies.hairpin import Hairpin
from punch.strategies.low_ttl import LowTtl
from punch.strategies.reachable import Reachable
from punch.strategies.sandwich import Sandwich
from punch.strategies.simultaneous import Simultaneous
from punch.strategies.targets import Target
from punch.values import Endpoint


class Setting(Struct, frozen=True):
    """What a strategy is built from beside its desk."""

    targets: tuple[Target, ...]
    reflexive: Endpoint | None
    """Of the peer's main socket, over IPv4."""
    first: bool
    """Ours is the side that begins where both could."""


Maker = Callable[[Choice, Desk, Setting], Strategy]


def _simultaneous(choice: Choice, desk: Desk, setting: Setting) -> Strategy:
    targets = setting.targets
    if choice.until:
        targets = tuple(each for each in targets if each.near or each.endpoint.is_ipv6)
    return Simultaneous(desk, targets, until=choice.until)


def _hairpin(choice: Choice, desk: Desk, setting: Setting) -> Strategy:
    return Hairpin(desk, setting.targets)


def _low_ttl(choice: Choice, desk: Desk, setting: Setting) -> Strategy:
    theirs, ours = bool(desk.remote.poisonable), bool(desk.local.poisonable)
    return LowTtl(desk, setting.targets, opens=setting.first if theirs == ours else theirs)


def _reachable(choice: Choice, desk: Desk, setting: Setting) -> Strategy:
    opens_filter = not choice.hard and desk.local.type == "NAT2"
    return Reachable(desk, setting.reflexive if choice.hard or opens_filter else None, knocks=choice.hard)


def _sandwich(choice: Choice, desk: Desk, setting: Setting) -> Strategy:
    return Sandwich(desk, choice.hard)


def _block(choice: Choice, desk: Desk, setting: Setting) -> Strategy:
    return Block(desk, choice.hard)


def _birthday(choice: Choice, desk: Desk, setting: Setting) -> Strategy:
    return Birthday(desk, choice.hard)


def _anchor_walk(choice: Choice, desk: Desk, setting: Setting) -> Strategy:
    return AnchorWalk(desk, choice.hard)


MAKERS: dict[Name, Maker] = {
    "simultaneous": _simultaneous,
    "hairpin": _hairpin,
    "low_ttl": _low_ttl,
    "reachable": _reachable,
    "sandwich": _sandwich,
    "block": _block,
    "birthday": _birthday,
    "anchor_walk": _anchor_walk,
}


def build(choice: Choice, desk: Desk, setting: Setting) -> Strategy | None:
    """The strategy, or None where this build has none of the name."""
    maker = MAKERS.get(choice.name)
    return None if maker is None else maker(choice, desk, setting)
