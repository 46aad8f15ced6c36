"""Slices that came one by one -> the sealed envelope, in bounded memory (protocol section 5).

    slice --key--> partial: [ 0 | 1 |   | 3 | last ] [parity]  --all there, or rebuilt--> bytes
                   8 a session, 16 MiB in all, 100 ms; the oldest gives way

The key is (label, epoch, counter, count, path), or whatever else tells two envelopes apart. The slice size is fixed
by the first slice that is not the last, or by a parity slice; a last slice waits for it; first arrival wins a slot.
What was rebuilt is missed only once its time is over as well: until then it may have been overtaken.
"""

from __future__ import annotations

from collections.abc import Hashable

from msgspec import Struct

from overlay.wire.frame import MAX_SLICES, PARITY, is_parity, parity_place
from overlay.wire.parity import rebuild

LIMIT_BYTES = 16 << 20
"""Bytes buffered by a node at most (protocol section 5)."""
PER_SESSION = 8
"""Partial envelopes of a session at most (protocol section 5)."""
TIMEOUT = 0.1
"""Seconds a partial envelope waits for its last slice (design section 2)."""
SLOT_COST = 64
"""Bytes counted for a buffered slice besides its own: a flood of tiny ones is bounded too."""
MOST_REBUILT = 1024
"""Rebuilt envelopes whose slices may still come; the oldest count as missed early."""


class Missed(Struct, frozen=True):
    """Slices of one envelope whose time is over."""

    session: Hashable
    key: Hashable
    whole: bool
    """The envelope was given out, rebuilt; False: it was given up."""
    came: int
    """Slices that came of one given up; those of a rebuilt one were told when it was given out."""
    missed: int
    """Data slices that did not come."""


class _Partial:
    __slots__ = ("came", "cost", "missing", "parities", "session", "size", "slots", "started")

    def __init__(self, session: Hashable, count: int, started: float) -> None:
        self.session = session
        self.started = started
        self.slots: list[bytes | None] = [None] * count
        self.parities: list[bytes | None] = []
        """As many as the sender made, once one of them came."""
        self.missing = count
        self.came = 0
        self.size = 0
        self.cost = 0


