"""TUN -> sockets: what is readable now is sealed once per peer, cut into path-sized datagrams, sent with one call.

              +--- destination of this run ------> behind the last record, no copy ----+
    readv --> |    another peer, <= 2 KiB -------> that peer's open envelope (copied) -+--> seal --> cut --> sendmsg
              |    another peer, larger: the run ends, the record begins the next one  |
              +--- peer without keys or way -----> held                                +

An envelope ends when it is full; all end when the TUN is empty, so a lone packet leaves at once. A socket that is full
keeps the datagrams it would not take, and nothing more is read until they are gone.
"""

from __future__ import annotations

import struct

from overlay.dataplane import port
from overlay.dataplane.abi import NEEDS_CSUM
from overlay.dataplane.check import is_multicast
from overlay.dataplane.edges import Tun
from overlay.dataplane.envelope import ALONE, LARGEST, LEAD, LENGTH, SPENT, Sealer
from overlay.dataplane.rows import Peer
from overlay.dataplane.segment import fit, offends
from overlay.dataplane.sending import Sending
from overlay.dataplane.tables import Tables
from overlay.values import NodeId
from overlay.wire.frame import HEADER_SIZE

SMALL = 2048
"""Bytes of a record that is worth copying to another peer's envelope (0.26 us; a larger one ends the run)."""
SIDES = 256 << 10
"""Bytes copied aside until all open envelopes are sealed."""
READS = 1024
"""Records read until all open envelopes are sealed, wherever they went: bounded work even if all are dropped."""
FULL = port.FULL_ENVELOPE - 1500
"""Bytes from which on an envelope counts as full: a whole packet may not fit any more. A peer's own limit may be less:
there the first record that does not fit ends it."""

_length = struct.Struct("<I")
_ENDS = Peer(NodeId(b""))
"""Nobody: the record ends the present run."""


class _Side:
    """An open envelope that records are copied to."""

    __slots__ = ("count", "records")

    def __init__(self) -> None:
        self.records = bytearray()
        self.count = 0


