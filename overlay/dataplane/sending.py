"""Hands datagrams to sockets: many in one call where the kernel cuts them, one by one where it cannot.

frames  | datagram | datagram | ... | last |      all of `size` bytes but the last
   |
   +-- UDP_SEGMENT: one sendmsg --EIO, EINVAL--> the same sealed bytes, one by one; this socket stays with that
   +-- full (EAGAIN) --> kept, `resume` goes on
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable

from overlay.dataplane import port
from overlay.dataplane.abi import MAX_SEGMENTS, MAX_SEND
from overlay.dataplane.edges import Address, Ancillary, Buffer, Outlet
from overlay.dataplane.rows import Lane, Peer
from overlay.dataplane.tables import Tables
from punch.values import SocketId

NO_SUPPORT = (errno.EIO, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOPROTOOPT)
"""What a kernel or a device without UDP_SEGMENT answers."""
LOST_FOR_GOOD = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EACCES, errno.EPERM)
"""What the kernel answers when this endpoint cannot be reached from here."""


def spread(
    outlet: Outlet, frames: Buffer, size: int, plain: list[Ancillary], segmented: list[Ancillary], address: Address
) -> int:
    """Send `frames` cut at `size`; the number of bytes taken before the socket was full.

    Raises:
        OSError: the kernel refused a datagram.
    """
    total = len(frames)
    step = size * min(MAX_SEGMENTS, MAX_SEND // size)
    at = 0
    while at < total:
        if not outlet.gso:
            step = size
        piece = frames[at : at + step]
        try:
            outlet.sendmsg((piece,), segmented if len(piece) > size else plain, 0, address)
        except BlockingIOError:
            return at
        except OSError as error:
            if len(piece) <= size:
                raise
            # Larger than the link takes is no fault of the offload: then the first datagram alone is refused too.
            if error.errno in NO_SUPPORT:
                outlet.gso = False
            elif error.errno != errno.EMSGSIZE:
                raise
            step = size
            continue
        at += len(piece)
    return total


class Sending:
    """Sends what was sealed, and keeps what a full socket did not take."""

    def __init__(self, tables: Tables, blocked: Callable[[Outlet], None]) -> None:
        """`blocked` is told which socket is full: call `resume` when it can be written again."""
        self._tables = tables
        self._blocked = blocked
        self.unsent: deque[tuple[Peer, Lane, bytes, int]] = deque()
        """Sealed datagrams and the size they are cut at; as long as there are any, nothing more may be sealed."""

    def send(self, peer: Peer, lane: Lane, frames: bytes | memoryview, size: int) -> None:
        """Send the datagrams of one envelope by one way."""
        total = len(frames)
        if total <= size:
            control = lane.plain
        elif total > MAX_SEND or not lane.outlet.gso:
            self._keep(peer, lane, frames, size)
            return
        else:
            control = lane.segmented if size == lane.way.size else lane.control(size)
        if self.unsent:
            self._keep(peer, lane, frames, size)
            return
        try:
            lane.outlet.sendmsg((frames,), control, 0, lane.address)
        except BlockingIOError:
            self._keep(peer, lane, frames, size)
        except OSError as error:
            if total > size and error.errno in (*NO_SUPPORT, errno.EMSGSIZE):
                self._keep(peer, lane, frames, size)
            else:
                self._refused(peer, lane, error)

    def _keep(self, peer: Peer, lane: Lane, frames: bytes | memoryview, size: int) -> None:
        """Not in one call: part by part, as the socket takes them."""
        self.unsent.append((peer, lane, bytes(frames), size))
        if len(self.unsent) == 1:
            self.resume()

    def resume(self) -> bool:
        """Go on with what a full socket left behind; whether all is gone."""
        unsent = self.unsent
        while unsent:
            peer, lane, frames, size = unsent[0]
            taken = 0
            try:
                taken = spread(lane.outlet, frames, size, lane.plain, lane.control(size), lane.address)
            except OSError as error:
                self._refused(peer, lane, error)
                taken = len(frames)
            if taken < len(frames):
                unsent[0] = (peer, lane, frames[taken:], size)
                self._blocked(lane.outlet)
                return False
            unsent.popleft()
        return True

    def forget(self, socket_id: SocketId) -> bool:
        """A socket is gone, and what it did not take with it; whether there was any."""
        kept = [each for each in self.unsent if each[1].outlet.id != socket_id]
        lost = len(self.unsent) - len(kept)
        if lost:
            self._tables.drop("send_refused", lost)
            self.unsent.clear()
            self.unsent.extend(kept)
        return lost > 0

    def _refused(self, peer: Peer, lane: Lane, error: OSError) -> None:
        tables = self._tables
        tables.drop("too_big" if error.errno == errno.EMSGSIZE else "send_refused")
        if error.errno in LOST_FOR_GOOD:
            fact = port.SendFailed(peer.id, lane.way.endpoint)
            if fact not in tables.facts:
                tables.facts.append(fact)
