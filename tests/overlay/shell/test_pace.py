"""How often the plane is looked at."""

from __future__ import annotations

from overlay.shell.pace import QUICK, TICK, TRAIL, Pace


def looks(pace: Pace, seconds: float, *, busy: bool) -> tuple[int, int]:
    """Looks and full looks in that time."""
    end, count, full = pace.next + seconds, 0, 0
    while pace.next < end:
        now = pace.next
        count += 1
        full += pace.look(now)
        if busy:
            pace.busy(now)
    return count, full


def test_idle_it_is_each_second() -> None:
    assert looks(Pace(0.0), 10.0, busy=False) == (10, 10)


def test_busy_it_is_twenty_times_and_still_full_each_second() -> None:
    count, full = looks(Pace(0.0), 10.0, busy=True)
    assert 9 <= full <= 11
    assert abs(count - 10.0 / QUICK) <= 10


def test_a_late_look_does_not_make_up_for_lost_ones() -> None:
    pace = Pace(0.0)
    assert pace.look(60.0)
    assert pace.next == 60.0 + TICK
    assert pace.since(60.0) == 60.0 - TRAIL
