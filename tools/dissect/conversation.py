"""Sightings -> lines a person can read: who says what to whom, runs of slices drawn together.

       0.000  10.0.0.2:27182 > 10.0.0.1:27182    m1       label 5f3a12c4 is mine                          176 B
       0.021  10.0.0.1:27182 > 10.0.0.2:27182    m2       to 5f3a12c4, label 0a1b2c3d is mine             108 B
       0.090  10.0.0.2:27182 > 10.0.0.1:27182    data     to 0a1b2c3d epoch 0, counter 0..212, 9102 slices over 1.2 s

A run of data goes on until something else is said between the two, or for a second without a slice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, field

from tools.dissect import layers
from tools.dissect.capture import Sighting

RUN_ENDS = 1.0
"""Seconds without a slice after which a run is told."""

WIDTH = 50
"""Columns for `SOURCE > TARGET`."""


class Run(Struct):
    """Slices of one direction, kind, label and epoch, so far."""

    first: Sighting
    last: float
    low: int
    high: int
    slices: int = 0
    size: int = 0
    envelopes: int = 0
    """Slices with index 0."""


class Totals(Struct):
    """What one direction of a flow said altogether."""

    frames: Counter[str] = field(default_factory=Counter)
    size: int = 0


Key = tuple[str, str, int, int, int]


class Conversation:
    """Feed it sightings in order; it answers with lines, and with a summary at the end."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._runs: dict[Key, Run] = {}
        self._labels: dict[int, str] = {}
        self._totals: dict[tuple[str, str], Totals] = {}

    def lines(self, sightings: Iterable[Sighting]) -> Iterator[str]:
        """All of it."""
        for sighting in sightings:
            yield from self.feed(sighting)
        yield from self.summary()

    def feed(self, sighting: Sighting) -> Iterator[str]:
        """The lines that `sighting` gives: runs that end with it, and its own unless it joins a run."""
        if self._began is None:
            self._began = sighting.at
        totals = self._totals.setdefault((sighting.source, sighting.target), Totals())
        totals.frames[sighting.frame.name] += 1
        totals.size += sighting.size
        yield from self._told(lambda key, run: sighting.at - run.last > RUN_ENDS)
        if isinstance(sighting.frame, layers.Data):
            self._join(sighting)
            return
        pair = {sighting.source, sighting.target}
        yield from self._told(lambda key, run: set(key[:2]) == pair)
        self._learn(sighting)
        yield self._line(sighting, sighting.frame.name, self._say(sighting.frame), f"{sighting.size} B")

    def summary(self) -> Iterator[str]:
        """The runs still open, and what every direction said altogether."""
        yield from self._told(lambda key, run: True)
        if self._totals:
            yield ""
        for (source, target), totals in self._totals.items():
            kinds = ", ".join(f"{count} {name}" for name, count in totals.frames.items())
            yield f"{'':>10}  {f'{source} > {target}':<{WIDTH}} {kinds}; {totals.size:,} B"

    # -- runs of data -------------------------------------------------------------------------------------------

    def _join(self, sighting: Sighting) -> None:
        frame = sighting.frame
        key = (sighting.source, sighting.target, frame.type, frame.label, frame.epoch)
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = Run(sighting, sighting.at, frame.counter, frame.counter)
        run.last = sighting.at
        run.low, run.high = min(run.low, frame.counter), max(run.high, frame.counter)
        run.slices += 1
        run.envelopes += frame.index == 0
        run.size += sighting.size

    def _told(self, ends: Callable[[Key, Run], bool]) -> Iterator[str]:
        """Close the runs that end, and tell them."""
        for key, run in [item for item in self._runs.items() if ends(*item)]:
            del self._runs[key]
            yield self._line(run.first, run.first.frame.name, self._say_run(run), f"{run.size:,} B")

    def _say_run(self, run: Run) -> str:
        frame = run.first.frame
        to = self._to(frame.label)
        if run.slices == 1:
            return f"{to} epoch {frame.epoch}, counter {run.low}, slice {frame.index + 1} of {frame.count}"
        counters = f"counter {run.low}" if run.low == run.high else f"counter {run.low}..{run.high}"
        duration = run.last - run.first.at
        over = f" over {duration:.1f} s" if duration >= 0.05 else ""
        return f"{to} epoch {frame.epoch}, {counters}, {run.envelopes} envelopes in {run.slices} slices{over}"

    # -- words --------------------------------------------------------------------------------------------------

    def _learn(self, sighting: Sighting) -> None:
        """m1 and m2 say whose label is whose."""
        if isinstance(sighting.frame, layers.M1):
            self._labels[sighting.frame.label] = sighting.source
        elif isinstance(sighting.frame, layers.M2):
            self._labels[sighting.frame.label_b] = sighting.source

    def _to(self, label: int) -> str:
        """A label, and that no handshake seen here gave it: a circuit's, or of a session older than the capture."""
        return f"to {label:08x}" if label in self._labels or not self._labels else f"to {label:08x} (circuit?)"

    def _say(self, frame: layers.Packet) -> str:
        """One frame in words, by its row."""
        for kind, words in SAYINGS:
            if isinstance(frame, kind):
                return words(self, frame)
        return f"{frame.original[:16].hex(' ')}"

    def _line(self, sighting: Sighting, name: str, text: str, size: str) -> str:
        at = sighting.at - (self._began or 0.0)
        return f"{at:>10.3f}  {f'{sighting.source} > {sighting.target}':<{WIDTH}} {name:<8} {text}, {size}"


SAYINGS: tuple[tuple[type, Callable[[Conversation, layers.Packet], str]], ...] = (
    (layers.M1, lambda c, f: f"label {f.label:08x} is mine{', with a cookie' if any(f.cookie) else ''}"),
    (layers.M2, lambda c, f: f"to {f.label:08x}, label {f.label_b:08x} is mine"),
    (layers.M3, lambda c, f: f"to {f.label:08x}"),
    (layers.M4, lambda c, f: f"to {f.label:08x}"),
    (layers.Cookie, lambda c, f: f"to {f.label:08x}: {'come again with this' if any(f.cookie) else 'another major'}"),
    (
        layers.Control,
        lambda c, f: f"{c._to(f.label)} epoch {f.epoch}, counter {f.counter}, slice {f.index + 1} of {f.count}",
    ),
    (layers.Probe, lambda c, f: f"to {f.label:08x} attempt {f.attempt:08x}, slot {f.slot}"),
    (layers.ProbeAnswer, lambda c, f: f"to {f.label:08x} attempt {f.attempt:08x}, slot {f.slot}"),
    (layers.Stun, lambda c, f: f"type {f.type:04x}"),
)
