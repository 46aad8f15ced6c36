"""A probe or an answer that came in -> the attempt it belongs to, or why it is of no use.

label names the attempt -> its number is right -> the MAC is one of its peer's keys -> it is heard
"""

from __future__ import annotations

from collections.abc import Mapping

from punch import probe as wire
from punch.attempt import Attempt
from punch.values import Endpoint, SocketId


def take_probe(payload: bytes, attempts: Mapping[int, Attempt], source: Endpoint, *, via: SocketId, now: float) -> str:
    """Hand it to one of `attempts` (by label); the reason it was dropped for, or "" if it was used."""
    probe = wire.peek(payload)
    if isinstance(probe, str):
        return probe
    attempt = attempts.get(probe.label)
    if attempt is None or probe.attempt != attempt.number:
        return "probe_unknown"
    if not any(wire.verify(payload, key) for key in attempt.peer.open_keys(probe.epoch)):
        return "probe_mac"
    take = attempt.probed if probe.type == wire.PROBE else attempt.answered
    return take(probe, source, via=via, now=now)
