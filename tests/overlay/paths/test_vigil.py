"""The watch over one peer's answers, alone: when silence says something."""

from __future__ import annotations

from overlay.paths.vigil import SOONEST, Vigil

LOOK = 0.05


def feed(vigil: Vigil, *, start: float, seconds: float, answer: float | None, every: float = 0.02) -> float:
    """Look each 50 ms at a stream of a packet each `every`, answered after `answer` seconds; when it ended."""
    now = start
    while now < start + seconds:
        now += LOOK
        sent = now - (now - start) % every
        heard = sent - answer if answer is not None and sent - answer >= start else start
        vigil.look(sent, heard)
    return now


def test_where_answers_come_at_once_their_absence_is_noticed_before_a_retransmission() -> None:
    vigil = Vigil()
    end = feed(vigil, start=0.0, seconds=5.0, answer=0.01)
    assert not vigil.is_doubtful(0.05, now=end)
    vigil.look(end, end - 0.01)
    vigil.look(end + LOOK, end - 0.01)
    assert not vigil.is_doubtful(0.05, now=end + 0.06)
    assert vigil.is_doubtful(0.05, now=end + SOONEST + LOOK)


def test_a_stream_that_nobody_answers_is_asked_about_and_not_doubted() -> None:
    vigil = Vigil()
    end = feed(vigil, start=0.0, seconds=0.5, answer=None)
    assert not vigil.is_doubtful(0.05, now=end)
    assert vigil.is_suspect(0.05, now=end)
    vigil.asked_at = end
    assert not vigil.is_suspect(0.05, now=end + 0.1)
    assert not vigil.is_doubtful(0.05, now=end + 0.1)
    assert vigil.is_doubtful(0.05, now=end + 0.2)


def test_an_answer_ends_the_suspicion() -> None:
    vigil = Vigil()
    end = feed(vigil, start=0.0, seconds=0.5, answer=None)
    vigil.asked_at = end
    vigil.look(end, end + 0.01)
    assert not vigil.is_doubtful(0.05, now=end + 1.0)
    assert vigil.quiet(end + 1.0) == 0.0


def test_one_late_answer_makes_patient() -> None:
    vigil = Vigil()
    end = feed(vigil, start=0.0, seconds=5.0, answer=0.01)
    vigil.look(end + 0.02, end)
    vigil.look(end + 0.02, end + 0.4)
    vigil.look(end + 0.5, end + 0.4)
    assert not vigil.is_doubtful(0.05, now=end + 0.5 + SOONEST + LOOK)


def test_a_long_round_trip_is_no_silence() -> None:
    vigil = Vigil()
    vigil.look(10.0, 9.0)
    assert not vigil.is_suspect(1.2, now=11.0)
    assert vigil.is_suspect(1.2, now=11.3)
