"""Who waits for a place: easier peers first, one large search at a time after them.

due --join--> light   wanted: first come, first served, as places are free
              quiet   not wanted, only asked what it is behind: after those, in few of the places
              heavy   a birthday search at the last try: when none is on, and no light one waits or is under way
"""

from __future__ import annotations

from collections.abc import Collection

from punch.attempt import Attempt
from punch.bench import Lent
from punch.values import PeerId

MOST_OWN, MOST_ATTEMPTS = 4, 8
"""Attempts we begin at once, and those that peers began on top."""
MOST_QUIET = 2
"""Those of ours that nothing wanted: a peer that does not answer holds a place for 10 s."""


class Line:
    """Peers that are due and find no place."""

    def __init__(self) -> None:
        self._light: dict[PeerId, None] = {}
        self._quiet: dict[PeerId, None] = {}
        self._heavy: dict[PeerId, None] = {}

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._light or peer in self._quiet or peer in self._heavy

    def __len__(self) -> int:
        return len(self._light) + len(self._quiet) + len(self._heavy)

    def join(self, peer: PeerId, *, heavy: bool, quiet: bool = False) -> None:
        """Wait behind those of its kind; who waits already keeps its place."""
        mine = self._heavy if heavy else self._quiet if quiet else self._light
        for each in (self._light, self._quiet, self._heavy):
            if each is not mine:
                each.pop(peer, None)
        mine.setdefault(peer)

    def is_quiet(self, peer: PeerId) -> bool:
        """Nothing wants it."""
        return peer in self._quiet

    def leave(self, peer: PeerId) -> None:
        """Wait no more."""
        for each in (self._light, self._quiet, self._heavy):
            each.pop(peer, None)

    def next(self, attempts: Collection[Attempt], lent: Lent) -> PeerId | None:
        """Whose turn it is beside those under way; None: nobody's, or there is no place."""
        if not (self._light or self._quiet or self._heavy):
            return None
        own = sum(1 for each in attempts if each.began_here)
        if own >= MOST_OWN or len(attempts) >= MOST_ATTEMPTS:
            return None
        heavy = not lent.is_searching and not any(each.is_light or each.peer.searches for each in attempts)
        quiet = sum(1 for each in attempts if each.is_quiet) < MOST_QUIET
        order = (self._light, self._quiet if quiet else {}, self._heavy if heavy else {})
        return next((peer for each in order for peer in each), None)

    def watch(self, attempts: Collection[Attempt], lent: Lent) -> None:
        """Tell a search who else wants the budget."""
        light = [each.label for each in attempts if each.is_light]
        lent.light = (*light, 0) if self._light else tuple(light)
        lent.heavy = tuple(self._heavy)

    def before(self, peer: PeerId) -> int | None:
        """How many have their turn first; None: it does not wait."""
        order = [*self._light, *self._quiet, *self._heavy]
        return order.index(peer) if peer in self else None
