"""How one direction of a wire treats what it carries.

datagram -> too large? -> queue full? -> wait for those before it -> lost? -> delay, jitter -> held back? -> twice?
"""

from __future__ import annotations

import random
from typing import Literal

from msgspec import Struct

IPV4_HEADERS, IPV6_HEADERS = 28, 48
"""Bytes of IP and UDP headers before the payload (RFC 791, RFC 8200, RFC 768)."""
LONGEST_HEADERS = max(IPV4_HEADERS, IPV6_HEADERS)

Lost = Literal["mtu", "queue", "loss"]


class Link(Struct, frozen=True, kw_only=True):
    """What one direction is like; seconds, chances of 0..1."""

    delay: float = 0.01
    """Every datagram takes this long at least."""
    jitter: float = 0.0
    """And up to this much more, evenly; datagrams keep their order."""
    loss: float = 0.0
    """Chance to vanish."""
    duplicate: float = 0.0
    """Chance to arrive twice."""
    reorder: float = 0.0
    """Chance to be held back, so that later ones overtake it."""
    held: float = 0.005
    """For how long those are held back."""
    rate: float | None = None
    """Bits a second, headers included; None: no limit."""
    queue: int = 250_000
    """Bytes that wait for a limited rate at most; what comes on top is dropped."""
    mtu: int = 1500
    """IP packets above this many bytes are dropped: nothing fragments."""

    @property
    def patient(self) -> bool:
        """What it does to a datagram does not depend on those before it."""
        return self.rate is None and self.jitter == 0.0


class Wire:
    """One direction at work: a link, which may be exchanged, and what is on it now."""

    __slots__ = ("_free", "_last", "_link", "delay", "patient", "steady")

    def __init__(self, link: Link) -> None:
        self.link = link
        self._free = 0.0
        self._last = 0.0

    @property
    def link(self) -> Link:
        """What it is like now."""
        return self._link

    @link.setter
    def link(self, link: Link) -> None:
        self._link = link
        self.patient = link.patient
        """See `Link`."""
        self.delay = link.delay
        plain = link.patient and not (link.loss or link.reorder or link.duplicate)
        self.steady = link.mtu if plain else 0
        """Bytes of the largest IP packet that it delays and does nothing else to."""

    def carry(self, size: int, entropy: random.Random, *, now: float) -> tuple[float, ...] | Lost:
        """When an IP packet of `size` bytes put on it at `now` arrives, once or twice; or why it does not.

        Datagrams are put on in order of time, unless the link is `patient`.
        """
        link = self._link
        if size > link.mtu:
            return "mtu"
        leaves = now
        if link.rate is not None:
            start = max(now, self._free)
            if (start - now) * link.rate / 8 + size > link.queue:
                return "queue"
            self._free = leaves = start + size * 8 / link.rate
        if link.loss and entropy.random() < link.loss:
            return "loss"
        arrival = leaves + link.delay
        if not self.patient:
            arrival = self._last = max(self._last, arrival + link.jitter * entropy.random())
        if link.reorder and entropy.random() < link.reorder:
            arrival += link.held
        if link.duplicate and entropy.random() < link.duplicate:
            return (arrival, arrival)
        return (arrival,)


def packet_size(payload: bytes, *, ipv6: bool) -> int:
    """Bytes of the IP packet around a UDP payload."""
    return len(payload) + (IPV6_HEADERS if ipv6 else IPV4_HEADERS)
