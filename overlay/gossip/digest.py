"""What is held, summed up: a root of 8 bytes for keepalives, 256 sums by the first byte of the id (protocol section 5).

record (id, sequence, its signature's first 8 bytes) --keyed hash--> u64 --added to--> its bucket, and the root
Sums are kept as records come and go, and do not depend on the order. Sums modulo 2^64 of hashes a member may choose
can be made to collide: two that differ would look alike, which hides that member's own records and nobody else's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from overlay.values import NodeId

BUCKETS = 256
_MASK = 2**64 - 1


class Digest:
    """The sums of all records held."""

    def __init__(self, key: bytes) -> None:
        """`key` sets networks apart, 64 bytes at most."""
        self._key = key
        self.buckets = [0] * BUCKETS
        self._root = 0

    @property
    def root(self) -> bytes:
        """Equal for equal sets of records; never 0, which says that nothing is known."""
        return (self._root or 1).to_bytes(8, "little")

    def add(self, node: NodeId, sequence: int, signed: bytes) -> None:
        """A record is held from now on."""
        self._shift(node, self._hash(node, sequence, signed))

    def remove(self, node: NodeId, sequence: int, signed: bytes) -> None:
        """A record is held no more."""
        self._shift(node, -self._hash(node, sequence, signed))

    def differing(self, theirs: Sequence[int]) -> list[int]:
        """The buckets whose sums are not ours."""
        return [index for index, (one, two) in enumerate(zip(self.buckets, theirs, strict=True)) if one != two]

    def _shift(self, node: NodeId, amount: int) -> None:
        self.buckets[node[0]] = (self.buckets[node[0]] + amount) & _MASK
        self._root = (self._root + amount) & _MASK

    def _hash(self, node: NodeId, sequence: int, signed: bytes) -> int:
        data = node + sequence.to_bytes(8, "little") + signed[:8]
        return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._key).digest(), "little")
