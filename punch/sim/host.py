"""What lives in a world: anything with the verbs of an edge machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from punch.values import Endpoint


class Datagram(Struct, frozen=True, gc=False):
    """One UDP payload on its way."""

    source: Endpoint
    """When a host sends: one of its own, or a wildcard host (`0.0.0.0`, `::`) that the world fills in."""
    to: Endpoint
    payload: bytes
    ttl: int = 0
    """IP TTL or hop limit: it dies at the router that makes it 0; ttl 0: at none."""

    def travelled(self, routers: int) -> Datagram:
        """The same after so many routers; a `ttl` of 0 or less: it died on the way."""
        return Datagram(self.source, self.to, self.payload, self.ttl - routers)


class Host(Protocol):
    """A machine at the edge: it hears datagrams and sends some.

    A test may hand it facts by its own verbs whenever the world is not running; the world looks at every host again
    when it goes on.
    """

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """A datagram came to `to`, an address of this host; whether the port is open is its own business."""

    def next_timeout(self) -> float | None:
        """The moment `handle_timeout` wants to be called at, or None."""

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due at `now`."""

    def outgoing(self) -> Iterator[Datagram]:
        """Drain what is to be sent, oldest first."""
