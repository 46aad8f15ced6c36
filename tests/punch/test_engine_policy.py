"""On need, switchable: off means not one probe, at once."""

from __future__ import annotations

import pytest

from punch.config import Mode, PunchConfig
from punch.facts import DetectAsked, PeerPolicy, PeerWanted, PolicyChanged, ServersKnown
from punch.values import udp
from tests.punch.engines import PORT, Home, Village
from tests.punch.test_engine import HARD, village


def sent_after(home: Home, since: float) -> list[object]:
    """Whatever left but answers of the STUN service."""
    return [each for at, each in home.sent if at > since]


@pytest.mark.parametrize(("ann", "bob"), [("nat3", "nat3"), ("nat3", "nat4-sequential"), ("open", "nat4-uniform")])
def test_switched_off_nothing_leaves_at_all(ann: str, bob: str) -> None:
    made = Village(1)
    for name, kind in (("ann", ann), ("bob", bob)):
        made.add(name, kind, config=PunchConfig(enabled=False, nat3_nat4="always", nat4_nat4="always"))
    made.introduce("ann", "bob")
    for _ in range(10):
        made.want("ann", "bob")
        made.tell("ann", PeerWanted(b"bob", "demand"))
        made.world.run_for(1.0)
    assert all(not home.sent for home in made.homes.values())
    assert made.homes["ann"].engine.view(b"bob", made.world.now).state == "off"


@pytest.mark.parametrize(("mode", "bob"), [("nat3_nat4", "nat4-sequential"), ("nat4_nat4", "nat4-sequential")])
@pytest.mark.parametrize("whose", ["ann", "bob"])
def test_a_kind_of_pair_that_one_side_has_off_is_not_probed(mode: str, bob: str, whose: str) -> None:
    made = Village(1)
    ann = "nat3" if mode == "nat3_nat4" else "nat4-sequential"
    for name, kind in (("ann", ann), ("bob", bob)):
        off = PunchConfig(nat3_nat4="off", nat4_nat4="off")
        made.add(name, kind, config=off if name == whose else PunchConfig(nat3_nat4="always", nat4_nat4="always"))
    made.world.run_for(3.0)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.tell("ann", PeerWanted(b"bob", "demand"))
    made.world.run_for(5.0)
    assert not any(home.probes_sent() for home in made.homes.values())
    reasons = {name: home.ended[-1].reason for name, home in made.homes.items()}
    assert reasons[whose] == "off"
    assert reasons["bob" if whose == "ann" else "ann"] == "peer_off"
    assert made.homes[whose].engine.view(b"bob" if whose == "ann" else b"ann", made.world.now).fix[0].endswith("auto")


def test_auto_waits_for_traffic_and_always_does_not() -> None:
    modes: list[tuple[Mode, bool]] = [("auto", False), ("always", True)]
    for mode, meets in modes:
        made = village("nat3", "nat4-sequential", config=PunchConfig(nat3_nat4=mode))
        made.introduce("ann", "bob")
        made.world.run_for(5.0)
        assert made.met("ann", "bob") is meets


def test_demand_stands_over_auto() -> None:
    made = village("nat3", "nat4-sequential")
    made.introduce("ann", "bob")
    made.world.run_for(5.0)
    made.tell("ann", PeerWanted(b"bob", "demand"))
    made.world.run_until(lambda: made.met("ann", "bob"), within=1.0)


def test_nat4_nat4_is_off_unless_switched_on_for_a_peer() -> None:
    made = village("nat4-sequential", "nat4-sequential")
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_for(2.0)
    assert made.homes["ann"].engine.view(b"bob", made.world.now).state == "off"
    assert not any(home.probes_sent() for home in made.homes.values())
    for own, other in (("bob", b"ann"), ("ann", b"bob")):
        made.tell(own, PeerPolicy(other, nat3_nat4=None, nat4_nat4="auto"))
    made.want("ann", "bob")
    made.world.run_until(lambda: made.met("ann", "bob"), within=3.0)


def test_off_in_the_middle_of_a_search_ends_it_at_once() -> None:
    made = village("nat3", "nat4-uniform", seed=3)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: len(made.homes["bob"].sockets) > 20, within=2.0)
    assert not made.met("ann", "bob")
    now = made.world.now
    for name in made.homes:
        made.tell(name, PolicyChanged(PunchConfig(enabled=False)))
    made.world.run_for(30.0)
    for name, home in made.homes.items():
        assert not sent_after(home, now)
        assert home.ended[-1].reason == "off"
        assert list(home.sockets) == [1], name


def test_off_on_one_side_is_told_to_the_other() -> None:
    made = village("nat3", "nat4-uniform", seed=3)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: len(made.homes["bob"].sockets) > 20, within=2.0)
    made.tell("ann", PeerPolicy(b"bob", nat3_nat4="off", nat4_nat4=None))
    made.world.run_for(0.1)
    assert made.homes["ann"].ended[-1].reason == "off"
    assert made.homes["bob"].ended[-1].reason == "peer_off"
    sent = len(made.homes["bob"].sent)
    made.world.run_for(5.0)
    assert len(made.homes["bob"].sent) - sent < 20, "detection's lifetime study at most"


@pytest.mark.parametrize("per_peer", [False, True])
def test_off_holds_whatever_was_asked_meanwhile(per_peer: bool) -> None:
    made = village("nat3", "nat4-uniform", seed=3)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: len(made.homes["bob"].sockets) > 20, within=2.0)
    made.tell("ann", PeerWanted(b"bob", "demand"))
    made.tell("ann", DetectAsked())
    off = PolicyChanged(PunchConfig(nat3_nat4="off"))
    made.tell("ann", PeerPolicy(b"bob", nat3_nat4="off", nat4_nat4=None) if per_peer else off)
    sent = len(made.homes["ann"].probes_sent())
    made.world.run_for(10.0)
    assert len(made.homes["ann"].probes_sent()) == sent
    assert made.homes["ann"].engine.view(b"bob", made.world.now).state == "off"


