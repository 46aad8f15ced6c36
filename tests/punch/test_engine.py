"""Two engines behind simulated NATs: what they measure, say, send and reach."""

from __future__ import annotations

import pytest

from punch.config import Mode, PunchConfig
from punch.events import AttemptStarted
from punch.facts import HoleRefused, PeerDirect, PeerWanted
from punch.signals import Offer, Stop
from tests.punch.engines import Village

HARD = PunchConfig(nat4_nat4="auto")


def village(ann: str, bob: str, *, seed: int = 1, config: PunchConfig | None = None, settle: float = 3.0) -> Village:
    """Two homes that have measured their NATs."""
    made = Village(seed)
    made.add("ann", ann, config=config)
    made.add("bob", bob, config=config)
    made.world.run_for(settle)
    return made


def meet(made: Village, *, within: float = 10.0) -> float:
    """Introduce both, with traffic; seconds until both have a hole, and then until both have proven it."""
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    took = made.world.run_until(lambda: made.met("ann", "bob"), within=within)
    made.world.run_for(0.5)
    return took


def keep_wanting(made: Village, seconds: int) -> None:
    """Traffic all the time."""
    for _ in range(seconds):
        made.want("ann", "bob")
        made.world.run_for(1.0)


def packets(made: Village, since: dict[str, int]) -> int:
    """What drew from both budgets."""
    return sum(home.engine.budget(made.world.now).probes_sent - since[name] for name, home in made.homes.items())


def spent(made: Village) -> dict[str, int]:
    return {name: home.engine.budget(made.world.now).probes_sent for name, home in made.homes.items()}


def test_an_engine_tells_what_it_could_not_decide() -> None:
    made = Village(1)
    engine = made.add("ann", "nat3").engine
    assert not engine.undecided
    made.world.run_for(3.0)
    assert engine.undecided == ("lifetime",)


@pytest.mark.parametrize(
    ("ann", "bob", "seconds", "most"),
    [
        ("nat3", "nat3", 0.1, 6),
        ("nat1", "nat4-uniform", 0.1, 6),
        ("nat2", "nat4-uniform", 0.1, 6),
        ("open", "nat4-uniform", 0.1, 6),
        ("open", "nat3", 0.1, 6),
        ("nat3", "nat4-preserving", 0.5, 80),
        ("nat3", "nat4-sequential", 0.5, 40),
        ("nat3", "nat4-sequential-down", 0.5, 40),
        ("nat3", "nat4-sequential-busy", 0.5, 60),
        ("nat3", "nat4-block-1024", 1.5, 150),
        ("nat4-sequential", "nat4-sequential", 1.0, 80),
        ("nat4-preserving", "nat4-sequential", 1.0, 80),
        ("nat4-uniform", "adm-sequential", 1.0, 80),
    ],
)
def test_pairs_meet_with_few_packets(ann: str, bob: str, seconds: float, most: int) -> None:
    made = village(ann, bob, config=HARD)
    before = spent(made)
    assert meet(made) < seconds
    assert packets(made, before) <= most
    for home in made.homes.values():
        assert [each.reason for each in home.ended if each.state != "idle"] == ["direct"]


def test_uniform_is_found_by_birthday() -> None:
    made = village("nat3", "nat4-uniform")
    meet(made, within=30.0)
    view = made.homes["ann"].engine.view(b"bob", made.world.now)
    assert (view.state, view.strategy, view.reason) == ("succeeded", "birthday", "direct")
    assert any("came through" in line for line in view.journal)


@pytest.mark.parametrize("kind", ["nat4-uniform", "nat4-block-1024"])
def test_nothing_is_sent_between_two_that_cannot_meet_and_it_says_what_would_help(kind: str) -> None:
    made = village(kind, kind, config=HARD)
    before = spent(made)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_for(1.0)
    view = made.homes["ann"].engine.view(b"bob", made.world.now)
    assert (view.state, view.reason, view.retry) == ("infeasible", "infeasible", None)
    assert any("forward a UDP port" in each for each in view.fix)
    made.world.run_for(100.0)
    assert not made.homes["ann"].probes_sent()
    assert packets(made, before) < 40, "only detection in the background"


def test_offers_that_cross_become_one_attempt() -> None:
    made = village("nat3", "nat3")
    made.introduce("ann", "bob")
    made.world.run_for(1.0)
    for home in made.homes.values():
        home.signals.clear()
        home.events.clear()
    made.want("ann", "bob")
    made.world.run_for(1.0)
    numbers = {
        each.signal.attempt
        for home in made.homes.values()
        for _, each in home.signals
        if isinstance(each.signal, Offer) and each.signal.reply
    }
    assert len(numbers) == 1
    assert all(len(home.ended) == 1 for home in made.homes.values())


