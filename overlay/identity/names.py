"""Text -> bytes that everybody agrees on, and what is hashed from it (protocol section 1)."""

from __future__ import annotations

import unicodedata
from hashlib import blake2b

from nacl.bindings import crypto_pwhash_alg, crypto_pwhash_ALG_ARGON2ID13

STRETCH_PASSES = 2
STRETCH_MEMORY = 64 << 20
"""Bytes of memory one guess of a secret costs: 64 MiB."""
STRETCHED_SIZE = 32


def name_bytes(name: str) -> bytes:
    """A network's name as UTF-8 in NFC: the same bytes whatever keyboard it was typed on."""
    return unicodedata.normalize("NFC", name).encode()


def secret_bytes(secret: str) -> bytes:
    """A secret as UTF-8 in NFC, without the one newline that an editor left at its end."""
    return unicodedata.normalize("NFC", secret.removesuffix("\n")).encode()


def stretch(name: str, secret: str) -> bytes:
    """Argon2id of the secret, salted by the name: 32 bytes. Takes 64 MiB and a good part of a second: not in a loop."""
    salt = blake2b(name_bytes(name), digest_size=16).digest()
    stretched: bytes = crypto_pwhash_alg(
        STRETCHED_SIZE, secret_bytes(secret), salt, STRETCH_PASSES, STRETCH_MEMORY, crypto_pwhash_ALG_ARGON2ID13
    )
    return stretched


def digest(use: str, *parts: bytes) -> bytes:
    """H(use, parts...): 32 bytes; uses are mac, ip4, ip6, id4, id6, record, clash and rest."""
    return blake2b(b"overlay/1 " + use.encode() + b"\0" + b"".join(parts), digest_size=32).digest()
