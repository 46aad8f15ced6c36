"""The probe and its answer: 36 bytes, little endian (protocol section 9).

    0      1       2      4       8         12       20              36
    +------+-------+------+-------+---------+--------+---------------+
    | type | epoch | slot | label | attempt | random | MAC           |
    +------+-------+------+-------+---------+--------+---------------+

type 8 is a probe, 9 its answer: the same slot and random, the label of who receives it. The MAC is BLAKE2s-128 under
the direction's probe key over all bytes before it.
"""

from __future__ import annotations

import hmac
import struct
from hashlib import blake2s
from operator import attrgetter
from typing import Literal

from msgspec import Struct

PROBE, ANSWER = 8, 9
"""First bytes (protocol section 2)."""
RANDOM_BYTES = 8
MAC_BYTES = 16
KEY_BYTES = 32

_ROWS: tuple[tuple[str, str], ...] = (
    ("type", "B"),
    ("epoch", "B"),
    ("slot", "H"),
    ("label", "I"),
    ("attempt", "I"),
    ("random", f"{RANDOM_BYTES}s"),
)
_HEAD = struct.Struct("<" + "".join(code for _, code in _ROWS))
_values = attrgetter(*(name for name, _ in _ROWS))
"""Of a probe, in this order."""
PROBE_BYTES = _HEAD.size + MAC_BYTES
"""36."""

Fault = Literal["probe_size", "probe_type", "probe_mac"]
"""Why a datagram is no probe: a reason for the counters of drops."""


class Probe(Struct, frozen=True, gc=False):
    """One probe or answer."""

    type: int
    """PROBE or ANSWER."""
    epoch: int
    """0..255, of the probe keys."""
    slot: int
    """0..65535: which probe of the attempt this is; for people who read captures."""
    label: int
    """The receiver's, from its Offer."""
    attempt: int
    random: bytes
    """8 bytes; the answer repeats them."""


def encode(probe: Probe, key: bytes) -> bytes:
    """The 36 bytes, sealed with the sender's 32-byte probe key."""
    head = _HEAD.pack(*_values(probe))
    return head + _mac(head, key)


def peek(payload: bytes) -> Probe | Fault:
    """Read the fields before the MAC is known to be good: the label says whose key to `verify` with."""
    if len(payload) != PROBE_BYTES:
        return "probe_size"
    if payload[0] not in (PROBE, ANSWER):
        return "probe_type"
    return Probe(*_HEAD.unpack_from(payload))


def verify(payload: bytes, key: bytes) -> bool:
    """Whether the MAC of a payload that `peek` could read is of this key."""
    return hmac.compare_digest(payload[_HEAD.size :], _mac(payload[: _HEAD.size], key))


def answer_to(probe: Probe, *, epoch: int, label: int) -> Probe:
    """What is sent back; `label` is the one the prober gave in its Offer."""
    return Probe(ANSWER, epoch, probe.slot, label, probe.attempt, probe.random)


def _mac(head: bytes, key: bytes) -> bytes:
    return blake2s(head, digest_size=MAC_BYTES, key=key).digest()
