"""The first words through a hole, which settle which one is used; pure.

    0      1      2            10             26
    +------+------+------------+--------------+
    | 'K'  | kind | nonce (8)  | BLAKE2s-128  |    keyed with the direction's key, over all before
    +------+------+------------+--------------+

    first                     second
      HELLO(n)   ->                             on every way known, again and again
                 <-  HEARD(n)                   the way on which this comes back is the hole
      SETTLED(n) ->                             and now both know

The second says HELLO too, so that the first learns of a way that only the other side saw open.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from punch.commands import SendDatagram
from punch.values import Endpoint, SocketId

MARK = 0x4B
"""No first byte of STUN, probes or their answers (protocol section 2)."""
HELLO, HEARD, SETTLED = 0, 1, 2
SIZE = 26
EVERY = 0.1
"""Seconds between two rounds of hellos."""
MOST_WAYS = 4

Way = tuple[SocketId, Endpoint]


class Hellos:
    """One side's hellos with one peer."""

    def __init__(self, seal_key: bytes, open_key: bytes, *, first: bool, nonce: Callable[[], bytes]) -> None:
        """Keys are of 32 bytes; `nonce` gives 8 fresh ones."""
        self.way: Way | None = None
        """The hole, once settled on this side."""
        self._seal_key = seal_key
        self._open_key = open_key
        self._first = first
        self._nonce = nonce
        self._ways: dict[Way, bytes] = {}
        self._heard: dict[Way, bytes] = {}

    def found(self, via: SocketId, endpoint: Endpoint) -> None:
        """A way that may be the hole."""
        if (via, endpoint) not in self._ways and len(self._ways) < MOST_WAYS:
            self._ways[via, endpoint] = self._nonce()

    def due(self) -> list[SendDatagram]:
        """A round of hellos, as long as nothing is settled."""
        if self.way is not None:
            return []
        return [self._say(HELLO, way, nonce) for way, nonce in self._ways.items()]

    def receive(self, payload: bytes, source: Endpoint, via: SocketId) -> list[SendDatagram] | None:
        """What to answer; None: this is no hello of the peer's."""
        if len(payload) != SIZE or payload[0] != MARK:
            return None
        if not hmac.compare_digest(_mac(self._open_key, payload[:10]), payload[10:]):
            return []
        kind, nonce, way = payload[1], payload[2:10], (via, source)
        if kind == HELLO:
            return self._hello(way, nonce)
        if kind == HEARD and self._first and self._ways.get(way) == nonce and self.way in (None, way):
            self.way = way
            return [self._say(SETTLED, way, nonce)]
        if kind == SETTLED and not self._first and self._heard.get(way) == nonce:
            self.way = self.way or way
        return []

    def _hello(self, way: Way, nonce: bytes) -> list[SendDatagram]:
        if self._first:
            new = way not in self._ways
            self.found(*way)
            return [self._say(HELLO, way, self._ways[way])] if new and way in self._ways and self.way is None else []
        if way not in self._heard and len(self._heard) >= MOST_WAYS:
            return []
        self._heard[way] = nonce
        return [self._say(HEARD, way, nonce)]

    def _say(self, kind: int, way: Way, nonce: bytes) -> SendDatagram:
        body = bytes((MARK, kind)) + nonce
        return SendDatagram(way[0], way[1], body + _mac(self._seal_key, body))


def shared_key(secret: str, own: bytes, other: bytes) -> bytes:
    """32 bytes of both tokens and the secret, the same on both sides (scrypt, RFC 7914, 16 MiB)."""
    salt = b"".join(sorted((own, other)))
    if not secret:
        return hashlib.blake2b(salt, digest_size=32, person=b"punch knock").digest()
    return hashlib.scrypt(secret.encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=32)


def direction_key(shared: bytes, sender: bytes, receiver: bytes) -> bytes:
    """32 bytes for what `sender` says to `receiver`."""
    return hashlib.blake2b(sender + receiver, digest_size=32, key=shared, person=b"punch knock").digest()


def _mac(key: bytes, body: bytes) -> bytes:
    return hashlib.blake2s(body, digest_size=16, key=key).digest()
