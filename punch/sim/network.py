"""Segments, the ports of hosts on them, and the routers between a segment and the one upstream.

ports: address -> host here      doors: address -> router of a segment below      up: everything else
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from punch.sim.host import Datagram
from punch.sim.link import Link, Wire

Owner = TypeVar("Owner")


class Router(Protocol):
    """Stands between a segment and the one upstream; a NAT is one."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its own addresses upstream."""

    def routes(self, address: str) -> bool:
        """Whether an inner address is reachable from upstream as it is."""

    def outward(self, datagram: Datagram, *, now: float) -> Datagram | None:
        """What leaves for upstream; None: dropped."""

    def inward(self, datagram: Datagram, *, now: float) -> Datagram | None:
        """What enters the segment; None: dropped."""


class OpenRouter:
    """Passes everything as it is: a segment with addresses of the internet."""

    addresses: tuple[str, ...] = ()

    def routes(self, address: str) -> bool:
        """Every inner address is reachable."""
        return True

    def outward(self, datagram: Datagram, *, now: float) -> Datagram | None:
        """Unchanged."""
        return datagram

    def inward(self, datagram: Datagram, *, now: float) -> Datagram | None:
        """Unchanged."""
        return datagram


class Port(Generic[Owner]):
    """Where a host is plugged in: an address on a segment, and a wire each way."""

    __slots__ = ("address", "down", "network", "owner", "up")

    def __init__(self, owner: Owner, network: Network[Owner], address: str, link: Link) -> None:
        self.owner = owner
        self.network = network
        self.address = address
        self.up = Wire(link)
        self.down = Wire(link)


class Door(Generic[Owner]):
    """One direction through a router: `down` leads to it, `up` from it onto `beyond`."""

    __slots__ = ("beyond", "down", "inward", "pass_on", "up")

    def __init__(
        self, router: Router, beyond: Network[Owner], *, inward: bool, down: Wire | None, up: Wire | None
    ) -> None:
        self.beyond = beyond
        self.inward = inward
        self.pass_on: Callable[..., Datagram | None] = router.inward if inward else router.outward
        """The router's verb: what comes out on the other side; None: dropped."""
        self.down = down
        self.up = up


class Gate(Generic[Owner]):
    """A router in its place: the segment above it, and a door each way."""

    __slots__ = ("above", "inward", "outward", "router")

    def __init__(self, router: Router, below: Network[Owner], above: Network[Owner], link: Link) -> None:
        self.router = router
        self.above = above
        self.outward = Door(router, above, inward=False, down=None, up=Wire(link))
        self.inward = Door(router, below, inward=True, down=Wire(link), up=None)


class Network(Generic[Owner]):
    """A segment; `link` is what a port's wires are like unless a host brings its own."""

    def __init__(self, name: str, link: Link, hops: int = 0) -> None:
        self.name = name
        self.link = link
        self.hops = hops
        """Routers on the way across it that are not drawn."""
        self._gate: Gate[Owner] | None = None
        self._outward: Door[Owner] | None = None
        """Of the gate."""
        self._ports: dict[str, Port[Owner]] = {}
        self._doors: dict[str, Door[Owner]] = {}

    def connect(self, above: Network[Owner], router: Router, link: Link) -> None:
        """Put `router` between this segment and the one above, over an uplink that is `link` each way.

        Raises:
            ValueError: an address of the router is taken above.
        """
        self._gate = Gate(router, self, above, link)
        self._outward = self._gate.outward
        for address in router.addresses:
            above._open(address, self._gate.inward)

    def plug(self, port: Port[Owner]) -> None:
        """Take a host's port.

        Raises:
            ValueError: the address is taken on this segment, or on one above that routes it.
        """
        self._announce(port.address)
        self._ports[port.address] = port

    def unplug(self, address: str) -> None:
        """Nobody has `address` here now."""
        del self._ports[address]
        self._withdraw(address)

    def port(self, address: str) -> Port[Owner] | None:
        """The port with `address` on this segment."""
        return self._ports.get(address)

    def inside(self, address: str) -> Port[Owner] | Door[Owner] | None:
        """Where a datagram for `address` goes next, if not upstream."""
        return self._ports.get(address) or self._doors.get(address)

    def towards(self, address: str) -> Port[Owner] | Door[Owner] | None:
        """Where a datagram for `address` goes next."""
        return self._ports.get(address) or self._doors.get(address) or self._outward

    def _open(self, address: str, door: Door[Owner]) -> None:
        self._announce(address)
        self._doors[address] = door

    def _close(self, address: str) -> None:
        del self._doors[address]
        self._withdraw(address)

    def _announce(self, address: str) -> None:
        if self.inside(address) is not None:
            raise ValueError(f"{address} is taken on {self.name}")
        if (gate := self._gate) is not None and gate.router.routes(address):
            gate.above._open(address, gate.inward)

    def _withdraw(self, address: str) -> None:
        if (gate := self._gate) is not None and gate.router.routes(address):
            gate.above._close(address)
