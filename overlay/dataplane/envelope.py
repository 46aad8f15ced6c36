"""Records <-> sealed envelope <-> datagrams (protocol section 2), in buffers that are made once.

records    | u32 length | virtio-net header 10 | IP packet | u32 length | ...      length: what follows it
   | seal                                                                           (0, or the end, ends them)
sealed     | ciphertext ..................................................| tag 16 |
   | cut
datagrams  | header 16 | slice 0 | header 16 | slice 1 | ... | header 16 | last slice |   one UDP_SEGMENT send

With parity slices behind it, an envelope is padded to slices that are all alike, as small as their number allows: the
padding is some bytes. A small one is cut into more slices than it had to be, so that parity may follow it.
"""

from __future__ import annotations

import struct

from overlay.dataplane.abi import VNET
from overlay.dataplane.rows import Lane, OpenKey, Peer
from overlay.sealing import LARGEST_TAG, InvalidTag
from overlay.wire.frame import HEADER_SIZE, MAX_SLICES, PARITIES
from overlay.wire.parity import parity

LENGTH = 4
"""Bytes of a record's length."""
LEAD = LENGTH + VNET
"""Bytes of a record in front of its packet."""
LARGEST = 65_535 + LEAD
"""Bytes of the largest record: an IP packet says its length in 16 bits."""
SIZES = 16
"""Slice sizes that prepared views are kept for."""
SPENT = 1 << 32
"""Envelopes under one key (protocol section 4)."""

_counter = struct.Struct("<Q")
PER_PARITY, PER_PARITY_SMALL = 4, 2
"""Slices that an envelope is cut into for each parity slice at least: a quarter of the bytes (design section 2). One
that is smaller than so many slices stands, where much is lost, between that and a lone slice, which is doubled ..."""
LEAST_SLICE = 512
"""... as long as slices do not become smaller than this."""
LONE, LEAST_PIECE = 4, 100
"""A lone slice is cut into so many pieces at most, none of them smaller than this, and as many parity slices follow,
where a way asks for so many: of eight pieces any four will do, which is worth far more than one double."""
ALONE = 0.005
"""Seconds without another envelope from which on one is alone."""
_WORD = 4
"""A relay swaps labels of a whole batch at once where datagrams are whole words."""


