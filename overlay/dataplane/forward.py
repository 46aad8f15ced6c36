"""Carries the frames of circuits (protocol section 7): a whole batch by one rewriting of labels and one send.

batch  | type .. | label | counter | slice | type .. | label | counter | slice | ...
                     |                           |
                     v  one strided assignment   v
                 next label                  next label            --> one UDP_SEGMENT send
"""

from __future__ import annotations

import errno

from overlay.dataplane.abi import SOL_UDP, UDP_SEGMENT
from overlay.dataplane.edges import Ancillary
from overlay.dataplane.rows import Circuit
from overlay.dataplane.sending import spread
from overlay.dataplane.tables import Tables
from punch.values import Endpoint

_LABEL = slice(4, 8)


class Forward:
    """Sends on what lies in a batch buffer."""

    def __init__(self, tables: Tables, batch: memoryview) -> None:
        self._tables = tables
        self._view = batch
        self._words = batch.cast("I")

    def carry(self, circuit: Circuit, at: int, end: int, size: int, source: Endpoint, *, now: float) -> int:
        """Send on the frames at `at` that are this circuit's, `size` bytes apart; where the next ones begin."""
        stop = min(at + size, end)
        if at == 0 and stop < end:
            stop = self._same_label(end, size)
        if source not in circuit.sources:
            self._tables.drop("circuit_source", -(-(stop - at) // size))
            return stop
        self._relabel(circuit, at, stop, size)
        self._send(circuit, at, stop, size, now=now)
        return stop

    def _same_label(self, end: int, size: int) -> int:
        """Where the frames end that have the label of the first; the batch is theirs alone as a rule."""
        if size % 4:
            label = self._view[_LABEL].tobytes()
            stop = size
            while stop < end and self._view[stop + 4 : stop + 8] == label:
                stop += size
            return min(stop, end)
        labels = self._words[1 : -(-end // 4) : size // 4].tolist()
        same = next((index for index, label in enumerate(labels) if label != labels[0]), len(labels))
        return min(same * size, end)

    def _relabel(self, circuit: Circuit, at: int, stop: int, size: int) -> None:
        label = circuit.command.out_label.to_bytes(4, "little")
        if at or size % 4:
            for here in range(at, stop, size):
                self._view[here + 4 : here + 8] = label
            return
        count = -(-stop // size)
        step = size // 4
        self._words[1 : 1 + step * (count - 1) + 1 : step] = memoryview(label * count).cast("I")

    def _send(self, circuit: Circuit, at: int, stop: int, size: int, *, now: float) -> None:
        outlet, address = circuit.outlet, circuit.address
        if outlet is None or address is None:
            self._tables.drop("circuit_blocked")
            return
        if not self._tables.ration.takes(circuit.command.source, stop - at, now=now):
            self._tables.drop("relay_rate", -(-(stop - at) // size))
            return
        plain: list[Ancillary] = list(outlet.source)
        segmented: list[Ancillary] = [*plain, (SOL_UDP, UDP_SEGMENT, size.to_bytes(2, "little"))]
        try:
            taken = spread(outlet, self._view[at:stop], size, plain, segmented, address)
        except OSError as error:
            self._tables.drop("too_big" if error.errno == errno.EMSGSIZE else "send_refused")
            return
        if taken < stop - at:
            self._tables.drop("circuit_blocked", -(-(stop - at - taken) // size))
        circuit.bytes += taken
        circuit.last = now