class Reassembly:
    """Partial envelopes of all sessions of a node."""

    def __init__(
        self, limit_bytes: int = LIMIT_BYTES, per_session: int = PER_SESSION, timeout: float = TIMEOUT
    ) -> None:
        self._limit = limit_bytes
        self._per_session = per_session
        self._timeout = timeout
        self._partials: dict[Hashable, _Partial] = {}
        self._of_session: dict[Hashable, dict[Hashable, None]] = {}
        self._rebuilt: dict[Hashable, tuple[float, Hashable, list[int]]] = {}
        """Key -> when given out, whose, the data slices that did not come so far."""
        self._over: list[Missed] = []
        self.buffered = 0
        """Bytes held now, `SLOT_COST` a slice included."""
        self.came = 0
        """Slices that came of the envelope given out last."""
        self._absent: list[int] = []
        """The data slices of that one that did not come."""
        self.drops: dict[str, int] = {}
        """Slices by reason: slice_header, slice_size, slice_again; envelopes: partial_evicted, partial_expired."""

    def __len__(self) -> int:
        return len(self._partials)

    def add(
        self,
        key: Hashable,
        index: int,
        count: int,
        body: bytes | memoryview,
        *,
        session: Hashable,
        now: float,
    ) -> bytes | None:
        """Take slice `index` of `count`; the whole sealed envelope when it was the last one missing."""
        if not 0 < count <= MAX_SLICES or not body or not (0 <= index < count or is_parity(index, count)):
            self._drop("slice_header")
            return None
        if count == 1:
            self.came, self._absent = 1, [0] if index >= PARITY else []
            return bytes(body)
        partial = self._partials.get(key)
        if partial is not None and now - partial.started > self._timeout:
            self._give_up(key, "partial_expired")
            partial = None
        if partial is None:
            partial = self._begin(key, session, count, now)
        if not (self._put_parity(partial, index, body) if index >= PARITY else self._put(partial, index, body)):
            return None
        absent = [place for place, slot in enumerate(partial.slots) if slot is None] if partial.missing else []
        if absent and not (
            len(absent) <= len(partial.parities) and rebuild(partial.slots, partial.parities, partial.size)
        ):
            self._make_room()
            return None
        self.came, self._absent = partial.came, absent
        self._forget(key)
        return b"".join(slot for slot in partial.slots if slot is not None)

    @property
    def rebuilt(self) -> bool:
        """The envelope given out last is whole only by parity or by its double."""
        return bool(self._absent)

    def opened(self, key: Hashable, *, session: Hashable, now: float) -> None:
        """The envelope given out last was no forgery: what it had to do without is late, or lost."""
        if not self._absent:
            return
        while len(self._rebuilt) >= MOST_REBUILT:
            self._settle(next(iter(self._rebuilt)))
        self._rebuilt[key] = (now, session, self._absent)

    def late(self, key: Hashable, index: int) -> bool:
        """Take slice `index` of an envelope that was given out already; whether it was rebuilt without this one."""
        known = self._rebuilt.get(key)
        if known is None or index not in known[2]:
            return False
        known[2].remove(index)
        return True

    def expire(self, now: float) -> list[Missed]:
        """Give up what waited too long; what was missed since the last call, oldest first."""
        while self._partials:
            key, oldest = next(iter(self._partials.items()))
            if now - oldest.started <= self._timeout:
                break
            self._give_up(key, "partial_expired")
        while self._rebuilt:
            key, (at, _, _) = next(iter(self._rebuilt.items()))
            if now - at <= self._timeout:
                break
            self._settle(key)
        over, self._over = self._over, []
        return over

    def forget(self, session: Hashable) -> None:
        """Throw away what is partial of `session`, uncounted."""
        for key in list(self._of_session.get(session, ())):
            self._forget(key)

    # --- slots ---

    def _begin(self, key: Hashable, session: Hashable, count: int, now: float) -> _Partial:
        own = self._of_session.setdefault(session, {})
        if len(own) >= self._per_session:
            self._give_up(next(iter(own)), "partial_evicted")
            own = self._of_session.setdefault(session, {})
        own[key] = None
        partial = self._partials[key] = _Partial(session, count, now)
        return partial

    def _put(self, partial: _Partial, index: int, body: bytes | memoryview) -> bool:
        """Lay a data slice into its slot; False, and counted why, if it does not go there."""
        slots, size = partial.slots, len(body)
        last = len(slots) - 1
        if index > last or slots[index] is not None:
            return self._drop("slice_again" if index <= last else "slice_header")
        if partial.size and (size > partial.size or (size < partial.size and (index != last or partial.parities))):
            return self._drop("slice_size")
        if index != last and not partial.size:
            self._fix_size(partial, size)
        slots[index] = bytes(body)
        partial.missing -= 1
        self._charge(partial, size)
        return True

    def _put_parity(self, partial: _Partial, index: int, body: bytes | memoryview) -> bool:
        """Keep a parity slice; False, and counted why, if it does not belong there."""
        k, number = parity_place(index)
        size, last = len(body), partial.slots[-1]
        if partial.parities and (len(partial.parities) != k or partial.parities[number] is not None):
            return self._drop("slice_again" if len(partial.parities) == k else "slice_header")
        if (partial.size or size) != size or (partial.size and last is not None and len(last) != size):
            return self._drop("slice_size")
        if not partial.parities:
            partial.parities = [None] * k
        if not partial.size:
            self._fix_size(partial, size)
        partial.parities[number] = bytes(body)
        self._charge(partial, size)
        return True

    def _fix_size(self, partial: _Partial, size: int) -> None:
        """From now on slices have `size` bytes; a last one that came early goes if it does not fit."""
        partial.size = size
        early = partial.slots[-1]
        if early is not None and (len(early) > size or (partial.parities and len(early) < size)):
            self._drop("slice_size")
            self._charge(partial, -len(early), slices=-1)
            partial.slots[-1] = None
            partial.missing += 1

    def _charge(self, partial: _Partial, size: int, slices: int = 1) -> None:
        cost = size + SLOT_COST * slices
        partial.came += slices
        partial.cost += cost
        self.buffered += cost

    # --- giving up ---

    def _make_room(self) -> None:
        while self.buffered > self._limit:
            self._give_up(next(iter(self._partials)), "partial_evicted")

    def _give_up(self, key: Hashable, reason: str) -> None:
        self._drop(reason)
        partial = self._partials[key]
        self._say(Missed(partial.session, key, False, partial.came, partial.missing))
        self._forget(key)

    def _settle(self, key: Hashable) -> None:
        """The time of a rebuilt envelope's absent slices is over."""
        _, session, absent = self._rebuilt.pop(key)
        if absent:
            self._say(Missed(session, key, True, 0, len(absent)))

    def _say(self, missed: Missed) -> None:
        self._over.append(missed)
        del self._over[:-MOST_REBUILT]

    def _forget(self, key: Hashable) -> None:
        partial = self._partials.pop(key)
        self.buffered -= partial.cost
        own = self._of_session[partial.session]
        del own[key]
        if not own:
            del self._of_session[partial.session]

    def _drop(self, reason: str) -> bool:
        self.drops[reason] = self.drops.get(reason, 0) + 1
        return False
