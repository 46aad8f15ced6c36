"""What a running `join` says: one line a change, no repeats, and what flaps told once a window."""

from __future__ import annotations

import pytest

from overlay.node.events import NodeUp, PathChanged, PeerGone, PeerJoined, ProblemGone, ProblemShown, PunchEnded
from overlay.node.snapshot import Path
from overlay.shell.words import BURST, MOST_TOPICS, WINDOW, Journal, Line, address_words
from overlay.values import NodeId

PHONE = NodeId(b"p" * 32)


def path(kind: str, *via: str, endpoint: str | None = None) -> Path:
    return Path(kind=kind, transport="udp", endpoint=endpoint, via=list(via), hops=None, since_s=0.0)


VPS, FAR = path("relay", "vps"), path("relay", "vps", "nas")
DIRECT = path("direct", endpoint="203.0.113.9:27182")
NONE = path("none")


class Teller:
    """A journal, and the texts it tells."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.now = 100.0

    def __call__(self, event: object, after: float = 0.0) -> list[str]:
        self.now += after
        return [line.text for line in self.journal.take(event, now=self.now)]  # type: ignore[arg-type]

    def wait(self, seconds: float) -> list[Line]:
        self.now += seconds
        return list(self.journal.overdue(now=self.now))

    def joined(self, way: Path = VPS) -> list[str]:
        return self(PeerJoined(PHONE, "phone", way))

    def moved(self, way: Path, after: float = 0.0) -> list[str]:
        return self(PathChanged(PHONE, "phone", way), after)


@pytest.fixture
def told() -> Teller:
    return Teller()


def test_another_address_comes_with_its_reason() -> None:
    why = "ben has it by --ip: 10.222.40.204 is no longer this device's"
    moved = NodeUp("anna", "10.222.19.184", "fd3a::1", why)
    assert address_words(moved) == f"anna has the address 10.222.19.184 now ({why})"
    assert address_words(NodeUp("anna", "10.222.19.184", "fd3a::1")) == "anna has the address 10.222.19.184 now"


def test_each_line_says_what_changed(told: Teller) -> None:
    assert told.moved(VPS) == []  # of somebody not here yet PeerJoined tells
    assert told.joined() == ["phone is here: via vps"]
    assert told.moved(DIRECT) == ["phone: via vps -> direct 203.0.113.9:27182"]
    assert told.moved(FAR) == ["phone: direct 203.0.113.9:27182 -> via vps, nas"]
    assert told.moved(NONE) == ["phone: via vps, nas -> no way"]
    assert told(PeerGone(PHONE, "phone", False), WINDOW) == ["phone fell silent"]


def test_nothing_is_told_twice(told: Teller) -> None:
    told.joined()
    assert told.joined() == []
    assert told.moved(VPS) == []
    assert told(PeerGone(PHONE, "phone", True)) == ["phone left"]
    assert told(PeerGone(PHONE, "phone", True)) == []
    assert told.moved(DIRECT) == []


def test_a_flapping_path_takes_a_line_a_window(told: Teller) -> None:
    told.joined()
    lines = [line for turn in range(100) for line in told.moved(DIRECT if turn % 2 == 0 else VPS, 0.1)]
    assert len(lines) == BURST - 1
    assert told.wait(30.0) == []
    (line,) = told.wait(30.0)
    assert line.text == "phone: changed 97 times in 10 s, now via vps"
    assert (line.event, line.peer) == ("path", "phone")
    assert told.wait(WINDOW) == []
    assert told.moved(DIRECT) == ["phone: via vps -> direct 203.0.113.9:27182"]


def test_what_flaps_for_an_hour_takes_some_sixty_lines(told: Teller) -> None:
    told.joined()
    count = 0
    for turn in range(3600):
        count += len(told.moved(DIRECT if turn % 2 == 0 else VPS, 1.0)) + len(told.wait(0.0))
    assert count <= 60 + BURST


def test_a_single_change_held_back_is_told_as_it_was(told: Teller) -> None:
    told.joined()
    for way in (DIRECT, VPS, DIRECT):
        told.moved(way)
    assert told.moved(FAR) == []
    assert [line.text for line in told.wait(WINDOW)] == ["phone: direct 203.0.113.9:27182 -> via vps, nas"]


def test_why_it_stays_on_the_relay_is_told_once_until_it_was_direct(told: Teller) -> None:
    ended = PunchEnded(PHONE, "phone", "failed", "no_answer", "nothing came through")
    assert told(ended) == []
    told.joined()
    assert told(ended) == ["phone stays on the relay: nothing came through"]
    assert told(ended) == []
    assert len(told(PunchEnded(PHONE, "phone", "failed", "silence", "the peer does not answer"))) == 1
    assert told(ended) == []
    told.moved(DIRECT)
    told.moved(VPS)
    assert len(told(ended)) == 1


def test_a_problem_is_told_once_until_it_is_gone(told: Teller) -> None:
    shown = ProblemShown("udp_blocked", "No UDP comes back.", "Use another network.")
    assert told(ProblemGone("udp_blocked")) == []
    assert told(shown) == ["No UDP comes back. Use another network"]
    assert told(shown) == []
    assert told(ProblemGone("udp_blocked")) == ["solved: udp blocked"]
    for _ in range(10):
        told(shown, 1.0)
        told(ProblemGone("udp_blocked"), 1.0)
    (line,) = told.wait(WINDOW)
    assert line.text.startswith("udp blocked: changed ")
    assert line.text.endswith("now solved: udp blocked")


def test_peers_without_end_take_no_memory_without_end(told: Teller) -> None:
    for number in range(MOST_TOPICS + 100):
        told(PeerJoined(NodeId(number.to_bytes(32, "big")), "x", VPS))
    assert len(told.journal._topics) == MOST_TOPICS
