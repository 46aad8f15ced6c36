"""Both directions over one set of tables: what `linux` and `memory` have in common, which is all but the calls."""

from __future__ import annotations

from collections.abc import Callable

from overlay.dataplane import port
from overlay.dataplane.downlink import Downlink
from overlay.dataplane.edges import Outlet, Tun
from overlay.dataplane.sending import Sending
from overlay.dataplane.tables import Tables
from overlay.dataplane.uplink import Uplink
from punch.values import Endpoint, SocketId


class Movers:
    """A data plane without its loop."""

    def __init__(
        self,
        tun: Tun,
        *,
        receive: Callable[[bytes, Endpoint, SocketId], None],
        tell: Callable[[port.Fact], None],
        blocked: Callable[[Outlet], None],
        find: Callable[[SocketId], Outlet | None] | None = None,
    ) -> None:
        """`find` makes outlets of ids that were not added; without one they must be added first."""
        self._receive = receive
        self._tell = tell
        self._outlets: dict[SocketId, Outlet] = {}
        self.tables = Tables(find or self._outlets.get)
        self.sending = Sending(self.tables, blocked)
        self.uplink = Uplink(self.tables, tun, self.sending)
        self.downlink = Downlink(self.tables, tun)

    def apply(self, command: port.Command, *, now: float) -> None:
        """Take one command; what was held for a peer that is ready now goes out."""
        tables = self.tables
        tables.apply(command)
        while tables.released:
            self.uplink.release(tables.released.popleft(), now=now)

    def add_outlet(self, outlet: Outlet) -> None:
        """Ways by this id lead somewhere from now on."""
        self._outlets[outlet.id] = outlet
        self.tables.socket_changed(outlet.id)

    def remove_outlet(self, socket_id: SocketId) -> None:
        """Ways by this id lead nowhere any more."""
        self._outlets.pop(socket_id, None)
        self.tables.socket_changed(socket_id)

    def outlet(self, socket_id: SocketId) -> Outlet | None:
        """The outlet behind an id."""
        return self._outlets.get(socket_id)

    def hand_over(self) -> bool:
        """Give the hall the frames that are not data, then the facts, in the order they came; whether any were."""
        frames, facts = self.downlink.frames, self.tables.facts
        if not frames and not facts:
            return False
        self.downlink.frames = []
        for payload, source, via in frames:
            self._receive(payload, source, via)
        while facts:
            self._tell(facts.popleft())
        return True

    def pulses(self, since: float) -> tuple[port.Pulse, ...]:
        """Peers that something was sent to after `since`."""
        return self.tables.pulses(since)

    def counters(self, *, now: float) -> port.Counters:
        """All counters now."""
        self.downlink.tidy(now=now)
        counters = self.tables.counters()
        for reason, count in self.downlink.drops.items():
            counters.drops[reason] = counters.drops.get(reason, 0) + count
        return counters