def test_only_one_side_wants() -> None:
    made = village("nat3", "nat4-sequential")
    made.introduce("ann", "bob")
    made.world.run_for(5.0)
    assert not made.met("ann", "bob")
    assert made.homes["ann"].engine.view(b"bob", made.world.now).state == "idle"
    made.tell("bob", PeerWanted(b"ann", "traffic"))
    assert made.world.run_until(lambda: made.met("ann", "bob"), within=1.0) < 0.5


@pytest.mark.parametrize("mode", ["auto", "always"])
def test_easy_pairs_wait_to_be_wanted_as_all_do(mode: Mode) -> None:
    made = village("nat3", "nat2", config=PunchConfig(nat3_nat4=mode, nat4_nat4=mode))
    made.introduce("ann", "bob")
    made.world.run_for(30.0)
    assert not any(home.probes_sent() for home in made.homes.values())
    view = made.homes["ann"].engine.view(b"bob", made.world.now)
    assert (view.state, view.text) == ("idle", "nothing has wanted this path yet; it goes direct when used")
    made.tell("bob", PeerWanted(b"ann", "traffic"))
    assert made.world.run_until(lambda: made.met("ann", "bob"), within=1.0) < 0.5


def test_sockets_that_are_not_needed_are_closed() -> None:
    made = village("nat3", "nat4-block-1024")
    meet(made)
    made.world.run_for(60.0)
    hole = made.homes["bob"].holes[-1]
    assert set(made.homes["bob"].sockets) == {1, hole.via}
    assert set(made.homes["ann"].sockets) == {1}


def test_a_hole_let_go_comes_back_at_once_by_what_was_learned() -> None:
    made = village("nat3", "nat4-block-1024")
    meet(made)
    made.world.run_for(5.0)
    for own, other in (("ann", b"bob"), ("bob", b"ann")):
        made.tell(own, PeerDirect(other, direct=False))
        made.homes[own].events.clear()
    made.world.run_for(20.0)
    assert not made.homes["ann"].ended, "it is not wanted"
    made.want("ann", "bob")
    assert made.world.run_until(lambda: made.met("ann", "bob"), within=5.0) < 1.5
    made.world.run_for(0.5)
    started = [each.strategy for each in made.homes["ann"].events if isinstance(each, AttemptStarted)]
    assert started == ["block"]
    assert len(made.homes["ann"].ended) == 1


def test_a_hole_that_does_not_hold_is_not_the_end() -> None:
    made = village("nat3", "nat3")
    for home in made.homes.values():
        home.proves = False
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: made.met("ann", "bob"), within=1.0)
    for own in made.homes:
        hole = made.homes[own].holes[-1]
        made.tell(own, HoleRefused(hole.peer, hole.via, hole.endpoint))
        assert made.homes[own].engine.view(hole.peer, made.world.now).strategy == "low_ttl"
    for home in made.homes.values():
        home.proves = True
    made.world.run_for(4.0)
    assert made.homes["ann"].ended[-1].reason == "direct"


def test_retries_grow_and_a_demand_sets_them_aside() -> None:
    made = village("nat3-poisonable", "nat3-poisonable")
    made.introduce("ann", "bob")
    keep_wanting(made, 8)
    first = made.homes["ann"].engine.view(b"bob", made.world.now)
    assert (first.state, first.reason) == ("failed", "exhausted")
    assert first.retry is not None
    assert 24.0 - 6.0 <= first.retry - made.world.now <= 36.0
    keep_wanting(made, 50)
    second = made.homes["ann"].engine.view(b"bob", made.world.now)
    assert second.attempts == 2
    assert second.retry is not None
    assert second.retry - made.world.now > 60.0
    made.tell("ann", PeerWanted(b"bob", "demand"))
    assert made.homes["ann"].engine.view(b"bob", made.world.now).state == "running"


def test_the_other_side_ends_as_soon_as_one_is_direct() -> None:
    made = village("nat3", "nat3")
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: any(each.reason == "direct" for each in made.homes["ann"].ended), within=2.0)
    stops = [each.signal for _, each in made.homes["ann"].signals if isinstance(each.signal, Stop)]
    assert [each.reason for each in stops] == ["direct"]
    sent = len(made.homes["bob"].probes_sent())
    made.world.run_for(3.0)
    assert len(made.homes["bob"].probes_sent()) == sent


def test_the_same_seed_is_the_same_story() -> None:
    stories = []
    for _ in range(2):
        made = village("nat3", "nat4-uniform", seed=7)
        meet(made, within=60.0)
        stories.append([(at, each) for home in made.homes.values() for at, each in home.sent])
    assert stories[0] == stories[1]