def test_off_while_offers_are_on_their_way() -> None:
    made = village("nat3", "nat4-sequential", config=PunchConfig(nat3_nat4="always"))
    made.introduce("ann", "bob")
    made.world.run_for(0.01)
    made.tell("ann", PolicyChanged(PunchConfig(nat3_nat4="off")))
    made.world.run_for(5.0)
    assert not made.homes["ann"].probes_sent()
    assert made.homes["ann"].ended[-1].reason == "off"


def test_settings_for_a_peer_that_is_not_here_yet_wait_for_it() -> None:
    made = village("nat3", "nat4-sequential", config=PunchConfig(nat3_nat4="always"))
    made.tell("ann", PeerPolicy(b"bob", nat3_nat4="off", nat4_nat4=None))
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_for(5.0)
    assert not any(home.probes_sent() for home in made.homes.values())
    made.tell("ann", PeerPolicy(b"bob", nat3_nat4=None, nat4_nat4=None))
    made.want("ann", "bob")
    made.tell("bob", PeerWanted(b"ann", "demand"))
    made.world.run_until(lambda: made.met("ann", "bob"), within=3.0)


def test_switched_on_again_it_begins_by_itself() -> None:
    made = village("nat3", "nat3", config=PunchConfig(enabled=False))
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    for name in made.homes:
        made.tell(name, PolicyChanged(HARD))
    made.world.run_until(lambda: made.met("ann", "bob"), within=3.0)


def test_off_the_stun_service_goes_on() -> None:
    made = Village(1)
    ann = made.add("ann", "open", config=PunchConfig(enabled=False))
    bob = made.add("bob", "nat3", servers=False)
    bob.tell(ServersKnown((udp(made.world.addresses("ann")[0], PORT),)), now=made.world.now)
    made.world.run_for(3.0)
    assert ann.sent
    assert bob.engine.profile.reflexive is not None


def test_an_infeasible_pair_is_decided_once() -> None:
    made = village("nat4-uniform", "nat4-uniform", config=PunchConfig(nat4_nat4="auto"))
    made.introduce("ann", "bob")
    for _ in range(30):
        made.want("ann", "bob")
        for own, other in (("ann", b"bob"), ("bob", b"ann")):
            made.tell(own, PeerWanted(other, "demand"))
        made.world.run_for(0.5)
    for name, home in made.homes.items():
        other = b"bob" if name == "ann" else b"ann"
        view = home.engine.view(other, made.world.now)
        assert (view.state, view.attempts, view.probes) == ("infeasible", 0, 0)
        assert sum("ended: infeasible" in line for line in view.journal) == 1, view.journal
        assert not home.probes_sent()


def test_a_demand_told_again_and_again_is_one() -> None:
    made = village("nat3", "nat3")
    made.lost = lambda name, said: True
    made.introduce("ann", "bob")
    for _ in range(120):
        made.tell("ann", PeerWanted(b"bob", "demand"))
        made.world.run_for(0.5)
    tries = [line for line in made.homes["ann"].engine.view(b"bob", made.world.now).journal if "ended" in line]
    assert 1 <= len(tries) <= 3, "by the schedule: at once, after 30 s"


def test_switched_off_altogether_the_first_thing_to_do_is_on_where_that_helps() -> None:
    for kind, helps in (("nat3", True), ("nat4-uniform", False)):
        made = village("nat4-uniform", kind, config=PunchConfig(nat4_nat4="auto"))
        made.introduce("ann", "bob")
        made.want("ann", "bob")
        made.world.run_for(0.02 if helps else 3.0)
        made.tell("ann", PolicyChanged(PunchConfig(enabled=False)))
        view = made.homes["ann"].engine.view(b"bob", made.world.now)
        assert (view.state, view.reason) == ("off", "off")
        assert (view.fix[0] == "overlay punch on") == helps
        assert ("would not help" in view.text) != helps


@pytest.mark.parametrize(
    ("ann", "bob", "fixes", "text"),
    [
        ("off", "off", ("overlay punch set nat4_nat4=auto", "on their side: overlay punch set nat4_nat4=auto"), "both"),
        ("off", "auto", ("overlay punch set nat4_nat4=auto",), "nat4_nat4 is off here"),
        ("auto", "off", ("on their side: overlay punch set nat4_nat4=auto",), "nat4_nat4 is off on their side"),
    ],
)
def test_who_has_to_allow_it_is_said_exactly(ann: Mode, bob: Mode, fixes: tuple[str, ...], text: str) -> None:
    made = Village(1)
    for name, mode in (("ann", ann), ("bob", bob)):
        made.add(name, "nat4-sequential", config=PunchConfig(nat4_nat4=mode))
    made.world.run_for(3.0)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_for(2.0)
    view = made.homes["ann"].engine.view(b"bob", made.world.now)
    assert tuple(each for each in view.fix if "overlay" in each) == fixes
    assert text in view.text


def test_punching_off_there_is_told_from_a_kind_of_pair_that_is_off_there() -> None:
    made = Village(1)
    made.add("ann", "nat3", config=PunchConfig())
    made.add("bob", "nat3", config=PunchConfig(enabled=False))
    made.world.run_for(3.0)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_for(2.0)
    view = made.homes["ann"].engine.view(b"bob", made.world.now)
    assert (view.state, view.text) == ("off", "punching is off on their side")
    assert view.fix[0] == "on their side: overlay punch on"
