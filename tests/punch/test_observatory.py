"""What the engine answers of itself, and what it sees of itself: Touches by whom, detection of what."""

from __future__ import annotations

from punch.facts import PeerDown, PeerHeard, PeerUp, SignalReceived
from punch.signals import Touch
from tests.punch.engines import Home, Village

VICTIM = "203.0.113.7"


def hears(made: Village, count: int) -> Home:
    """Ann, and members she hears from one host."""
    ann = made.add("ann", "open")
    for number in range(count):
        peer = b"member %d" % number
        made.tell("ann", PeerUp(peer, b"1" * 32, b"2" * 32, 3, first=True))
        made.tell("ann", PeerHeard(peer, VICTIM))
    return ann


def touches(home: Home) -> int:
    return sum(each.to.host == VICTIM for _, each in home.sent)


def test_many_members_that_ask_for_touches_get_what_one_prefix_gets() -> None:
    made = Village(1)
    ann = hears(made, 40)
    for _ in range(100):
        for number in range(40):
            made.tell("ann", SignalReceived(b"member %d" % number, Touch(0, 5300, bytes(12))))
        made.world.run_for(0.02)
    assert 100 <= touches(ann) <= 200
    assert ann.engine.drops["stun_limit"] > 1000


def test_a_member_that_is_gone_gets_no_touch() -> None:
    made = Village(1)
    ann = hears(made, 1)
    made.tell("ann", SignalReceived(b"member 0", Touch(0, 5300, bytes(12))))
    assert touches(ann) == 1
    made.tell("ann", PeerDown(b"member 0"))
    made.tell("ann", SignalReceived(b"member 0", Touch(0, 5300, bytes(12))))
    assert touches(ann) == 1
    assert ann.engine.drops["touch_refused"] == 1