class Uplink:
    """Moves what the TUN has."""

    def __init__(self, tables: Tables, tun: Tun, sending: Sending) -> None:
        self._tables = tables
        self._readv = tun.readv
        self._sending = sending
        self._sealer = Sealer()
        self._buffer = bytearray(3 * LARGEST)
        self._view = memoryview(self._buffer)
        self._start = 0
        """Where the next run begins in the buffer..."""
        self._left = 0
        """...with a record of so many bytes that was read and did not fit."""
        self._current: Peer | None = None
        self._wanted = bytearray()
        """Whose the last run was, and the inner address it went to..."""
        self._version = -1
        """...as the tables were then."""
        self._sides: dict[Peer, _Side] = {}
        self._aside = 0
        self._now = 0.0
        self.gone = False
        """The device is no more: whoever watches it for packets should not."""

    def pump(self, budget: int, *, now: float) -> bool:
        """Read and send at most `budget` full envelopes; whether the TUN may have more for us now."""
        self._now = now
        unsent, fill = self._sending.unsent, self._fill
        for _ in range(budget):
            if unsent or not fill(FULL):
                return False
        return not unsent

    def one(self, *, now: float) -> bool:
        """Read one packet and send it, without looking for more; whether there was one."""
        self._now = now
        return not self._sending.unsent and self._fill(0)

    def release(self, peer: Peer, *, now: float) -> None:
        """Send what was held for a peer that is ready now."""
        self._now = now
        for record in self._tables.take_held(peer):
            large = LENGTH + len(record) > peer.limit < port.FULL_ENVELOPE
            if large or peer.reshape or not self._clean(record, 0, len(record)):
                self._reshape(peer, record)
            else:
                self._copy(peer, record)
        self._ship_sides()

    # --- reading ---

    def _fill(self, enough: int) -> bool:
        """Read until the TUN is empty or there are more than `enough` bytes, and send what was read; False: empty."""
        buffer, view, readv = self._buffer, self._view, self._readv
        size = self._left
        start = offset = self._rebase() if size else 0
        full = start + enough
        self._left = count = 0
        (current, wanted), more = self._last_run(), True
        limit = current.limit if current is not None else port.FULL_ENVELOPE
        for _ in range(READS):
            if not size:
                if offset > full:
                    break
                try:
                    size = readv((view[offset + LENGTH : offset + LARGEST],))
                except OSError as error:
                    more, self.gone = False, not isinstance(error, BlockingIOError)
                    break
            if buffer[offset + 14] < 0x60:
                target = buffer[offset + 30 : offset + 34]
            else:
                target = buffer[offset + 38 : offset + 54]
            if target != wanted or (
                (buffer[offset + 5] or buffer[offset + 4] > NEEDS_CSUM)
                and not self._clean(buffer, offset + LENGTH, size)
            ):
                peer = self._place(target, offset + LENGTH, size, current if count else None)
                if peer is None:
                    size = 0
                    if self._aside <= SIDES:
                        continue
                    break
                if count and peer is not current:
                    self._left = size
                    break
                current, wanted, limit = peer, target, peer.limit
            end = offset + LENGTH + size
            if count and end - start > limit:
                self._left = size
                break
            _length.pack_into(buffer, offset, size)
            offset = end
            count += 1
            if size > SMALL and end + size - start > limit:  # the next one is as large, as a rule
                break
            size = 0
        self._start, self._current, self._wanted = offset, current, wanted
        self._ship_run(current if count else None, view[start:offset], count)
        return more

    def _ship_run(self, peer: Peer | None, run: memoryview, count: int) -> None:
        """Send what was read, in the order it was read; a lone packet too large for its peer is cut."""
        self._ship_sides()  # what lies aside for this peer was read before its run began
        if peer is None:
            return
        if len(run) > peer.limit < port.FULL_ENVELOPE:
            self._reshape(peer, bytes(run[LENGTH:]))
            self._ship_sides()
        else:
            self._ship(peer, run, count)

    def _last_run(self) -> tuple[Peer | None, bytearray]:
        """Peer and destination of the last run, which are the next one's as a rule; nobody once the tables changed."""
        if self._version != self._tables.version:
            self._current, self._wanted, self._version = None, bytearray(), self._tables.version
        return self._current, self._wanted

    def _rebase(self) -> int:
        """Where a run begins whose first record was read already: there, unless that is too far back by now."""
        start = self._start
        if start <= LARGEST:
            return start
        size = LENGTH + self._left
        self._buffer[:size] = self._buffer[start : start + size]
        return 0

    def _place(self, target: bytearray, at: int, size: int, current: Peer | None) -> Peer | None:
        """Whose run the record at `at` (virtio-net header) belongs to; None: it went elsewhere, _ENDS: not to this."""
        tables = self._tables
        peer = tables.routes.get(bytes(target))
        if peer is None:
            tables.drop("multicast" if is_multicast(target) else "no_route")
            return None
        if not peer.ready:
            tables.hold(peer, bytes(self._view[at : at + size]))
            return None
        if peer.reshape or not self._clean(self._buffer, at, size):
            if peer is current:
                return _ENDS
            self._reshape(peer, bytes(self._view[at : at + size]))
            return None
        if current is None or peer is current:
            return peer
        if size > SMALL:
            return _ENDS
        self._copy(peer, self._view[at : at + size])
        return None

    @staticmethod
    def _clean(buffer: bytearray | bytes, at: int, size: int) -> bool:
        """Whether every receiver takes the virtio-net header at `at` as it is."""
        kind = buffer[at + 1]
        return buffer[at] <= NEEDS_CSUM and (not kind or not offends(kind, buffer[at + 4] | buffer[at + 5] << 8, size))

    # --- open envelopes ---

    def _reshape(self, peer: Peer, record: bytes) -> None:
        """Put a record aside in pieces that the peer takes."""
        pieces = fit(record, peer.offloads, peer.limit - LENGTH)
        if not pieces:
            self._tables.drop("not_segmented")
        for piece in pieces:
            self._copy(peer, piece)

    def _copy(self, peer: Peer, record: bytes | memoryview) -> None:
        """Put a record into the peer's open envelope."""
        size = LENGTH + len(record)
        side = self._sides.get(peer)
        if side is not None and len(side.records) + size > peer.limit:
            self._ship(peer, side.records, side.count)
            side = None
        if side is None:
            side = self._sides[peer] = _Side()
        side.records += _length.pack(size - LENGTH)
        side.records += record
        side.count += 1
        self._aside += size

    def _ship_sides(self) -> None:
        for peer, side in self._sides.items():
            self._ship(peer, side.records, side.count)
        self._sides.clear()
        self._aside = 0

    def _ship(self, peer: Peer, records: memoryview | bytearray, count: int) -> None:
        """Seal `count` records once and send them by every way of the peer."""
        sealer, body, counter, k = self._sealer, peer.body, peer.counter, 0
        counters = peer.counters
        counters.tx_bytes += len(records) - LEAD * count
        if peer.parity:
            records, body, k = sealer.pad(peer, records, alone=self._now - counters.last_tx >= ALONE)
        counters.last_tx = self._now
        sealed = sealer.seal(peer, records)
        if k:
            sealer.guard(sealed, body, k)
            if sealed <= body:
                body = sealed
        for lane in peer.lanes:
            frames = sealer.cut(lane, peer.epoch, counter, sealed, body, k)
            self._sending.send(peer, lane, frames, body + HEADER_SIZE)
        if counter + 1 == SPENT:
            self._tables.facts.append(port.CounterSpent(peer.id))
