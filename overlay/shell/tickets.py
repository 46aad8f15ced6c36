"""The file `resume`: what sessions are resumed with (protocol section 4), and whether it is still of this secret.

    {"tickets": [[peer, id, secret XOR H(rest key, id)], ...]}        oldest first, in hex

Nothing in the state folder lets its thief test guesses at the network's secret. A ticket's secret is random, so what
is XORed with it looks like any other: it shows nothing, and without the network's secret it is worth nothing. That
the network's secret is another one than before must show, though, as then all records go too: `mark` keeps 16 bits of
the rest key for it. Of a thief's guesses one in 65,536 passes them, and has to be tried on a member, which answers one
try a ticket and some a minute by handshake; of changes of the secret one in 65,536 leaves old records, which say
nothing secret, and tickets that open nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from overlay.session.tickets import ID_SIZE, MOST_PEERS, SECRET_SIZE, Ticket
from overlay.values import NodeId

MOST = 2 * MOST_PEERS
"""Tickets that are kept and read."""


def mark(rest_key: bytes) -> str:
    """16 bits of the network's secret, in hex."""
    return blake2b(b"mark", key=rest_key, digest_size=2).hexdigest()


def pack(tickets: Iterable[Ticket], rest_key: bytes) -> str:
    """The file's text."""
    rows = [[each.peer.hex(), each.id.hex(), _hidden(each.secret, each.id, rest_key).hex()] for each in tickets]
    return json.dumps({"tickets": rows[-MOST:]}, indent=0)


def unpack(text: str, rest_key: bytes) -> tuple[Ticket, ...]:
    """What is in the file; of another network's secret, tickets that open nothing.

    Raises:
        ValueError: it is no such file.
    """
    try:
        rows: Any = json.loads(text)["tickets"]
        return tuple(_ticket(*map(bytes.fromhex, row), rest_key=rest_key) for row in rows[-MOST:])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _ticket(peer: bytes, id_: bytes, secret: bytes, *, rest_key: bytes) -> Ticket:
    if (len(peer), len(id_), len(secret)) != (32, ID_SIZE, SECRET_SIZE):
        raise ValueError("another shape")
    return Ticket(NodeId(peer), id_, _hidden(secret, id_, rest_key))


def _hidden(secret: bytes, id_: bytes, rest_key: bytes) -> bytes:
    mask = blake2b(b"ticket" + id_, key=rest_key, digest_size=SECRET_SIZE).digest()
    return bytes(one ^ other for one, other in zip(secret, mask, strict=True))
