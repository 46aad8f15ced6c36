"""A router's screen against port scans: who touches many ports of one host in a short time is shut out for a while.

Juniper SRX calls it `ids-option ... udp port-scan threshold` (nat-science section 5.6).
"""

from __future__ import annotations

from collections import deque

from punch.sim.model import NatModel


class Screen:
    """One direction's."""

    def __init__(self, model: NatModel) -> None:
        self._ports, self._window, self._block = model.scan_ports, model.scan_window, model.scan_block
        self._seen: dict[tuple[str, str], deque[tuple[float, int]]] = {}
        self._until: dict[str, float] = {}

    def blocks(self, source: str, to: str, port: int, *, now: float) -> bool:
        """Whether a packet of `source` to `port` of `to` is shut out."""
        if self._until.get(source, 0.0) > now:
            return True
        seen = self._seen.setdefault((source, to), deque())
        while seen and seen[0][0] <= now - self._window:
            seen.popleft()
        seen.append((now, port))
        if len(seen) < self._ports or len({each for _, each in seen}) < self._ports:
            return False
        self._until[source] = now + self._block
        seen.clear()
        return True
