"""What happened, in words for the person who started the node: one line a change, no repeats.

PathChanged(phone, direct)  ->  phone: via vps -> direct 203.0.113.9:27182
... 13 times more in a minute  ->  phone: changed 13 times in 60 s, now via vps        (one line, when the minute ends)
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from overlay.node import events as happened
from overlay.node.snapshot import Path

WINDOW = 60.0
"""Seconds in which one peer, or one problem, may take ..."""
BURST = 4
"""... so many lines; what comes beyond is told as one when the window ends."""
MOST_REMARKS = 8
"""Reasons remembered of one peer."""
MOST_TOPICS = 8192
"""Peers and problems remembered; twice what a node knows at most."""


class Line(Struct, frozen=True):
    """One line: a fixed word, text for people, the peer's name where it is about one."""

    event: str
    text: str
    peer: str | None = None


def path_words(path: Path) -> str:
    """How a peer is reached: `direct 1.2.3.4:5`, `via vps, nas`, `no way`."""
    if path.kind == "direct":
        return f"direct {path.endpoint}"
    if path.kind == "relay":
        return f"via {', '.join(path.via)}"
    return "no way"


def address_words(event: happened.NodeUp) -> str:
    """Another address, and why."""
    why = f" ({event.why})" if event.why else ""
    return f"{event.name} has the address {event.ipv4} now{why}"


class _Topic:
    """One peer or one problem: how it was told last, and what is held back."""

    def __init__(self) -> None:
        self.state = ""
        """How it is now, in words; empty: not here."""
        self.told = ""
        """How it was when it was last told."""
        self.at: list[float] = []
        """When lines were told, the last BURST of them."""
        self.count = 0
        """Changes that were not told ..."""
        self.began = self.ended = 0.0
        """... when the first and the last of them came ..."""
        self.line = Line("", "")
        """... and what the last one is."""
        self.remarks: list[str] = []
        """What else was said of it since it was reached directly."""


class Journal:
    """Events -> lines, as they come; what flaps is told once a window. Pure: time is an argument."""

    def __init__(self) -> None:
        self._topics: dict[object, _Topic] = {}
        self._held: dict[object, _Topic] = {}
        """Those of them with something held back."""

    def take(self, event: happened.Event, *, now: float) -> Iterator[Line]:
        """The lines that an event gives; none where nothing changed, or where too much did of late."""
        match event:
            case happened.PeerJoined():
                yield from self._reached(event, now=now)
            case happened.PathChanged():
                yield from self._moved(event, now=now)
            case happened.PeerGone():
                left = "left" if event.left else "fell silent"
                yield from self._change(event.peer, "", Line("peer_gone", f"{event.name} {left}", event.name), now=now)
            case happened.PunchEnded(state="failed" | "infeasible"):
                yield from self._remark(event)
            case happened.ProblemShown():
                text = ". ".join(part.removesuffix(".") for part in (event.text, event.fix) if part)
                yield from self._change(event.code, "there", Line("problem", text), now=now)
            case happened.ProblemGone():
                line = Line("problem_over", f"solved: {event.code.replace('_', ' ')}")
                yield from self._change(event.code, "", line, now=now)
            case _:
                return

    def overdue(self, *, now: float) -> Iterator[Line]:
        """What was held back long enough, a line each."""
        for about, topic in list(self._held.items()):
            if _due(topic) <= now:
                yield _summary(about, topic)
                _tell(topic, now=now, lines=BURST)  # until a window passes in peace
                del self._held[about]

    def _reached(self, event: happened.PeerJoined, *, now: float) -> Iterator[Line]:
        way = path_words(event.path)
        line = Line("peer_up", f"{event.name} is here: {way}", event.name)
        yield from self._change(event.peer, way, line, now=now)

    def _moved(self, event: happened.PathChanged, *, now: float) -> Iterator[Line]:
        """Another path; of a peer that is not here yet PeerJoined tells."""
        topic, way = self._topics.get(event.peer), path_words(event.path)
        if topic is None or not topic.state:
            return
        if event.path.kind == "direct":
            topic.remarks = []
        before = topic.told or topic.state
        yield from self._change(event.peer, way, Line("path", f"{event.name}: {before} -> {way}", event.name), now=now)

    def _change(self, about: object, state: str, line: Line, *, now: float) -> Iterator[Line]:
        topic = self._topics.pop(about, None) or _Topic()
        self._topics[about] = topic  # the newest last
        while len(self._topics) > MOST_TOPICS:
            oldest = next(iter(self._topics))
            del self._topics[oldest]
            self._held.pop(oldest, None)
        if state == topic.state:
            return
        topic.state = state
        topic.at = [at for at in topic.at if now - at < WINDOW]
        if len(topic.at) < BURST and not topic.count:
            yield line
            _tell(topic, now=now)
            return
        topic.began = topic.began if topic.count else now
        topic.count += 1
        topic.line, topic.ended = line, now
        self._held[about] = topic

    def _remark(self, event: happened.PunchEnded) -> Iterator[Line]:
        """Why a peer is not direct: each reason once, until it was."""
        topic = self._topics.get(event.peer)
        text = f"{event.name} stays on the relay: {event.text}"
        if topic is None or text in topic.remarks:
            return
        topic.remarks = [*topic.remarks, text][-MOST_REMARKS:]
        yield Line("punch", text, event.name)


def _due(topic: _Topic) -> float:
    return topic.began + WINDOW


def _summary(about: object, topic: _Topic) -> Line:
    """All that was held back in one line, ending with how it is now."""
    line = topic.line
    if topic.count == 1:
        return line
    seconds = max(1, round(topic.ended - topic.began))
    who = line.peer or str(about).replace("_", " ")
    now = topic.state or line.text
    return Line(line.event, f"{who}: changed {topic.count} times in {seconds} s, now {now}", line.peer)


def _tell(topic: _Topic, *, now: float, lines: int = 1) -> None:
    """It was told just now, and counts as so many lines."""
    topic.told, topic.count = topic.state, 0
    topic.at = [*topic.at, *[now] * lines][-BURST:]
