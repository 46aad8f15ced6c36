"""Which answer belongs to which question: by transaction, by where it comes from, by the socket it comes in at.

    open(what, via, to) -> transaction --request--> server
                                       <--answer---        match(answer, source, via) -> Pending | reason

An answer that fits nothing, or comes from elsewhere, is refused with a fixed word, the reason of a counted drop.
"""

from __future__ import annotations

import random
from typing import Generic, TypeVar

from msgspec import Struct, structs

from punch.stun import TRANSACTION_SIZE, Message
from punch.values import Endpoint, SocketId

What = TypeVar("What")

LIMIT = 256
"""Open transactions at most."""
LIFETIME = 8.0
"""Seconds an answer is waited for at most, unless told otherwise."""


class Pending(Struct, Generic[What], frozen=True):
    """A question under way."""

    what: What
    """What it is for: its asker's own words."""
    transaction: bytes
    via: SocketId
    to: Endpoint
    expect: tuple[Endpoint, ...]
    """Where its answer may come from; port 0: any port of that host."""
    opened: float
    until: float


class Transactions(Generic[What]):
    """Open transactions, bounded in number and time. The oldest gives way to the newest."""

    def __init__(self, entropy: random.Random, *, limit: int = LIMIT) -> None:
        self._entropy = entropy
        self._limit = limit
        self._open: dict[bytes, Pending[What]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(
        self,
        what: What,
        *,
        via: SocketId,
        to: Endpoint,
        now: float,
        lifetime: float = LIFETIME,
        expect: tuple[Endpoint, ...] = (),
    ) -> bytes:
        """Begin a transaction and return its 12 bytes; `expect` is `to` alone unless named."""
        self.expire(now=now)
        while len(self._open) >= self._limit:
            del self._open[next(iter(self._open))]
        transaction = self._entropy.randbytes(TRANSACTION_SIZE)
        self._open[transaction] = Pending(what, transaction, via, to, expect or (to,), now, now + lifetime)
        return transaction

    def match(self, message: Message, source: Endpoint, *, via: SocketId, now: float) -> Pending[What] | str:
        """What an answer belongs to, or why it is refused; the transaction stays open until `close` or its time."""
        pending = self._open.get(message.transaction)
        if message.kind == "request" or pending is None:
            return "stun_unknown"
        if now > pending.until:
            return "stun_late"
        if via != pending.via:
            return "stun_wrong_socket"
        if not any(source == each or (each.port == 0 and source.host == each.host) for each in pending.expect):
            return "stun_wrong_source"
        return pending

    def settle(self, transaction: bytes, what: What) -> None:
        """Say something else of a transaction that stays open."""
        if (pending := self._open.get(transaction)) is not None:
            self._open[transaction] = structs.replace(pending, what=what)

    def close(self, transaction: bytes) -> None:
        """Nothing more is wanted of it."""
        self._open.pop(transaction, None)

    def forget(self, via: SocketId) -> None:
        """A socket is gone, and all that was asked by it."""
        if self._open:
            for transaction in [key for key, pending in self._open.items() if pending.via == via]:
                del self._open[transaction]

    def expire(self, *, now: float) -> list[Pending[What]]:
        """Take out and return what was never answered in its time, oldest first."""
        late = [pending for pending in self._open.values() if now > pending.until]
        for pending in late:
            del self._open[pending.transaction]
        return late
