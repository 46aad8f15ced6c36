"""Which ciphers there are, and how nonce and associated data are laid (protocol section 2).

nonce            = 0 0 0 0 | counter, 8 bytes
associated data  = type | epoch | counter, 8 bytes
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag as InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from overlay.sealing import aegis
from overlay.sealing.aegis import Aegis128L

AEGIS, AES, CHACHA = "aegis128l", "aes256gcm", "chacha20poly1305"

CIPHERS = (AEGIS, AES, CHACHA)
"""The fixed order, the fastest first: the first that both sides name is used."""
BUILT_IN = CIPHERS if aegis.AVAILABLE else (AES, CHACHA)
"""Those that the libraries here have."""

KEY_SIZE = 32
TAG_SIZE = 16
"""Bytes of the tag of AES-GCM and ChaCha20-Poly1305."""
LARGEST_TAG = aegis.TAG_SIZE

Aead = Aegis128L | AESGCM | ChaCha20Poly1305
"""All have encrypt, decrypt, encrypt_into and decrypt_into, with the same arguments; the tag is the end."""

nonce = struct.Struct("<4xQ").pack
"""Counter -> 12 bytes."""

aad = struct.Struct("<BBQ").pack
"""Frame type, epoch, counter -> 10 bytes."""


def first_common(ours: Sequence[str], theirs: Sequence[str]) -> str | None:
    """The cipher both use, or None if there is none; unknown names are somebody's future."""
    return next((cipher for cipher in CIPHERS if cipher in ours and cipher in theirs), None)


def tag_size(cipher: str) -> int:
    """Bytes that sealing with this cipher adds."""
    return aegis.TAG_SIZE if cipher == AEGIS else TAG_SIZE


def aead(cipher: str, key: bytes) -> Aead:
    """The cipher named, under a key of 32 bytes.

    Raises:
        ValueError: no such cipher, or another size of key.
    """
    if cipher not in BUILT_IN or len(key) != KEY_SIZE:
        raise ValueError(f"no cipher {cipher!r} with a key of {len(key)} bytes")
    if cipher == AEGIS:
        return Aegis128L(key[: aegis.KEY_SIZE])
    return AESGCM(key) if cipher == AES else ChaCha20Poly1305(key)
