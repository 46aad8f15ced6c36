"""CPace (draft-irtf-cfrg-cpace, X25519-SHA512): a weak secret gives both sides one strong, fresh PSK.

    A: ya, Ya = ya G                        B: yb, Yb = yb G            G: the network's generator
             Ya, ADa ------------------------->
             <------------------------ Yb, ADb
    ISK = SHA-512(.. ya Yb .. transcript)   ISK = SHA-512(.. yb Ya .. transcript)

Whoever guesses wrong gets another G, hence another ISK, and learns only that: one guess a run.
"""

from __future__ import annotations

from hashlib import blake2s

from cpace import CPace, CPaceError, CPaceRole
from nacl.bindings import crypto_scalarmult


def share(generator: bytes, scalar: bytes) -> bytes:
    """The public share of a private scalar, 32 bytes each."""
    public: bytes = crypto_scalarmult(scalar, generator)
    return public


def agree(
    role: CPaceRole, *, scalar: bytes, own: tuple[bytes, bytes], other: tuple[bytes, bytes], sid: bytes = b""
) -> bytes | None:
    """The ISK of one run, 64 bytes; `own` and `other` are (share, associated data). None: a share of low order."""
    party = CPace(role=role, sid=sid, ad=own[1], scalar=scalar, public_share=own[0])
    try:
        party.derive(*other)
    except CPaceError:
        return None
    return party.isk


def psk_of(isk: bytes) -> bytes:
    """The PSK of the Noise run that follows."""
    return blake2s(b"overlay psk" + isk).digest()
