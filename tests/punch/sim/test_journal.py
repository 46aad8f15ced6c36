"""What is kept of a world, and how it is drawn."""

from __future__ import annotations

from punch.sim.host import Datagram
from punch.sim.journal import ARRIVED, Journal
from punch.values import udp


def datagram(payload: bytes) -> Datagram:
    """Any datagram."""
    return Datagram(udp("198.51.100.1", 1), udp("198.51.100.2", 2), payload)


def test_the_diagram() -> None:
    journal = Journal(describe=lambda payload: payload.decode())
    journal.note(0.02, "ann", "bob", datagram(b"hello"), ARRIVED)
    journal.note(0.03, "ann", "bob", datagram(b"hello"), ARRIVED)
    journal.remark(0.03, "bob", "met ann; #1")
    journal.note(0.05, "bob", "[::1]:5", datagram(b"are you\nthere"), "no_route")
    assert journal.mermaid() == (
        "sequenceDiagram\n"
        "    participant h0 as ann\n"
        "    participant h1 as bob\n"
        "    participant h2 as [::1]:5\n"
        "    h0->>h1: 0.0200 hello x2\n"
        "    Note over h1: 0.0300 met ann. .1\n"
        "    h1-xh2: 0.0500 are you.there (no_route)"
    )


def test_a_diagram_of_some_hosts_and_the_last_lines() -> None:
    journal = Journal()
    for number in range(10):
        journal.note(float(number), "ann", "bob", datagram(bytes([number])), ARRIVED)
        journal.note(float(number), "carol", "dave", datagram(bytes([number])), ARRIVED)
    drawn = journal.mermaid(last=3, names=["bob"])
    assert "carol" not in drawn
    assert [line.split()[1] for line in drawn.splitlines() if "->>" in line] == ["7.0000", "8.0000", "9.0000"]


def test_little_is_kept_and_all_is_counted() -> None:
    journal = Journal(keep=5)
    for number in range(100):
        journal.note(float(number), "ann", "bob", datagram(bytes([number])), ARRIVED if number % 2 else "loss")
    assert [entry.at for entry in journal.entries()] == [95.0, 96.0, 97.0, 98.0, 99.0]
    assert journal.counts == {"loss": 50, ARRIVED: 50}


def test_the_digest_tells_stories_apart() -> None:
    def digest(
        *, at: float = 1.0, to: str = "bob", payload: bytes = b"x", outcome: str = ARRIVED, word: str = ""
    ) -> str:
        journal = Journal(keep=1)
        journal.note(at, "ann", to, datagram(payload), outcome)
        if word:
            journal.remark(at, "ann", word)
        return journal.digest()

    others = [digest(at=1.5), digest(to="eve"), digest(payload=b"y"), digest(outcome="loss"), digest(word="hm")]
    assert digest() == digest()
    assert len({digest(), *others}) == 6
