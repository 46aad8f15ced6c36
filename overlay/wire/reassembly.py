"""Slices that came one by one -> the sealed envelope, in bounded memory (protocol section 5).

    slice --key--> partial: [ 0 | 1 |   | 3 | last ]  --all there--> bytes
                   8 a session, 16 MiB in all, 100 ms; the oldest gives way

The key is (label, epoch, counter, count, path), or whatever else tells two envelopes apart. The slice size is fixed
by the first slice that is not the last; a last slice waits for it; first arrival wins a slot.
"""

from __future__ import annotations

from collections.abc import Hashable

from overlay.wire.frame import MAX_SLICES

LIMIT_BYTES = 16 << 20
"""Bytes buffered by a node at most (protocol section 5)."""
PER_SESSION = 8
"""Partial envelopes of a session at most (protocol section 5)."""
TIMEOUT = 0.1
"""Seconds a partial envelope waits for its last slice (design section 2)."""
SLOT_COST = 64
"""Bytes counted for a buffered slice besides its own: a flood of tiny ones is bounded too."""


class _Partial:
    __slots__ = ("cost", "missing", "session", "size", "slots", "started")

    def __init__(self, session: Hashable, count: int, started: float) -> None:
        self.session = session
        self.started = started
        self.slots: list[bytes | None] = [None] * count
        self.missing = count
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
        self._given_up: list[Hashable] = []
        self.buffered = 0
        """Bytes held now, `SLOT_COST` a slice included."""
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
        if not 0 <= index < count <= MAX_SLICES or not body:
            self._drop("slice_header")
            return None
        if count == 1:
            return bytes(body)
        partial = self._partials.get(key)
        if partial is not None and now - partial.started > self._timeout:
            self._give_up(key, "partial_expired")
            partial = None
        if partial is None:
            partial = self._begin(key, session, count, now)
        if not self._fits(partial, index, len(body)):
            return None
        self._put(partial, index, bytes(body))
        if partial.missing:
            self._make_room()
            return None
        self._forget(key)
        return b"".join(slot for slot in partial.slots if slot is not None)

    def expire(self, now: float) -> list[Hashable]:
        """Give up what waited too long; the session of every envelope given up since the last call, oldest first."""
        while self._partials:
            key, oldest = next(iter(self._partials.items()))
            if now - oldest.started <= self._timeout:
                break
            self._give_up(key, "partial_expired")
        given_up, self._given_up = self._given_up, []
        return given_up

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

    def _fits(self, partial: _Partial, index: int, size: int) -> bool:
        """Whether a slice of `size` bytes may take slot `index`; counts why not."""
        last = len(partial.slots) - 1
        if index > last or partial.slots[index] is not None:
            self._drop("slice_again" if index <= last else "slice_header")
            return False
        if index == last:
            fits = not partial.size or size <= partial.size
        else:
            fits = not partial.size or size == partial.size
        if not fits:
            self._drop("slice_size")
        return fits

    def _put(self, partial: _Partial, index: int, body: bytes) -> None:
        last = len(partial.slots) - 1
        if index != last and not partial.size:
            partial.size = len(body)
            early = partial.slots[last]
            if early is not None and len(early) > partial.size:
                self._drop("slice_size")
                self._charge(partial, -len(early) - SLOT_COST)
                partial.slots[last] = None
                partial.missing += 1
        partial.slots[index] = body
        partial.missing -= 1
        self._charge(partial, len(body) + SLOT_COST)

    def _charge(self, partial: _Partial, cost: int) -> None:
        partial.cost += cost
        self.buffered += cost

    # --- giving up ---

    def _make_room(self) -> None:
        while self.buffered > self._limit:
            self._give_up(next(iter(self._partials)), "partial_evicted")

    def _give_up(self, key: Hashable, reason: str) -> None:
        self._drop(reason)
        self._given_up.append(self._partials[key].session)
        del self._given_up[:-1024]
        self._forget(key)

    def _forget(self, key: Hashable) -> None:
        partial = self._partials.pop(key)
        self.buffered -= partial.cost
        own = self._of_session[partial.session]
        del own[key]
        if not own:
            del self._of_session[partial.session]

    def _drop(self, reason: str) -> None:
        self.drops[reason] = self.drops.get(reason, 0) + 1
