"""The double of a TUN device: lists instead of a kernel."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from overlay.dataplane.abi import ACCEPT_ALL, VNET
from overlay.dataplane.edges import Buffer
from overlay.tun.device import PREFIX4, PREFIX6


class MemoryTun:
    """A device whose host is whoever holds it: `put` what the host sends, `taken` is what it received."""

    def __init__(self, name: str = "memory0", mtu: int = 1380, offloads: int = ACCEPT_ALL) -> None:
        self.name = name
        self.mtu = mtu
        self.offloads = offloads
        self.addresses: tuple[str, ...] = ()
        self.closed = False
        self.taken: deque[bytes] = deque()
        """Records the plane wrote, oldest first: virtio-net header and packet."""
        self._waiting: deque[bytes] = deque()

    def put(self, packet: bytes, header: bytes = bytes(VNET)) -> None:
        """The host sends a packet, with this virtio-net header; the plane sees it when it polls."""
        self._waiting.append(header + packet)

    def readv(self, buffers: Sequence[memoryview]) -> int:
        """Read one record. Raises BlockingIOError: nothing there."""
        if not self._waiting:
            raise BlockingIOError
        record = self._waiting.popleft()
        at = 0
        for buffer in buffers:
            piece = record[at : at + len(buffer)]
            buffer[: len(piece)] = piece
            at += len(piece)
        return at

    def write(self, record: Buffer) -> int:
        """The host receives a record."""
        self.taken.append(bytes(record))
        return len(record)

    def writev(self, buffers: Sequence[Buffer]) -> int:
        """The host receives a record that lies in pieces."""
        return self.write(b"".join(buffers))

    def configure(self, ipv4: str, ipv6: str, prefix4: int = PREFIX4, prefix6: int = PREFIX6) -> None:
        """Give it these addresses, replacing earlier ones."""
        self.addresses = tuple(f"{address}/{bits}" for address, bits in ((ipv4, prefix4), (ipv6, prefix6)) if address)

    def close(self) -> None:
        """The device goes."""
        self.closed = True
