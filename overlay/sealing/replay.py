"""The counters of a key that were already opened: 8,192 back from the highest, one byte each.

        highest - 8191                    highest
    ----|..................................|----------->  counter
    too old: seen      looked up        never seen

A ring of bytes, indexed by counter mod 8,192: in pure Python a lookup costs 60 ns, where shifting an integer of
8,192 bits costs ten times that. Slots that the highest counter jumps over are wiped on the way.
"""

from __future__ import annotations

WINDOW = 8192
"""Counters remembered (protocol section 4: at least 8,192); a power of two."""

_MASK = WINDOW - 1


class ReplayWindow:
    """Ask `seen` before opening; `mark` only after the tag verified, or a forger shuts out the true frames."""

    __slots__ = ("_ring", "highest")

    def __init__(self) -> None:
        self._ring = bytearray(WINDOW)
        self.highest = -1
        """The highest counter marked; -1: none."""

    def seen(self, counter: int) -> bool:
        """Whether a frame with `counter` (u64) was opened before, or is too old to tell."""
        lag = self.highest - counter
        if lag < 0:
            return False
        return lag >= WINDOW or self._ring[counter & _MASK] != 0

    def unseen(self, after: int, upto: int) -> int:
        """How many counters above `after` up to `upto` (the highest at most) were never opened; those too old to tell
        are not counted."""
        first, end = max(after, self.highest - WINDOW) + 1, upto + 1
        if first >= end:
            return 0
        start, stop = first & _MASK, end & _MASK
        if start < stop:
            return self._ring.count(0, start, stop)
        return self._ring.count(0, start) + self._ring.count(0, 0, stop)

    def mark(self, counter: int) -> None:
        """Remember that a frame with `counter` was opened."""
        step = counter - self.highest
        if step > 0:
            if step > 1:
                self._wipe(step)
            self.highest = counter
        elif step <= -WINDOW:
            return
        self._ring[counter & _MASK] = 1

    def _wipe(self, step: int) -> None:
        """Forget what stood in the slots of the `step` - 1 counters behind the highest."""
        if step > WINDOW:
            self._ring = bytearray(WINDOW)
            return
        first = self.highest + 1 & _MASK
        end = first + step - 1
        if end <= WINDOW:
            self._ring[first:end] = bytes(step - 1)
        else:
            self._ring[first:] = bytes(WINDOW - first)
            self._ring[: end - WINDOW] = bytes(end - WINDOW)
