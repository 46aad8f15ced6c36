"""Sightings -> lines a person can read: who says what to whom, runs of slices drawn together.

       0.000  10.0.0.2:27182 > 10.0.0.1:27182    m1       label 5f3a12c4 is mine                          176 B
       0.021  10.0.0.1:27182 > 10.0.0.2:27182    m2       to 5f3a12c4, label 0a1b2c3d is mine             108 B
       0.090  10.0.0.2:27182 > 10.0.0.1:27182    data     to 0a1b2c3d epoch 0, counter 0..212, 9102 slices over 1.2 s

With keys, an envelope that opens is told by what is in it, once its last slice is there:

       0.060  10.0.0.2:27182 > 10.0.0.1:27182    control  5a1c0f22 to 77e00b13, epoch 0, counter 0: Ping(req 0, ...)
       0.091  10.0.0.2:27182 > 10.0.0.1:27182    data     5a1c0f22 to 77e00b13, epoch 0, counter 0: 1 packet
                                                            10.66.3.4 > 10.66.1.2 ICMP echo-request id 1 seq 1, 84 B

A run of data goes on until something else is said between the two, or for a second without a slice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator

from msgspec import Struct, field

from overlay.wire.frame import CONTROL, HEADER_SIZE, parity_place
from overlay.wire.reassembly import Reassembly
from tools.dissect import layers, spoken
from tools.dissect.capture import Sighting
from tools.dissect.keys import KeyRing, Opened

RUN_ENDS = 1.0
"""Seconds without a slice after which a run is told."""

MOST_WHOLE = 65536
"""Envelopes remembered as whole; parity follows at once, a copy by another way soon."""

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
    parities: int = 0
    """Parity slices among them."""


class Totals(Struct):
    """What one direction of a flow said altogether."""

    frames: Counter[str] = field(default_factory=Counter)
    size: int = 0


Key = tuple[str, str, int, int, int]


class Conversation:
    """Feed it sightings in order; it answers with lines, and with a summary at the end."""

    def __init__(self, ring: KeyRing | None = None) -> None:
        """`ring` opens what is sealed, as far as its keys go."""
        self._ring = ring
        self._partial = Reassembly()
        self._whole_ones: dict[Hashable, None] = {}
        """Envelopes that were told whole: what still comes of them is their parity, or a copy."""
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
        pair = {sighting.source, sighting.target}
        slices, size = 1, sighting.size
        if self._may_open(sighting.frame):
            whole = self._whole(sighting)
            if whole is None:
                return
            opened = self._open(sighting.frame, whole)
            if opened is not None:
                yield from self._told(lambda key, run: set(key[:2]) == pair)
                yield from self._contents(sighting, opened, len(whole))
                return
            slices = sighting.frame.count
            size = len(whole) + slices * HEADER_SIZE
        if isinstance(sighting.frame, layers.Data):
            self._join(sighting, slices, size)
            return
        yield from self._told(lambda key, run: set(key[:2]) == pair)
        self._learn(sighting)
        yield self._line(sighting, sighting.frame.name, self._say(sighting.frame), f"{sighting.size} B")

    def summary(self) -> Iterator[str]:
        """The runs still open, and what every direction said altogether."""
        yield from self._told(lambda key, run: True)
        self._partial.expire(float("inf"))
        lost = sum(count for reason, count in self._partial.drops.items() if reason.startswith("partial_"))
        if lost:
            yield f"{'':>10}  {lost} envelopes lack a slice: lost, or the capture began or ended among them"
        if self._totals:
            yield ""
        for (source, target), totals in self._totals.items():
            kinds = ", ".join(f"{count} {name}" for name, count in totals.frames.items())
            yield f"{'':>10}  {f'{source} > {target}':<{WIDTH}} {kinds}; {totals.size:,} B"

    # -- envelopes that open ------------------------------------------------------------------------------------

    def _may_open(self, frame: layers.Packet) -> bool:
        """Whether there is a key of its kind and epoch."""
        sealed = isinstance(frame, layers.Data | layers.Control)
        return sealed and self._ring is not None and self._ring.has(frame.type, frame.epoch)

    def _whole(self, sighting: Sighting) -> bytes | None:
        """The sealed envelope, once all its slices were seen."""
        frame = sighting.frame
        session = (sighting.source, sighting.target, frame.type, frame.label)
        self._partial.expire(sighting.at)
        body = bytes(frame.slice)
        key = (*session, frame.epoch, frame.counter, frame.count)
        if key in self._whole_ones:
            return None
        whole = self._partial.add(key, frame.index, frame.count, body, session=session, now=sighting.at)
        if whole is not None:
            self._whole_ones[key] = None
            while len(self._whole_ones) > MOST_WHOLE:
                del self._whole_ones[next(iter(self._whole_ones))]
        return whole

    def _open(self, frame: layers.Packet, whole: bytes) -> Opened | None:
        assert self._ring is not None
        return self._ring.open(frame.type, frame.label, frame.epoch, frame.counter, whole)

    def _contents(self, sighting: Sighting, opened: Opened, size: int) -> Iterator[str]:
        """What an envelope says."""
        frame, key = sighting.frame, opened.key
        head = f"{key.sender} to {key.receiver}, epoch {frame.epoch}, counter {frame.counter}"
        if frame.type == CONTROL:
            yield self._line(sighting, frame.name, f"{head}: {spoken.control(opened.plain)}", f"{size} B sealed")
            return
        inside = list(spoken.packets(opened.plain))
        count = f"{len(inside)} packet{'' if len(inside) == 1 else 's'}"
        if self._partial.rebuilt:
            count += ", rebuilt by parity" if frame.count > 1 else ", by its double"
        yield self._line(sighting, frame.name, f"{head}: {count}", f"{size:,} B sealed with {key.cipher}")
        yield from (f"{'':>10}  {'':<{WIDTH}} {'':<8}   {each}" for each in inside)

    # -- runs of data -------------------------------------------------------------------------------------------

    def _join(self, sighting: Sighting, slices: int, size: int) -> None:
        """Put one slice in its run, or all slices of an envelope that was held back and did not open."""
        frame = sighting.frame
        key = (sighting.source, sighting.target, frame.type, frame.label, frame.epoch)
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = Run(sighting, sighting.at, frame.counter, frame.counter)
        run.last = sighting.at
        run.low, run.high = min(run.low, frame.counter), max(run.high, frame.counter)
        run.slices += slices
        run.parities += slices == 1 and frame.index >= frame.count
        run.envelopes += slices > 1 or frame.index == 0
        run.size += size

    def _told(self, ends: Callable[[Key, Run], bool]) -> Iterator[str]:
        """Close the runs that end, and tell them."""
        for key, run in [item for item in self._runs.items() if ends(*item)]:
            del self._runs[key]
            yield self._line(run.first, run.first.frame.name, self._say_run(run), f"{run.size:,} B")

    def _say_run(self, run: Run) -> str:
        frame = run.first.frame
        to = self._to(frame.label)
        if run.slices == 1:
            return f"{to} epoch {frame.epoch}, counter {run.low}, {slice_words(frame)}"
        counters = f"counter {run.low}" if run.low == run.high else f"counter {run.low}..{run.high}"
        duration = run.last - run.first.at
        over = f" over {duration:.1f} s" if duration >= 0.05 else ""
        slices = f"{run.slices - run.parities} slices" + (f" and {run.parities} of parity" if run.parities else "")
        return f"{to} epoch {frame.epoch}, {counters}, {run.envelopes} envelopes in {slices}{over}"

    # -- words --------------------------------------------------------------------------------------------------

    def _learn(self, sighting: Sighting) -> None:
        """The first two frames of a handshake say whose label is whose."""
        if isinstance(sighting.frame, layers.M1 | layers.R1):
            self._labels[sighting.frame.label] = sighting.source
        elif isinstance(sighting.frame, layers.M2 | layers.R2):
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


def slice_words(frame: layers.Packet) -> str:
    """Which slice of how many; which parity slice of how many."""
    if frame.index < frame.count:
        return f"slice {frame.index + 1} of {frame.count}"
    k, number = parity_place(frame.index)
    return "the double" if frame.count == 1 else f"parity {number + 1} of {k} over {frame.count} slices"


def probe_words(frame: layers.Packet) -> str:
    """A probe's or an answer's fields; the random number tells which answer belongs to which probe."""
    fields = f"attempt {frame.attempt:08x}, slot {frame.slot}, epoch {frame.epoch}, random {frame.random.hex()}"
    return f"to {frame.label:08x} {fields}"


SAYINGS: tuple[tuple[type, Callable[[Conversation, layers.Packet], str]], ...] = (
    (layers.M1, lambda c, f: f"label {f.label:08x} is mine{', with a cookie' if any(f.cookie) else ''}"),
    (layers.M2, lambda c, f: f"to {f.label:08x}, label {f.label_b:08x} is mine"),
    (layers.M3, lambda c, f: f"to {f.label:08x}"),
    (layers.M4, lambda c, f: f"to {f.label:08x}"),
    (layers.R1, lambda c, f: f"label {f.label:08x} is mine, by the ticket {f.ticket[:4].hex()} of an earlier session"),
    (layers.R2, lambda c, f: f"to {f.label:08x}, label {f.label_b:08x} is mine: resumed"),
    (layers.Beacon, lambda c, f: "a member is here"),
    (
        layers.Cookie,
        lambda c, f: (
            f"to {f.label:08x}: {'come again with this' if any(f.cookie) else 'another major, or no such ticket'}"
        ),
    ),
    (
        layers.Control,
        lambda c, f: f"{c._to(f.label)} epoch {f.epoch}, counter {f.counter}, {slice_words(f)}",
    ),
    (layers.Probe, lambda c, f: probe_words(f)),
    (layers.ProbeAnswer, lambda c, f: probe_words(f)),
    (layers.Stun, lambda c, f: spoken.stun_words(f)),
)
