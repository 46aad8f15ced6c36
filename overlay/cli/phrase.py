"""A secret as six words: 60 bits of chance and 6 bits that tell a word misread.

    | 60 random bits | first 6 bits of BLAKE2b | = 66 bits = 6 words of 11 bits, joined by '-'

60 bits are plenty: nothing that leaves a node can be searched through offline (CPace), and each guess costs 64 MiB.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from importlib.resources import files

WORDS = 6
RANDOM_BITS = 60
_CHECK_BITS = 66 - RANDOM_BITS

SHORTEST = 8
"""Characters of a secret below which `join` warns."""

_MOST_STRANGE = 2
"""Words of six that no list has: more, and it is a secret of somebody's own making."""
_PLACES = ("in first place", "in second place", "in third place", "in fourth place", "in fifth place", "at its end")
"""So that the word itself is not shown."""


@cache
def word_list() -> list[str]:
    """The 2,048 words."""
    text = (files("overlay.cli") / "words.txt").read_text(encoding="ascii")
    return [line for line in text.splitlines() if not line.startswith("#")]


def phrase(chance: int) -> str:
    """The words of `chance`, 60 random bits."""
    number = chance << _CHECK_BITS | _check(chance)
    return "-".join(word_list()[number >> 11 * (WORDS - 1 - place) & 2047] for place in range(WORDS))


def weakness(secret: str) -> str:
    """What is weak in a secret: a sentence; empty if nothing is, as far as its length tells."""
    if len(secret.removesuffix("\n")) >= SHORTEST:
        return ""
    return f"a secret of fewer than {SHORTEST} characters is soon guessed: `overlay secret new` makes a strong one"


def slip(secret: str) -> str:
    """What looks wrong with a secret that was read out: a sentence; empty if nothing does, or it is no phrase of ours.

    A hint only: any secret is allowed.
    """
    words = re.split(r"[\s-]+", secret.strip().lower())
    strange = [place for place, word in enumerate(words, 1) if word not in word_list()]
    if len(words) != WORDS or len(strange) > _MOST_STRANGE:
        return ""
    if strange:
        return f"this secret looks like one of `overlay secret new`, but none has such a word {_PLACES[strange[0] - 1]}"
    number = 0
    for word in words:
        number = number << 11 | word_list().index(word)
    if _check(number >> _CHECK_BITS) != number & (1 << _CHECK_BITS) - 1:
        return "this secret looks like one of `overlay secret new`, but a word is wrong"
    plain = "-".join(words)
    return (
        ""
        if secret.removesuffix("\n") == plain
        else "members who type this secret with other spaces or capitals stay out"
    )


def _check(chance: int) -> int:
    return blake2b(chance.to_bytes(8, "little"), digest_size=1).digest()[0] >> 8 - _CHECK_BITS
