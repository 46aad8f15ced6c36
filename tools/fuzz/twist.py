"""Values that decode and make no sense: one leaf of a well-formed structure becomes what no honest sender says.

    [1, 7, False, 9, {"mapping": "eim", "foreign": 2.0, ...}, ...]
                                             | twist
    [1, 7, False, 9, {"mapping": "eim", "foreign": -inf, ...}, ...]

Bytes changed at random seldom decode; this is what gets past the codec, to where a number is believed.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from overlay.wire.codec import Malformed, pack, unpack

NUMBERS: tuple[float, ...] = (
    *(0, 1, -1, 2, 7, 64, 1023, 1024, 32768, 65535, 65536, 2**31, 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1),
    *(0.0, -0.0, 0.5, 1e-300, 5e-324, 1e5, 86_400.0, 1e18, 1e308, -1e308, math.inf, -math.inf, math.nan),
)
HOSTS = (
    *("198.51.100.9", "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "10.0.0.1", "100.64.0.1"),
    *("2001:db8::9", "::", "::1", "::ffff:192.0.2.1", "fe80::1%eth0", "ff02::1", "fe80::1%", "%", ":", ""),
    *("1.2.3", "1.2.3.4.5", "01.2.3.4", "host", "1.2.3.4:5", "[::1]", "\0", "\x1b[2J", "x" * 300, "\u0661.2.3.4"),
)
WORDS = (
    *("udp", "tcp", "UDP", "unknown", "eim", "adm", "apdm", "eif", "apdf", "sequential", "block", "cluster"),
    *("uniform", "preserving", "arbitrary", "always", "off", "auto", "direct", "busy", "birthday", "sandwich"),
)
OTHERS: tuple[Any, ...] = (None, True, False, b"", bytes(12), bytes(300), [], [[]], {}, {"mapping": "apdm"})
LONGEST = 1024
"""Elements a list grows to: as many as the codec takes."""
TRIES = 6
"""Times another twist is made of what does not fit."""
WIDE = (10**400, -(10**400), 10**30)
"""Integers that only JSON can carry."""

Path = tuple[Any, ...]


def twisted(values: Any, dice: random.Random, *, wide: bool = False) -> Any:
    """A copy of nested lists and dicts in which a few places are others."""
    for _ in range(1 + int(dice.expovariate(1.2))):
        places = list(_places(values, ()))
        values = _put(values, dice.choice(places), lambda old: _other(old, dice, wide))
    return values


def twist_packed(
    corpus: Callable[[], Sequence[bytes]], *, fits: Callable[[bytes], bool] = lambda data: True
) -> Callable[[bytes, random.Random], bytes]:
    """A polish: half of the inputs give way to a value of `corpus`, twisted; at best so that it `fits`."""
    whole = cache(lambda: [values for data in corpus() if (values := _unpacked(data)) is not None])

    def polish(data: bytes, dice: random.Random) -> bytes:
        if dice.random() < 0.5:
            return data
        values = dice.choice(whole())
        for _ in range(TRIES):
            try:
                data = pack(twisted(values, dice))
            except (OverflowError, ValueError):
                continue
            if fits(data):
                break
        return data

    return polish


def twist_lines(data: bytes, dice: random.Random) -> bytes:
    """A polish: lines of JSON, half of those that read are twisted; numbers may be as wide as JSON lets them."""
    lines = []
    for line in data.split(b"\n"):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if values is not None and dice.random() < 0.5:
            line = json.dumps(twisted(values, dice, wide=True), default=lambda each: each.hex()).encode()
        lines.append(line)
    return b"\n".join(lines)


def _unpacked(data: bytes) -> Any:
    try:
        return unpack(data.rstrip(b"\0") if data[-2:] == b"\0\0" else data, object)
    except Malformed:
        return None


def _places(values: Any, at: Path) -> list[Path]:
    """The way to every value inside, the whole left out unless it is all there is."""
    inside: list[tuple[Any, Any]] = []
    if isinstance(values, dict):
        inside = list(values.items())
    elif isinstance(values, list):
        inside = list(enumerate(values))
    found = [at] if at or not inside else []
    for key, each in inside[:64]:
        found += _places(each, (*at, key))
    return found


def _put(values: Any, at: Path, change: Callable[[Any], Any]) -> Any:
    if not at:
        return change(values)
    copy = dict(values) if isinstance(values, dict) else list(values)
    copy[at[0]] = _put(copy[at[0]], at[1:], change)
    return copy


def _other(old: Any, dice: random.Random, wide: bool) -> Any:
    """Something of the same sort, mostly."""
    draw = dice.random()
    if draw < 0.1:
        return dice.choice(OTHERS)
    if isinstance(old, bool) or old is None:
        return dice.choice((True, False, None, dice.choice(NUMBERS), [dice.choice(NUMBERS)] * 2))
    if isinstance(old, int | float):
        return _number(old, dice, wide)
    if isinstance(old, str):
        return dice.choice(HOSTS if dice.random() < 0.5 else WORDS)
    if isinstance(old, list):
        return _list(old, dice)
    return dice.choice(OTHERS)


def _number(old: float, dice: random.Random, wide: bool) -> Any:
    draw = dice.random()
    if wide and draw < 0.1:
        return dice.choice(WIDE)
    if draw < 0.5:
        number = dice.choice(NUMBERS)
        return int(number) if isinstance(old, int) and math.isfinite(number) and abs(number) < 2**63 else number
    return dice.randint(0, 65535) if isinstance(old, int) else dice.uniform(-1.0, 1e3)


def _list(old: list[Any], dice: random.Random) -> list[Any]:
    draw = dice.random()
    if draw < 0.2 or not old:
        return []
    if draw < 0.4:
        return old[: int(dice.random() * len(old))]
    if draw < 0.6:
        return dice.sample(old, len(old))
    return (old * (LONGEST // len(old) + 1))[: LONGEST if draw < 0.8 else 2 * len(old)]
