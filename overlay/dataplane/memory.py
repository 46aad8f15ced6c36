"""The plane over lists: the same movers, with a TUN and sockets in memory, for worlds in virtual time.

MemoryTun --> uplink --> outlet --> send(via, endpoint, datagram)
datagram(payload, source, via) --> inlet --> downlink --> MemoryTun | receive
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from overlay.dataplane import port
from overlay.dataplane.abi import SOL_UDP, UDP_SEGMENT
from overlay.dataplane.edges import Address, Ancillary, Buffer, Inlet, NoTun, Outlet, Tun
from overlay.dataplane.movers import Movers
from punch.values import Endpoint, SocketId

TURN = 64
"""Envelopes sent at most when the TUN is polled once."""


class MemoryPlane:
    """Moves packets between a memory TUN and whoever calls."""

    def __init__(
        self,
        tun: Tun | None,
        *,
        send: Callable[[SocketId, Endpoint, bytes], None],
        receive: Callable[[bytes, Endpoint, SocketId], None],
        tell: Callable[[port.Fact], None],
        clock: Callable[[], float],
    ) -> None:
        """`send` takes each datagram; `receive` gets every frame that is not data, `tell` the facts."""
        self._send = send
        self._clock = clock
        self._arrived: deque[tuple[bytes, Endpoint]] = deque()
        self._outlets: dict[SocketId, Outlet] = {}
        self._inlets: dict[SocketId, Inlet] = {}
        self._movers = Movers(
            tun or NoTun(), receive=receive, tell=tell, blocked=lambda outlet: None, find=self._outlet
        )

    def apply(self, command: port.Command) -> None:
        """Take one command of the hall; packets held for a peer that is ready now go out at once."""
        self._movers.apply(command, now=self._clock())

    def counters(self) -> port.Counters:
        """All counters now."""
        return self._movers.counters(now=self._clock())

    def pulses(self, since: float) -> tuple[port.Pulse, ...]:
        """Peers that something was sent to after `since`."""
        return self._movers.pulses(since)

    def datagram(self, payload: bytes, source: Endpoint, via: SocketId) -> None:
        """Take one UDP payload that came in."""
        self._arrived.append((payload, source))
        inlet = self._inlets.get(via)
        if inlet is None:
            inlet = self._inlets[via] = Inlet(via, self._recvmsg_into, lambda address: address)
        now = self._clock()
        self._movers.downlink.pump(inlet, 2, now=now)
        self._movers.uplink.pump(TURN, now=now)
        self._movers.hand_over()

    def poll_tun(self) -> None:
        """Move what the TUN has."""
        self._movers.uplink.pump(TURN, now=self._clock())
        self._movers.hand_over()

    # --- what stands for system calls ---

    def _outlet(self, via: SocketId) -> Outlet:
        outlet = self._outlets.get(via)
        if outlet is None:

            def sendmsg(pieces: Sequence[Buffer], control: Sequence[Ancillary], flags: int, to: Address) -> int:
                return self._sendmsg(via, b"".join(pieces), control, to)

            outlet = self._outlets[via] = Outlet(via, sendmsg, lambda endpoint: endpoint)
        return outlet

    def _sendmsg(self, via: SocketId, frames: bytes, control: Sequence[Ancillary], to: Endpoint) -> int:
        size = len(frames)
        for level, kind, data in control:
            if (level, kind) == (SOL_UDP, UDP_SEGMENT):
                size = int.from_bytes(data, "little")
        for at in range(0, len(frames), size):
            self._send(via, to, frames[at : at + size])
        return len(frames)

    def _recvmsg_into(self, into: Sequence[memoryview], room: int) -> tuple[int, list[Ancillary], int, Address]:
        if not self._arrived:
            raise BlockingIOError
        payload, source = self._arrived.popleft()
        into[0][: len(payload)] = payload
        return len(payload), [], 0, source
