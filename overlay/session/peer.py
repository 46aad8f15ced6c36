"""Everything that is open with one peer: its runs, best first."""

from __future__ import annotations

from collections.abc import Iterator

from overlay.session.noise import Handshake
from overlay.session.run import Run
from overlay.values import Label, NodeId


class Pending:
    """A rekey that we began and that is not answered yet."""

    __slots__ = ("base", "began_at", "message", "noise", "sent")

    def __init__(self, base: Run, noise: Handshake, message: bytes, *, now: float) -> None:
        self.base = base
        self.noise = noise
        self.message = message
        self.began_at = now
        self.sent = 1


class Peer:
    """`runs` is never empty but while the first is put in."""

    __slots__ = ("_by_epoch", "newest", "node", "rekey", "rekeyed", "runs", "sending")

    def __init__(self, node: NodeId) -> None:
        self.node = node
        self.runs: list[Run] = []
        """Best first: the first that may seal is `sending`."""
        self._by_epoch: dict[int, Run] = {}
        self.newest = 0
        """The epoch of the run that opened last."""
        self.sending: Run | None = None
        self.rekey: Pending | None = None
        self.rekeyed: tuple[bytes, Run] | None = None
        """The last Rekey or Rekeyed that a run came of: its repeats get the same answer."""

    def run_for(self, epoch: int) -> Run | None:
        """The run whose keys open frames of `epoch`."""
        return self._by_epoch.get(epoch)

    def holds(self, epoch: int) -> bool:
        """Whether `epoch` is taken, or will be when the rekey under way is answered."""
        return epoch in self._by_epoch or (self.rekey is not None and self.rekey.base.epochs.open + 1 & 0xFF == epoch)

    def epochs(self) -> Iterator[int]:
        """Those taken, oldest first."""
        return iter(self._by_epoch)

    def knows(self, label: Label) -> bool:
        """Whether a run still takes frames under this label of ours."""
        return any(run.terms.label == label for run in self.runs)

    def insert(self, run: Run) -> int:
        """Put a new run in its place, and tell which."""
        place = 0
        while place < len(self.runs) and self.runs[place].outranks(run):
            place += 1
        self.runs.insert(place, run)
        self._by_epoch[run.epochs.open] = run
        self.newest = run.epochs.open
        return place

    def remove(self, run: Run) -> None:
        """Forget a run."""
        self.runs.remove(run)
        del self._by_epoch[run.epochs.open]
        if self.rekey is not None and self.rekey.base is run:
            self.rekey = None
        if self.rekeyed is not None and self.rekeyed[1] is run:
            self.rekeyed = None
        if self.sending is run:
            self.sending = None

    def best(self) -> Run | None:
        """The run to send on."""
        return next((run for run in self.runs if run.sendable), None)

    def best_of(self, label: Label) -> Run | None:
        """The best run that may seal of the handshake in which we gave out `label`."""
        return next((run for run in self.runs if run.sendable and run.terms.label == label), None)
