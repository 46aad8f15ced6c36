"""A node's keys: one seed gives an Ed25519 pair that signs and its X25519 form, the Noise static key."""

from __future__ import annotations

from nacl.bindings import (
    crypto_scalarmult_base,
    crypto_sign,
    crypto_sign_BYTES,
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import CryptoError

from overlay.values import NodeId

SEED_SIZE = 32
SIGNATURE_SIZE: int = crypto_sign_BYTES


class Identity:
    """This node. The seed is made at its first start and never leaves it."""

    __slots__ = ("_signing", "id", "static_private", "static_public")

    def __init__(self, seed: bytes) -> None:
        """Derive everything from 32 bytes.

        Raises:
            ValueError: `seed` is not 32 bytes.
        """
        if len(seed) != SEED_SIZE:
            raise ValueError(f"an identity's seed has {SEED_SIZE} bytes, not {len(seed)}")
        public, self._signing = crypto_sign_seed_keypair(seed)
        self.id = NodeId(public)
        self.static_private: bytes = crypto_sign_ed25519_sk_to_curve25519(self._signing)
        self.static_public: bytes = crypto_scalarmult_base(self.static_private)

    def __repr__(self) -> str:
        """Without the keys."""
        return f"Identity({self.id.hex()[:10]})"

    def sign(self, data: bytes) -> bytes:
        """64 bytes: the Ed25519 signature of `data`."""
        signature: bytes = crypto_sign(data, self._signing)[:SIGNATURE_SIZE]
        return signature


def verify(node: bytes, data: bytes, signature: bytes) -> bool:
    """Whether `node` signed `data`; any bytes whatever may be asked about."""
    if len(node) != 32 or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + data, node)
    except (CryptoError, ValueError):
        return False
    return True


def convert(node: bytes) -> bytes | None:
    """The Noise static key that belongs to a node id, or None for bytes that are no id.

    Two ids, P and -P, share one static key: a handshake therefore carries the id, and it is checked.
    """
    if len(node) != 32:
        return None
    try:
        static: bytes = crypto_sign_ed25519_pk_to_curve25519(node)
    except (CryptoError, ValueError):
        return None
    return static
