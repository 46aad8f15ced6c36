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


@cache
def word_list() -> list[str]:
    """The 2,048 words."""
    text = (files("overlay.cli") / "words.txt").read_text(encoding="ascii")
    return [line for line in text.splitlines() if not line.startswith("#")]


def phrase(chance: int) -> str:
    """The words of `chance`, 60 random bits."""
    number = chance << _CHECK_BITS | _check(chance)
    return "-".join(word_list()[number >> 11 * (WORDS - 1 - place) & 2047] for place in range(WORDS))


def slip(secret: str) -> str:
    """What looks wrong with a secret that was read out: a sentence; empty if nothing does, or it is no phrase of ours.

    A hint only: any secret is allowed.
    """
    words = re.split(r"[\s-]+", secret.strip().lower())
    if len(words) != WORDS or not all(word in word_list() for word in words):
        return ""
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
