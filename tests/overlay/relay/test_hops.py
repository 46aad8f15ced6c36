"""Circuits over several relays: chains, bridges, rings; hops that refuse, die, lie."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.relay.commands import SendRelay
from overlay.relay.events import CircuitDenied, CircuitLost, CircuitReady, HandshakeCarried
from overlay.relay.facts import CarryAsked, CircuitAnew, CircuitFailed, CircuitMessage, NeighbourUp, RoutesChanged
from overlay.relay.limits import DROPS, IDLE, IGNORED, MAX_CIRCUITS, MAX_LINKS, MOST_NEXT, ROUTED_DEPTH
from overlay.relay.relay import Relay
from overlay.values import NodeId
from overlay.wire.messages import Carried, CircuitGone, CircuitOpened, CircuitRefused, OpenCircuit
from tests.overlay.relay.fabric import Fabric, node

ANN, BOB, HUB, EVE = node("ann"), node("bob"), node("hub"), node("eve")


def chain(count: int, **weather: float) -> tuple[Fabric, list[str]]:
    """A chain of `count` links from n0 to the last."""
    names = [f"n{number}" for number in range(count + 1)]
    fabric = Fabric(*names, **weather)  # type: ignore[arg-type]
    fabric.chain(*names)
    fabric.spread()
    return fabric, names


def hub(*, neighbours: tuple[NodeId, ...] = (ANN, BOB, EVE), leads: tuple[NodeId, ...] = (EVE,)) -> Relay:
    """The hub by itself; to whoever is no neighbour, `leads` lead."""
    relay = Relay(
        own=HUB,
        enabled=True,
        entropy=random.Random(7),
        onward=lambda target, avoid, links, now, may_search: [each for each in leads if each not in avoid],
        now=0.0,
    )
    for peer in neighbours:
        relay.tell(NeighbourUp(peer), now=0.0)
    return relay


def said(relay: Relay) -> list[SendRelay]:
    """What it asks to be sent."""
    return [command for command in relay.commands() if isinstance(command, SendRelay)]


FAR = node("far")


def ask(
    req: int = 1, source: NodeId = ANN, target: NodeId = FAR, label: int = 11, crossed: tuple[NodeId, ...] = ()
) -> OpenCircuit:
    """A request for a circuit to somebody far."""
    return OpenCircuit(req, source, target, label, 7, crossed)


def test_a_chain_of_eight_links_carries_both_ways_and_everybody_is_named() -> None:
    fabric, names = chain(MAX_LINKS)
    fabric.want(names[0], names[8], names[1])
    fabric.run(2.0)
    there = fabric.crosses(names[0], names[8], names[1])
    back = fabric.crosses(names[8], names[0], names[7])
    assert there is not None
    assert back is not None
    assert (there.at, back.at) == ("n8", "n0")
    assert fabric.through("n0", "n8", "n1") == names[1:8]
    assert fabric.through("n8", "n0", "n7") == names[7:0:-1]
    assert {len(m.crossed): m.hops for _, _, m in fabric.sent if isinstance(m, OpenCircuit)} == {
        number: 7 - number for number in range(8)
    }
    assert {len(m.through) for _, _, m in fabric.sent if isinstance(m, CircuitOpened)} == set(range(8))


def test_nine_links_are_one_too_many() -> None:
    fabric, names = chain(MAX_LINKS + 1)
    assert fabric.relays("n0", "n9") == ["n1"]
    fabric.want("n0", "n9", "n1")
    fabric.run(2.0)
    assert fabric.sites["n0"].events == [CircuitDenied(node("n9"), node("n1"), "no_peer")]
    assert sum(len(site.forwards) for site in fabric.sites.values()) == 0
    assert names[9] not in [to for _, to, _ in fabric.sent]


def test_two_halves_with_one_bridge() -> None:
    left, right = ["ann", "l1", "l2", "l3"], ["r1", "r2", "r3", "bob"]
    fabric = Fabric(*left, *right)
    for half in (left, right):
        for a in half:
            for b in half:
                if a < b:
                    fabric.link(a, b)
    fabric.link("l3", "r1")
    fabric.spread()
    assert fabric.relays("ann", "bob")[0] == "l3"
    fabric.want("ann", "bob", "l3")
    fabric.run(1.0)
    assert fabric.through("ann", "bob", "l3") == ["l3", "r1"]
    fabric.unlink("l3", "r1")
    fabric.run(0.05)
    assert isinstance(fabric.sites["ann"].events[-1], CircuitLost)
    assert isinstance(fabric.sites["bob"].events[-1], CircuitLost)


def test_a_ring_goes_the_other_way_round_when_it_is_cut() -> None:
    names = [f"n{number}" for number in range(8)]
    fabric = Fabric(*names)
    fabric.chain(*names, "n0")
    fabric.spread()
    assert fabric.relays("n0", "n3") == ["n1", "n7"]
    fabric.want("n0", "n3", "n1")
    fabric.run(1.0)
    assert fabric.through("n0", "n3", "n1") == ["n1", "n2"]
    fabric.unlink("n1", "n2")
    fabric.run(0.1)
    assert isinstance(fabric.sites["n0"].events[-1], CircuitLost)
    fabric.spread()
    assert fabric.relays("n0", "n3") == ["n7"]
    fabric.want("n0", "n3", "n7")
    fabric.run(1.0)
    assert fabric.through("n0", "n3", "n7") == ["n7", "n6", "n5", "n4"]


def fork(*middles: str) -> Fabric:
    """ann - hub - one of the middles, the first the cheapest - bob."""
    fabric = Fabric("ann", "hub", *middles, "bob")
    fabric.link("ann", "hub")
    for number, middle in enumerate(middles):
        fabric.link("hub", middle, ms=10.0 * 2**number)
        fabric.link(middle, "bob")
    fabric.spread()
    return fabric


def test_a_relay_asks_its_next_choice_where_one_refuses() -> None:
    fabric = fork("m1", "m2", "m3", "m4")
    fabric.policy("m1", False)
    fabric.policy("m2", False)
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    assert fabric.through("ann", "bob", "hub") == ["hub", "m3"]
    assert fabric.crosses("ann", "bob", "hub") is not None
    asked = [to for name, to, message in fabric.sent if name == "hub" and isinstance(message, OpenCircuit)]
    assert asked == ["m1", "m2", "m3"]
    fabric.want("bob", "ann", "m4")
    fabric.run(1.0)
    assert fabric.through("bob", "ann", "m4") == ["m4", "hub"]


def test_it_gives_up_after_a_few_and_remembers_who_refused() -> None:
    fabric = fork("m1", "m2", "m3", "m4", "m5")
    for name in ("m1", "m2", "m3", "m4"):
        fabric.policy(name, False)
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    assert fabric.sites["ann"].events == [CircuitDenied(BOB, HUB, "off")]
    before = len(fabric.sent)
    assert before == 2 + 2 * MOST_NEXT
    fabric.tell("ann", RoutesChanged(BOB))
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    assert fabric.through("ann", "bob", "hub") == ["hub", "m5"]
    asked = [to for name, to, m in fabric.sent[before:] if name == "hub" and isinstance(m, OpenCircuit)]
    assert asked == ["m4", "m5"]


def test_a_middle_that_says_nothing_costs_less_than_a_second() -> None:
    fabric = fork("m1", "m2")
    fabric.cut("hub", "m1")
    fabric.want("ann", "bob", "hub")
    fabric.run(0.75 + 0.2)
    assert fabric.through("ann", "bob", "hub") == ["hub", "m2"]
    fabric.run(10.0)
    fabric.unwant("ann", "bob", "hub")
    fabric.want("ann", "bob", "hub")
    fabric.run(0.2)
    assert fabric.through("ann", "bob", "hub") == ["hub", "m2"], "who said nothing is not asked first again"


def test_a_middle_that_dies_while_it_is_asked_is_passed_by() -> None:
    fabric = fork("m1", "m2")
    fabric.cut("hub", "m1")
    fabric.want("ann", "bob", "hub")
    fabric.run(0.1)
    fabric.unlink("hub", "m1")
    fabric.run(0.2)
    assert fabric.through("ann", "bob", "hub") == ["hub", "m2"]


def test_the_death_of_any_link_is_told_to_both_ends_at_once() -> None:
    for number in range(1, 7):
        fabric, names = chain(8)
        fabric.want("n0", "n8", "n1")
        fabric.run(2.0)
        fabric.unlink(names[number], names[number + 1])
        fabric.run(7 * fabric.delay + 0.001)
        for end in ("n0", "n8"):
            assert isinstance(fabric.sites[end].events[-1], CircuitLost), (number, end)
        assert all(not site.forwards for site in fabric.sites.values())


def test_a_circuit_that_carried_nothing_puts_its_relay_last() -> None:
    fabric = fork("m1", "m2")
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    fabric.tell("ann", CircuitFailed(BOB, HUB))
    fabric.run(1.0)
    ann = fabric.sites["ann"].relay
    assert ann.failed(BOB, now=fabric.now) == [HUB]
    assert ann.denied(BOB, now=fabric.now) == []
    assert all(not site.forwards for site in fabric.sites.values())
    assert ann.failed(BOB, now=fabric.now + IGNORED) == []


@pytest.mark.parametrize(
    ("request_", "counted"),
    [
        (ask(crossed=(EVE, BOB)), "circuit_forged"),
        (ask(crossed=(ANN,)), "circuit_loop"),
        (ask(source=EVE, crossed=(HUB, ANN)), "circuit_loop"),
        (ask(source=EVE, crossed=(FAR, ANN)), "circuit_loop"),
        (ask(source=EVE, crossed=(BOB, BOB, ANN)), "circuit_loop"),
        (ask(source=EVE), "circuit_forged"),
        (ask(source=FAR, target=HUB, crossed=(BOB,)), "circuit_forged"),
    ],
    ids=["not who asks", "source", "us", "target", "twice", "unsigned", "to us, not who asks"],
)
def test_requests_that_cannot_be_are_refused_and_counted(request_: OpenCircuit, counted: str) -> None:
    relay = hub()
    relay.tell(CircuitMessage(ANN, request_), now=0.0)
    assert [type(each.message) for each in said(relay)] == [CircuitRefused]
    assert relay.drops == {counted: 1}
    assert counted in DROPS


def test_no_word_of_a_request_gives_it_more_links_than_its_relays_leave() -> None:
    crossed = tuple(node(f"x{number}") for number in range(5))
    relay = hub(leads=(BOB,))
    relay.tell(CircuitMessage(ANN, OpenCircuit(1, EVE, FAR, 5, 255, (*crossed, ANN))), now=0.0)
    (onward,) = said(relay)
    assert isinstance(onward.message, OpenCircuit)
    assert onward.message.hops == 0
    relay.tell(CircuitMessage(ANN, OpenCircuit(2, EVE, FAR, 6, 255, (*crossed, node("x9"), ANN))), now=0.0)
    assert said(relay) == [SendRelay(ANN, CircuitRefused(2, "hops"))]


@pytest.mark.parametrize(
    "through",
    [(BOB,), (EVE, EVE), (EVE, HUB), (EVE, ANN), (EVE, FAR), tuple(node(f"x{n}") for n in range(7))],
    ids=["not itself", "twice", "us", "source", "target", "too many"],
)
def test_answers_that_cannot_be_are_refused_and_the_next_is_asked(through: tuple[NodeId, ...]) -> None:
    relay = hub(leads=(EVE, BOB))
    relay.tell(CircuitMessage(ANN, ask()), now=0.0)
    (onward,) = said(relay)
    assert onward.peer == EVE
    assert isinstance(onward.message, OpenCircuit)
    relay.tell(CircuitMessage(EVE, CircuitOpened(onward.message.req, 31, through)), now=0.1)
    gone, second = said(relay)
    assert gone == SendRelay(EVE, CircuitGone(onward.message.label))
    assert second.peer == BOB
    assert relay.drops == {"circuit_loop": 1}
    assert relay.carrying() == 0
    assert isinstance(second.message, OpenCircuit)
    relay.tell(CircuitMessage(BOB, CircuitOpened(second.message.req, 32, (BOB, node("x1")))), now=0.2)
    assert said(relay) == [SendRelay(ANN, CircuitOpened(1, 0, (HUB, BOB, node("x1"))))] or relay.carrying() == 1


def test_answers_swapped_between_circuits_or_changed_later_count() -> None:
    relay = hub()
    relay.tell(CircuitMessage(ANN, ask(req=1, label=11)), now=0.0)
    relay.tell(CircuitMessage(ANN, ask(req=2, label=12)), now=0.0)
    first, second = (each.message for each in said(relay))
    assert isinstance(first, OpenCircuit)
    assert isinstance(second, OpenCircuit)
    relay.tell(CircuitMessage(EVE, CircuitOpened(first.req, 31, (EVE,))), now=0.1)
    relay.tell(CircuitMessage(EVE, CircuitOpened(second.req, 31, (EVE,))), now=0.1)
    relay.tell(CircuitMessage(EVE, CircuitOpened(first.req, 77, (EVE,))), now=0.1)
    relay.tell(CircuitMessage(BOB, CircuitOpened(second.req, 33, (BOB,))), now=0.1)
    assert relay.drops == {"circuit_bad": 2, "circuit_unknown": 1}
    relay.tell(CircuitMessage(EVE, CircuitOpened(first.req, 31, (EVE,))), now=0.1)
    assert relay.drops == {"circuit_bad": 2, "circuit_unknown": 1}
    assert relay.carrying() == 1


def test_a_neighbour_that_asks_for_ways_without_end_gets_no_more_searches() -> None:
    fabric = Fabric("ann", "bob", "hub", "eve")
    for name in ("ann", "bob", "eve"):
        fabric.link("hub", name)
    fabric.spread()
    hub_ = fabric.sites["hub"]
    for number in range(500):
        source = (number, ANN, node(f"x{number}"), number)
        fabric.tell("hub", CircuitMessage(ANN, OpenCircuit(*source, 7)))
        fabric.tell("hub", CarryAsked(ANN, node(f"y{number}"), ANN, b"m1", 7))
    assert hub_.roads.searches == ROUTED_DEPTH
    assert hub_.relay.drops["circuit_flood"] == 1000 - ROUTED_DEPTH
    fabric.tell("hub", CircuitMessage(BOB, OpenCircuit(1, BOB, node("far"), 1, 7)))
    assert hub_.roads.searches == ROUTED_DEPTH + 1
    fabric.tell("hub", CarryAsked(ANN, node("far"), ANN, b"m1", 7))
    assert hub_.relay.drops["circuit_flood"] == 1000 - ROUTED_DEPTH, "what is kept costs nothing"


def test_a_relay_that_hands_everything_on_to_its_friends_takes_no_more_than_its_share() -> None:
    relay = hub()
    for number in range(MAX_CIRCUITS + 50):
        source = node(f"s{number}")
        relay.tell(CircuitMessage(ANN, ask(req=number, source=source, label=number, crossed=(ANN,))), now=number / 10)
    assert relay._book.count_by(ANN) == MAX_CIRCUITS
    assert len(relay._book) == MAX_CIRCUITS


def test_handshakes_cross_a_chain() -> None:
    fabric, _ = chain(MAX_LINKS)
    fabric.tell("n1", CarryAsked(node("n0"), node("n8"), node("n0"), b"m1", 7))
    fabric.run(1.0)
    assert fabric.sites["n8"].events == [HandshakeCarried(node("n7"), node("n0"), b"m1")]
    fabric.tell("n7", CarryAsked(node("n8"), node("n0"), node("n8"), b"m2", 7))
    fabric.run(1.0)
    assert fabric.sites["n0"].events == [HandshakeCarried(node("n1"), node("n8"), b"m2")]


def test_handshakes_end_after_eight_links_even_where_records_lie_in_a_circle() -> None:
    fabric = Fabric("ann", "hub", "eve", "bob")
    for a, b in (("ann", "hub"), ("hub", "eve"), ("eve", "bob"), ("bob", "hub")):
        fabric.link(a, b)
    fabric.spread()
    for name, site in fabric.sites.items():
        for other in ("hub", "eve", "bob"):
            if other != name:
                site.roads.learn(node("far"), ((node(other), 0),), relay=True)
    fabric.tell("hub", CarryAsked(ANN, FAR, ANN, b"m1", 7))
    fabric.run(5.0)
    assert len([m for _, _, m in fabric.sent if isinstance(m, Carried)]) <= MAX_LINKS - 1


def test_a_liar_that_claims_links_to_all_attracts_only_what_it_can_refuse() -> None:
    fabric = Fabric("ann", "eve", "m1", "far", "bob")
    fabric.link("ann", "eve", ms=1.0)
    fabric.link("ann", "m1", ms=50.0)
    fabric.chain("m1", "far", "bob")
    fabric.spread()
    everybody = tuple((node(name), 0) for name in ("ann", "m1", "far", "bob"))
    fabric.lie("eve", everybody)
    assert fabric.relays("ann", "bob") == ["m1"], "only bob's own record leads to bob"
    for site in fabric.sites.values():
        site.roads.learn(BOB, ((EVE, 0), (FAR, 9)), relay=True)
    assert fabric.relays("ann", "bob") == ["eve", "m1"]
    fabric.want("ann", "bob", "eve")
    fabric.run(1.0)
    assert fabric.relays("ann", "bob") == ["m1"]
    fabric.want("ann", "bob", "m1")
    fabric.run(1.0)
    assert fabric.through("ann", "bob", "m1") == ["m1", "far"]


NAMES = ("n0", "n1", "n2", "n3", "n4", "n5", "n6")
pairs = st.sampled_from([(a, b) for a in NAMES for b in NAMES if a < b])
records = st.dictionaries(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.sampled_from(NAMES).map(node), st.integers(0, 40)), max_size=8).map(tuple),
)
deeds = st.lists(
    st.tuples(st.sampled_from(["want", "cut", "unlink", "off"]), pairs, st.sampled_from([0.0, 0.03, 1.0])), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(
    links=st.lists(pairs, max_size=14, unique=True),
    lies=records,
    story=deeds,
    loss=st.sampled_from([0.0, 0.3]),
    twice=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 99),
)
def test_whatever_records_say_no_circuit_loops_and_nothing_is_left(
    links: list[tuple[str, str]],
    lies: dict[str, tuple[tuple[NodeId, int], ...]],
    story: list[tuple[str, tuple[str, str], float]],
    loss: float,
    twice: float,
    seed: int,
) -> None:
    fabric = Fabric(*NAMES, seed=seed, loss=loss, twice=twice, jitter=0.02)
    for a, b in links:
        fabric.link(a, b)
    fabric.spread()
    for name, listed in lies.items():
        fabric.lie(name, listed)
    for deed, (a, b), pause in story:
        if deed == "want":
            for relay in fabric.relays(a, b)[:2]:
                fabric.want(a, b, relay)
        elif deed == "cut":
            fabric.cut(a, b)
        elif deed == "unlink":
            fabric.unlink(a, b)
        else:
            fabric.policy(a, False)
        fabric.run(pause)
    fabric.run(9.0)
    for name, site in fabric.sites.items():
        for event in site.events:
            if isinstance(event, CircuitReady):
                assert event.through[0] == event.relay
                assert len(set(event.through)) == len(event.through) < MAX_LINKS
                assert node(name) not in event.through
                assert event.peer not in event.through
    wanted = sum(deed == "want" for deed, _, _ in story)
    asked = [m for _, _, m in fabric.sent if isinstance(m, OpenCircuit)]
    assert len(asked) <= wanted * 2 * 5 * len(NAMES) * (len(NAMES) - 1)
    fabric.run(2 * IDLE + 20)
    for site in fabric.sites.values():
        assert (site.forwards, site.labels, site.best) == ({}, {}, {})
        assert not [shelf for shelf in vars(site.relay._book).values() if shelf]
        assert site.relay.next_timeout() is None


@pytest.mark.parametrize("opener", ["ann", "bob"])
def test_a_circuit_opened_anew_takes_the_place_of_a_dead_one(opener: str) -> None:
    fabric = fork("m1", "m2")
    fabric.want(opener, "bob" if opener == "ann" else "ann", "hub" if opener == "ann" else "m1")
    fabric.run(10.0)
    assert fabric.through("ann", "bob", "hub") == ["hub", "m1"]
    fabric.cut("hub", "m1")
    fabric.cut("m1", "bob")
    fabric.tell("ann", CircuitAnew(BOB, HUB))
    fabric.tell("ann", CircuitAnew(BOB, HUB))
    fabric.run(1.0)
    assert fabric.through("ann", "bob", "hub") == ["hub", "m2"]
    assert fabric.crosses("ann", "bob", "hub") is not None
    assert fabric.crosses("bob", "ann", "m2") is not None
    fabric.run(3.0)
    assert len(fabric.sites["ann"].relay._book) == 1
    assert fabric.through("ann", "bob", "hub") == ["hub", "m2"]


def test_a_better_way_behind_the_same_relay_is_taken_before_the_old_one_is_closed() -> None:
    fabric = Fabric("ann", "hub", "m1", "m2", "last", "bob")
    for a, b in (("ann", "hub"), ("hub", "m1"), ("m1", "last"), ("hub", "m2"), ("last", "bob")):
        fabric.link(a, b, ms=50.0)
    fabric.spread()
    fabric.want("ann", "bob", "hub")
    fabric.run(10.0)
    assert fabric.through("ann", "bob", "hub") == ["hub", "m1", "last"]
    fabric.link("m2", "last", ms=1.0)
    fabric.sites["hub"].near[node("m2")] = fabric.sites["m2"].near[HUB] = 1.0
    fabric.spread()
    fabric.tell("ann", CircuitAnew(BOB, HUB))
    for _ in range(60):
        fabric.run(0.05)
        assert fabric.crosses("ann", "bob", "hub") is not None
    assert fabric.crosses("bob", "ann", "last") is not None
    assert fabric.through("ann", "bob", "hub") == ["hub", "m2", "last"]
    assert fabric.through("bob", "ann", "last") == ["last", "m2", "hub"]
    assert all(len(site.relay._book) <= 1 for site in fabric.sites.values())
    assert len(fabric.sites["m1"].relay._book) == 0


def test_opening_anew_without_end_opens_few() -> None:
    fabric = fork("m1")
    fabric.want("bob", "ann", "m1")
    for _ in range(50):
        fabric.tell("ann", CircuitAnew(BOB, HUB))
        fabric.run(0.3)
    assert len(fabric.sites["ann"].relay._book) <= 10
    fabric.run(5.0)
    assert len(fabric.sites["ann"].relay._book) == 1
