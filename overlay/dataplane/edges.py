"""The two edges of the plane as the movers see them: a TUN and sockets.

    TUN --readv--> uplink --sendmsg--> outlet ~~~~ network ~~~~ inlet --recvmsg_into--> downlink --write--> TUN

`linux` puts system calls behind these names, `memory` puts lists; the movers do not know which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from punch.values import Endpoint, SocketId

Buffer = bytes | bytearray | memoryview
Ancillary = tuple[int, int, bytes]
"""Level, type, data of a control message."""
Address = Any
"""What `sendmsg` takes and `recvmsg_into` gives as an address; equal ones compare equal."""


class Tun(Protocol):
    """Records in and out: a virtio-net header of 10 bytes and an IP packet."""

    @property
    def offloads(self) -> int:
        """Bits of what it takes and gives besides plain packets: 1 TCP, 2 UDP super-packets, 4 checksums to do."""

    @property
    def readv(self) -> Callable[[Sequence[memoryview]], int]:
        """Read one record into the buffers; its size. Raises BlockingIOError: nothing there; OSError: it is gone."""

    @property
    def write(self) -> Callable[[Buffer], int]:
        """Write one record. Raises OSError: refused."""

    @property
    def writev(self) -> Callable[[Sequence[Buffer]], int]:
        """Write one record that lies in pieces. Raises OSError: refused."""


class NoTun:
    """A node without a device (`--no-tun`): it has nothing to read, and what comes for it is refused."""

    offloads = 0

    def readv(self, buffers: Sequence[memoryview]) -> int:
        """Raises BlockingIOError: never anything there."""
        raise BlockingIOError

    def write(self, record: Buffer) -> int:
        """Raises OSError: no device."""
        raise OSError("no device")

    def writev(self, buffers: Sequence[Buffer]) -> int:
        """Raises OSError: no device."""
        raise OSError("no device")


class Outlet:
    """Where datagrams leave: one SocketId."""

    __slots__ = ("address", "gso", "id", "sendmsg", "source")

    def __init__(
        self,
        id_: SocketId,
        sendmsg: Callable[[Sequence[Buffer], Sequence[Ancillary], int, Address], int],
        address: Callable[[Endpoint], Address | None],
        source: tuple[Ancillary, ...] = (),
    ) -> None:
        self.id = id_
        self.sendmsg = sendmsg
        """Send one datagram, or with UDP_SEGMENT several. Raises BlockingIOError: full; OSError: refused."""
        self.address = address
        """Where an endpoint is, in the form `sendmsg` takes; None: not by this socket."""
        self.source = source
        """Control messages that make datagrams leave from this id's local address."""
        self.gso = True
        """UDP_SEGMENT works here, as far as is known."""


class Inlet:
    """Where datagrams come in: one socket, which may stand for several local addresses."""

    __slots__ = ("by_address", "endpoint", "id", "recvmsg_into", "room")

    def __init__(
        self,
        id_: SocketId,
        recvmsg_into: Callable[[Sequence[memoryview], int], tuple[int, list[Ancillary], int, Address]],
        endpoint: Callable[[Address], Endpoint],
        room: int = 64,
    ) -> None:
        self.id = id_
        self.recvmsg_into = recvmsg_into
        """Read one datagram, or a UDP_GRO batch of them. Raises BlockingIOError: nothing there."""
        self.endpoint = endpoint
        """The endpoint an address stands for."""
        self.room = room
        """Bytes for control messages."""
        self.by_address: dict[bytes, SocketId] = {}
        """Ids of local addresses, where the host has several (IP_PKTINFO)."""
