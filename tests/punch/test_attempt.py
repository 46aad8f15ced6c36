"""One try, where its two sides know different things."""

from __future__ import annotations

from punch.attempt import CLAIM_LIFE
from punch.facts import SignalReceived
from punch.signals import Stop
from tests.punch.test_engine import village


def test_what_they_have_proven_may_still_come_by_any_of_our_sockets() -> None:
    made = village("nat3", "nat4-uniform", seed=3)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    bob = made.homes["bob"]
    made.world.run_until(lambda: len(bob.sockets) > 20, within=2.0)
    (attempt,) = bob.engine._attempts.values()
    made.lost = lambda name, said: True
    made.tell("bob", SignalReceived(b"ann", Stop(attempt.number, "direct")))
    sockets, sent = len(bob.sockets), len(bob.probes_sent())
    made.world.run_for(1.0)
    assert len(bob.sockets) >= sockets - 1
    assert len(bob.probes_sent()) <= sent + 4, "answers, and what goes through a hole that was found, at most"
    made.world.run_for(CLAIM_LIFE)
    assert not bob.engine._holes._owners
