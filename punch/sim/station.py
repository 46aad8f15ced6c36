"""A host in its place in a world."""

from __future__ import annotations

from punch.sim.host import Datagram, Host
from punch.sim.link import Link
from punch.sim.network import Network, Port
from punch.values import Endpoint

WILDCARDS = ("0.0.0.0", "::")


class Station:
    """A host under the name tests call it by, and what the world knows of it."""

    __slots__ = ("_waiting", "alarm", "asleep", "host", "keeps", "name", "online", "ports")

    def __init__(self, name: str, host: Host) -> None:
        self.name = name
        self.host = host
        self.ports: dict[str, Port[Station]] = {}
        self.alarm: float | None = None
        """The deadline that stands in the world's list."""
        self.online = True
        self.asleep = False
        self.keeps = 0
        """Datagrams that wait for it while it sleeps, as in a socket's buffer."""
        self._waiting: list[Datagram] = []

    def plug(self, network: Network[Station], address: str, link: Link) -> None:
        """Give it an address on a segment."""
        port = Port(self, network, address, link)
        network.plug(port)
        self.ports[address] = port

    def unplug(self, address: str) -> None:
        """Take an address away."""
        self.ports.pop(address).network.unplug(address)

    def port_for(self, source: str, to: str) -> Port[Station] | None:
        """The port a datagram leaves by; a wildcard source prefers a segment that `to` is on."""
        if source not in WILDCARDS:
            return self.ports.get(source)
        first: Port[Station] | None = None
        for port in self.ports.values():
            if (":" in port.address) == (":" in to):
                if len(self.ports) == 1:
                    return port
                if port.network.port(to) is not None:
                    return port
                first = first or port
        return first

    def has_room(self) -> bool:
        """Whether a datagram would be taken now."""
        return not self.asleep or len(self._waiting) < self.keeps

    def take(self, datagram: Datagram, *, now: float) -> None:
        """Receive it, or keep it while asleep."""
        if self.asleep:
            self._waiting.append(datagram)
        else:
            self.host.receive(datagram.payload, datagram.source, to=datagram.to, now=now)

    def wake(self, *, now: float) -> None:
        """Go on, beginning with what waited."""
        self.asleep = False
        waiting, self._waiting = self._waiting, []
        for datagram in waiting:
            self.take(datagram, now=now)


def sent_from(port: Port[Station], datagram: Datagram) -> Datagram:
    """The datagram as it stands on the wire: with the port's address as its source."""
    if datagram.source.host == port.address:
        return datagram
    return Datagram(Endpoint("udp", port.address, datagram.source.port), datagram.to, datagram.payload, datagram.ttl)
