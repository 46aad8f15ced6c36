"""What the engine answers of itself, and what it sees of itself: Touches by whom, detection of what."""

from __future__ import annotations

from punch import stun
from punch.facts import PeerDown, PeerHeard, PeerUp, SignalReceived
from punch.signals import Touch
from punch.values import NatProfile, udp
from tests.punch.engines import PORT, Home, Village

VICTIM = "203.0.113.7"


def hears(made: Village, count: int) -> Home:
    """Ann, and members she hears from one host."""
    ann = made.add("ann", "open")
    for number in range(count):
        peer = b"member %d" % number
        made.tell("ann", PeerUp(peer, b"1" * 32, b"2" * 32, 3, first=True))
        made.tell("ann", PeerHeard(peer, VICTIM))
    return ann


def walled(*heard: str) -> Home:
    """Ann, whose servers say nothing, 6 s after she heard peers from these hosts."""
    made = Village(1)
    for service in made.services:
        service.silent = True
    ann = made.add("ann", "nat3")
    for number, host in enumerate(heard):
        made.tell("ann", PeerHeard(b"peer %d" % number, host))
    made.world.run_for(6.0)
    return ann


def test_udp_is_not_blocked_while_a_peer_is_heard() -> None:
    assert walled().engine.profile.blocked
    assert walled("203.0.113.7").engine.profile == NatProfile()
    ann = walled()
    ann.tell(PeerHeard(b"peer", "203.0.113.7"))
    assert ann.engine.profile == NatProfile()
    assert "mapping" in ann.engine.undecided


def test_a_neighbour_on_the_same_link_is_no_sign_of_what_the_router_does() -> None:
    assert walled("192.168.1.99").engine.profile.blocked


def test_a_question_of_others_is_a_sign() -> None:
    ann = walled()
    question = stun.question(bytes(12))
    ann.receive(question, udp("203.0.113.7", 40000), to=udp("0.0.0.0", PORT), now=6.0)
    assert not ann.engine.profile.blocked


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
