"""Which ciphers there are, and how nonce and associated data are laid (protocol section 2).

nonce            = 0 0 0 0 | counter, 8 bytes
associated data  = type | epoch | counter, 8 bytes
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag as InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

AES, CHACHA = "aes256gcm", "chacha20poly1305"

CIPHERS = (AES, CHACHA)
"""The fixed order: the first that both sides name is used."""

KEY_SIZE = 32
TAG_SIZE = 16

Aead = AESGCM | ChaCha20Poly1305
"""Both have encrypt, decrypt, encrypt_into and decrypt_into, with the same arguments; the tag is the end."""

nonce = struct.Struct("<4xQ").pack
"""Counter -> 12 bytes."""

aad = struct.Struct("<BBQ").pack
"""Frame type, epoch, counter -> 10 bytes."""


def first_common(ours: Sequence[str], theirs: Sequence[str]) -> str | None:
    """The cipher both use, or None if there is none; unknown names are somebody's future."""
    return next((cipher for cipher in CIPHERS if cipher in ours and cipher in theirs), None)


def aead(cipher: str, key: bytes) -> Aead:
    """The cipher named, under a key of 32 bytes.

    Raises:
        ValueError: no such cipher, or another size of key.
    """
    if cipher not in CIPHERS or len(key) != KEY_SIZE:
        raise ValueError(f"no cipher {cipher!r} with a key of {len(key)} bytes")
    return AESGCM(key) if cipher == AES else ChaCha20Poly1305(key)
