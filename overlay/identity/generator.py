"""The CPace generator of a network: its secret, hashed to a point of Curve25519 that nobody knows a logarithm of.

    PRS, CI, sid --lv_cat, zero padded to one SHA-512 block--> hash --first 32 bytes--> Elligator2 --> u-coordinate

draft-irtf-cfrg-cpace sections 7.1 (generator string) and 8.1 (CPACE-X25519-SHA512); the map is that of RFC 9380
section 6.7.1 for Montgomery curves. Integers of Python are not constant in time: this runs once at start, on a
stretched secret, and never on anybody's demand.
"""

from __future__ import annotations

from hashlib import sha512

_DOMAIN = b"CPace255"
_BLOCK = 128
"""Bytes of a SHA-512 block."""

_P = 2**255 - 19
_A = 486662
_NON_SQUARE = 2


def cpace_generator(prs: bytes, channel: bytes, sid: bytes) -> bytes:
    """The generator as 32 bytes, little endian."""
    seed = int.from_bytes(sha512(_generator_string(prs, channel, sid)).digest()[:32], "little")
    return elligator2(seed & (1 << 255) - 1).to_bytes(32, "little")


def elligator2(field_element: int) -> int:
    """The u-coordinate of the curve point (of v^2 = u^3 + A u^2 + u) that `field_element` maps to."""
    r = field_element % _P
    u = -_A * pow(1 + _NON_SQUARE * r * r, _P - 2, _P) % _P
    if pow(u * u * u + _A * u * u + u, (_P - 1) // 2, _P) == _P - 1:
        u = (-u - _A) % _P
    return u


def _generator_string(prs: bytes, channel: bytes, sid: bytes) -> bytes:
    """`prs` stands alone in the first block, so that hashing it leaks nothing through the length of the rest."""
    padding = max(0, _BLOCK - 1 - len(_prefixed(prs)) - len(_prefixed(_DOMAIN)))
    return b"".join(map(_prefixed, (_DOMAIN, prs, bytes(padding), channel, sid)))


def _prefixed(data: bytes) -> bytes:
    """`data` behind its length in LEB128."""
    length, prefix = len(data), bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + data
