"""The edges of a running node, opened together: device, sockets, plane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from overlay.config.schema import Config
from overlay.dataplane import port
from overlay.dataplane.linux import LinuxPlane
from overlay.node import facts as told
from overlay.shell.carriers.udp import UdpCarrier
from overlay.tun.linux import LinuxTun, open_tun
from punch.values import Endpoint, SocketId

Receive = Callable[[bytes, Endpoint, SocketId], None]
Tell = Callable[[told.Fact | port.Fact], None]


class Wires:
    """Device, sockets and plane of one node."""

    def __init__(self, config: Config, *, port_asked: bool, clock: Callable[[], float]) -> None:
        """Open them; a port that was asked for does not give way to the next free one.

        Raises:
            OverlayError: the device or the port cannot be had, with what to do about it.
        """
        node = config.node
        self._receive: Receive | None = None
        self._tell: Tell | None = None
        self.device: LinuxTun | None = None
        if node.tun:
            self.device = open_tun(node.dev, node.mtu, f"overlay {config.network}")
        try:
            self.plane = LinuxPlane(self.device, receive=self._frame, tell=self._fact, clock=clock)
            self.udp = UdpCarrier(node.port, may_move=not port_asked, plane=self.plane)
        except BaseException:
            if self.device is not None:
                self.device.close()
            raise

    @property
    def dev(self) -> str | None:
        """The device's name; None without one."""
        return self.device.name if self.device is not None else None

    @property
    def offloads(self) -> int:
        """Bits of what the device takes; 0 without one."""
        return self.device.offloads if self.device is not None else 0

    def connect(self, receive: Receive, tell: Tell) -> None:
        """From now on frames and facts go to the node."""
        self._receive, self._tell = receive, tell
        loop = asyncio.get_running_loop()
        self.plane.attach(loop)
        self.udp.connect(loop, receive, tell)

    def close(self) -> None:
        """Everything goes, with its addresses and routes."""
        self.plane.detach()
        self.udp.close()
        if self.device is not None:
            self.device.close()

    def _frame(self, payload: bytes, source: Endpoint, via: SocketId) -> None:
        if self._receive is not None:
            self._receive(payload, source, via)

    def _fact(self, fact: port.Fact) -> None:
        if self._tell is not None:
            self._tell(fact)