class Sealer:
    """Seals one envelope at a time and lays it out as datagrams."""

    def __init__(self) -> None:
        self._frame = memoryview(bytearray(HEADER_SIZE + LARGEST + LARGEST_TAG + LENGTH + _WORD * MAX_SLICES))
        """Room for a header, then the sealed envelope: one of one slice is a datagram as it lies there."""
        self._sealed = self._frame[HEADER_SIZE:]
        self._nonce = bytearray(12)
        self._counter = bytearray(8)
        """The second half of every header."""
        self._lane: Lane | None = None
        self._shape = (0, 0, 0)
        """What was laid out last: lane; sealed size, slice size, parity slices."""
        self._parity = memoryview(bytearray(PARITIES[-1] << 16))
        """The parity slices of the present envelope."""
        self._layout: list[bytes | bytearray | memoryview] = []
        """First half of a header, counter, slice, in turn."""
        self._slices: dict[int, list[memoryview]] = {}
        """Every slice there may be, by slice size."""

    def seal(self, peer: Peer, records: memoryview | bytearray) -> int:
        """Seal `records` under the next counter of `peer`, which is ready; the sealed size.

        The counter is spent even if what follows fails: a resend sends the same sealed bytes.
        """
        counter = peer.counter
        peer.counter = counter + 1
        _counter.pack_into(self._nonce, 4, counter)
        _counter.pack_into(peer.aad, 2, counter)
        size = len(records) + peer.tag
        assert peer.encrypt_into is not None
        peer.encrypt_into(self._nonce, records, peer.aad, self._sealed[:size])
        return size

    def pad(
        self, peer: Peer, records: memoryview | bytearray, *, alone: bool
    ) -> tuple[memoryview | bytearray, int, int]:
        """The records of an envelope with parity, padded to whole slices; the size of a slice, the parity slices.

        `alone`: nothing went to the peer for a while, nor is likely to follow at once: a game, not a stream.
        """
        size = len(records) + peer.tag
        much = alone or peer.parity >= LONE
        if size <= peer.body:
            return self._lone(peer, records, size, much)
        k, count, share = peer.parity, -(-size // peer.body), PER_PARITY
        if much:
            share = PER_PARITY if size >= PER_PARITY * peer.body else PER_PARITY_SMALL
            while k > 1 and k * share * LEAST_SLICE > size:
                k >>= 1
            count = max(count, k * share)
        body = min(peer.body, -(-size // (count * _WORD)) * _WORD)
        count = -(-size // body)
        k = peer.afford(min(k, 1 << count.bit_length() - 1), size / share, body)
        if k:
            records = bytearray(records)
            records += bytes(count * body - size)
        return records, body, k

    @staticmethod
    def _lone(
        peer: Peer, records: memoryview | bytearray, size: int, much: bool
    ) -> tuple[memoryview | bytearray, int, int]:
        """The same of what fits one slice: it goes twice, in pieces any half of which will do where much is lost; of a
        stream over a way that loses little, only some do."""
        if not much:
            return records, peer.body, peer.afford(1, size / PER_PARITY, size)
        k = min(LONE, 1 << (size // LEAST_PIECE).bit_length() - 1) if size >= LEAST_PIECE else 1
        if k == 1 or peer.parity < LONE:
            return records, peer.body, 1
        body = -(-size // (k * _WORD)) * _WORD
        records = bytearray(records)
        records += bytes(k * body - size)
        return records, body, k

    def guard(self, size: int, body: int, k: int) -> None:
        """Make the `k` parity slices of the sealed envelope, which is one of whole slices."""
        if size > body:
            self._parity[: k * body] = parity(self._sealed[:size], body, k)

    def cut(self, lane: Lane, epoch: int, counter: int, size: int, body: int, k: int = 0) -> memoryview | bytes:
        """The datagrams of the sealed envelope on this lane, one after the other, slices of `body` bytes; `k` parity
        slices behind them, as `guard` made them.

        Where that is a view it is valid until the next call.
        """
        if lane.epoch != epoch:
            lane.use(epoch)
            self._lane = None
        if size <= body:
            frame = self._frame
            frame[:8] = lane.single
            _counter.pack_into(frame, 8, counter)
            once = frame[: HEADER_SIZE + size]
            return b"".join((once, lane.double, once[8:])) if k else once
        if lane is not self._lane or self._shape != (size, body, k):
            self._lay_out(lane, size, body, k)
        _counter.pack_into(self._counter, 0, counter)
        return b"".join(self._layout)

    def _lay_out(self, lane: Lane, size: int, body: int, k: int) -> None:
        """List what an envelope of this size on this lane is made of; bulk goes in envelopes that are all alike."""
        count = -(-size // body)
        self._lane, self._shape = lane, (size, body, k)
        slices = self._slices.get(body)
        if slices is None:
            starts = range(0, body * MAX_SLICES, body)
            slices = _kept(self._slices, body, [self._sealed[at : at + body] for at in starts])
        layout: list[bytes | bytearray | memoryview] = [self._counter] * (3 * (count + k))
        layout[::3] = lane.heads(count, k)
        layout[2::3] = [*slices[:count], *(self._parity[at : at + body] for at in range(0, k * body, body))]
        layout[3 * count - 1] = self._sealed[(count - 1) * body : size]
        self._layout = layout


class Opener:
    """Holds one batch as it was received, and opens its envelopes one at a time into `plain`."""

    ROOM = 1 << 17
    """Bytes a batch may have: a UDP_GRO batch is one IP packet, so half of it is used."""

    def __init__(self) -> None:
        self.batch = bytearray(self.ROOM)
        self.view = memoryview(self.batch)
        self.plain = bytearray(LARGEST + 64)
        """The records of the envelope opened last; behind its size lies what earlier ones left."""
        self.plain_view = memoryview(self.plain)
        self._nonce = bytearray(12)
        self._aad = bytearray((6,)) + bytes(9)
        self._layout: list[memoryview] = []
        """The slices of a batch of..."""
        self._laid = (0, 0)
        """...this datagram size and this end."""
        self._pieces: dict[int, list[memoryview]] = {}
        """Every slice there may be, by datagram size."""

    def gather(self, size: int, count: int, end: int) -> memoryview | bytes:
        """The sealed envelope whose `count` slices fill the batch up to `end`, headers `size` bytes apart."""
        if count == 1:
            return self.view[HEADER_SIZE:end]
        if (size, end) != self._laid:
            # Bulk comes in batches that are all alike.
            self._laid = (size, end)
            pieces = self._pieces.get(size)
            if pieces is None:
                pieces = _kept(self._pieces, size, self._slices(0, size, size * MAX_SLICES))
            self._layout = pieces[:count]
            self._layout[-1] = self.view[(count - 1) * size + HEADER_SIZE : end]
        return b"".join(self._layout)

    def gather_at(self, at: int, size: int, end: int) -> bytes:
        """The same of slices that begin at `at`."""
        return b"".join(self._slices(at, size, end))

    def _slices(self, at: int, size: int, end: int) -> list[memoryview]:
        view = self.view
        return [view[here + HEADER_SIZE : min(here + size, end)] for here in range(at, end, size)]

    def open(self, key: OpenKey, epoch: int, counter: int, sealed: memoryview | bytes) -> int:
        """Open into `plain`; the size of its records, or -1: the tag did not verify and nothing may be read."""
        size = len(sealed) - key.tag
        if not 0 <= size <= len(self.plain):
            return -1
        _counter.pack_into(self._nonce, 4, counter)
        aad = self._aad
        aad[1] = epoch
        _counter.pack_into(aad, 2, counter)
        try:
            return key.decrypt_into(self._nonce, sealed, aad, self.plain_view[:size])
        except InvalidTag:
            return -1


def _kept(pieces: dict[int, list[memoryview]], size: int, made: list[memoryview]) -> list[memoryview]:
    """Keep what was made for one size; sizes are few, unless somebody plays with them."""
    if len(pieces) >= SIZES:
        pieces.clear()
    pieces[size] = made
    return made
