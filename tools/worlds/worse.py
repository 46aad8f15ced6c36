"""How faults change what they touch: a wire, a memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from msgspec import Struct, structs

from punch.sim.link import Link

FLIPS = 40
"""Bits flipped at most in each piece of a spoiled memory."""

WIRES: dict[str, Callable[[Link, float], Link]] = {
    "loss": lambda link, amount: structs.replace(link, loss=max(link.loss, amount)),
    "delay": lambda link, amount: structs.replace(link, delay=link.delay + amount),
    "jitter": lambda link, amount: structs.replace(link, jitter=link.jitter + amount),
    "reorder": lambda link, amount: structs.replace(link, reorder=max(link.reorder, amount)),
    "double": lambda link, amount: structs.replace(link, duplicate=max(link.duplicate, amount)),
    "mtu": lambda link, amount: structs.replace(link, mtu=min(link.mtu, int(amount))),
}

"""Kind of a fault of wires -> what becomes of a link."""


def flipped(value: Any, dice: random.Random) -> Any:
    """The same, with bits of what is bytes flipped."""
    if isinstance(value, bytes) and value:
        spoiled = bytearray(value)
        for _ in range(dice.randrange(FLIPS)):
            spoiled[dice.randrange(len(spoiled))] ^= 1 << dice.randrange(8)
        return bytes(spoiled)
    if isinstance(value, Struct):
        return structs.replace(value, **{key: flipped(each, dice) for key, each in structs.asdict(value).items()})
    if isinstance(value, tuple):
        return tuple(flipped(each, dice) for each in value)
    return value
