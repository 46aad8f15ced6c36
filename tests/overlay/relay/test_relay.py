"""Circuits between machines that hear each other only through a fabric of links."""

from __future__ import annotations

import random

import pytest

from overlay.relay.commands import SendRelay
from overlay.relay.courier import BURST, RATE
from overlay.relay.events import CircuitDenied, CircuitLost, CircuitReady, HandshakeCarried
from overlay.relay.facts import CarryAsked, CircuitMessage, CircuitWanted, NeighbourUp
from overlay.relay.limits import DROPS, IDLE, IGNORED, MAX_CIRCUITS, TRIES
from overlay.relay.relay import Relay
from overlay.values import Label, NodeId
from overlay.wire.messages import Carried, CircuitGone, CircuitOpened, CircuitRefused, OpenCircuit
from tests.overlay.relay.fabric import Fabric, Frame, node

ANN, BOB, HUB = node("ann"), node("bob"), node("hub")


def star(*, loss: float = 0.0) -> Fabric:
    """Ann and Bob, who reach only the hub."""
    fabric = Fabric("ann", "hub", "bob", loss=loss)
    fabric.link("ann", "hub")
    fabric.link("bob", "hub")
    return fabric


def empty(fabric: Fabric) -> bool:
    """No machine, table or label remembers a circuit."""
    return all(
        len(site.relay._book) == 0 and not site.forwards and not site.labels and not site.best
        for site in fabric.sites.values()
    )


def alone(*, enabled: bool = True, neighbours: tuple[NodeId, ...] = (ANN, BOB)) -> Relay:
    """The hub by itself, with neighbours up."""
    relay = Relay(own=HUB, enabled=enabled, entropy=random.Random(7), now=0.0)
    for peer in neighbours:
        relay.tell(NeighbourUp(peer), now=0.0)
    return relay


def said(relay: Relay) -> list[SendRelay]:
    """What it asks to be sent."""
    return [command for command in relay.commands() if isinstance(command, SendRelay)]


def ask(req: int = 1, source: NodeId = ANN, target: NodeId = BOB, label: int = 11, hops: int = 7) -> OpenCircuit:
    """Ann's request for a circuit to Bob."""
    return OpenCircuit(req, source, target, label, hops)


def test_one_exchange_makes_both_directions() -> None:
    fabric = star()
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    there = fabric.crosses("ann", "bob", "hub")
    back = fabric.crosses("bob", "ann", "hub")
    assert there == Frame("bob", fabric.sites["bob"].best[ANN, HUB].label, "hub")
    assert back == Frame("ann", fabric.sites["ann"].best[BOB, HUB].label, "hub")
    assert fabric.sites["hub"].relay.carrying() == 1
    assert [type(message) for _, _, message in fabric.sent] == [OpenCircuit] * 2 + [CircuitOpened] * 2


def test_wanting_twice_asks_once() -> None:
    fabric = star()
    fabric.want("ann", "bob", "hub")
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    fabric.want("ann", "bob", "hub")
    fabric.want("bob", "ann", "hub")
    fabric.run(1.0)
    assert len(fabric.sent) == 4


def test_a_repeated_request_hears_the_same_answer() -> None:
    hub = alone()
    hub.tell(CircuitMessage(ANN, ask()), now=0.0)
    (onward,) = said(hub)
    assert isinstance(onward.message, OpenCircuit)
    assert onward.peer == BOB
    assert (onward.message.source, onward.message.target, onward.message.hops) == (ANN, BOB, 6)
    hub.tell(CircuitMessage(ANN, ask()), now=0.1)
    assert said(hub) == []
    hub.tell(CircuitMessage(BOB, CircuitOpened(onward.message.req, 31)), now=0.1)
    (first,) = said(hub)
    hub.tell(CircuitMessage(ANN, ask()), now=0.3)
    hub.tell(CircuitMessage(BOB, CircuitOpened(onward.message.req, 31)), now=0.3)
    assert said(hub) == [first]
    assert hub.carrying() == 1
    assert hub.drops == {}


def test_a_request_number_used_for_something_else_is_dropped() -> None:
    hub = alone()
    hub.tell(CircuitMessage(ANN, ask(label=11)), now=0.0)
    hub.tell(CircuitMessage(ANN, ask(label=12)), now=0.0)
    assert len(said(hub)) == 1
    assert hub.drops == {"circuit_bad": 1}


@pytest.mark.parametrize(
    ("request_", "said_", "counted"),
    [
        (ask(target=node("carol")), "no_peer", "circuit_refused"),
        (ask(hops=0), "hops", "circuit_refused"),
        (ask(source=node("carol")), "no_peer", "circuit_forged"),
        (ask(target=ANN), "no_peer", "circuit_bad"),
        (ask(source=HUB), "no_peer", "circuit_bad"),
        (ask(source=BOB), "no_peer", "circuit_bad"),
        (ask(target=HUB), "no_peer", "circuit_bad"),
    ],
    ids=["unknown target", "hops", "forged", "back to the asker", "in our name", "to itself", "to us from itself"],
)
def test_refusals(request_: OpenCircuit, said_: str, counted: str) -> None:
    hub = alone()
    hub.tell(CircuitMessage(ANN, request_), now=0.0)
    hub.tell(CircuitMessage(ANN, request_), now=0.3)
    assert said(hub) == [SendRelay(ANN, CircuitRefused(1, said_))] * 2
    assert hub.drops == {counted: 1}
    assert counted in DROPS


def test_a_refusal_stays_one_when_the_target_comes_meanwhile() -> None:
    hub = alone(neighbours=(ANN,))
    hub.tell(CircuitMessage(ANN, ask()), now=0.0)
    hub.tell(NeighbourUp(BOB), now=0.1)
    hub.tell(CircuitMessage(ANN, ask()), now=0.25)
    assert said(hub) == [SendRelay(ANN, CircuitRefused(1, "no_peer"))] * 2


def test_a_relay_that_is_off_says_so_to_the_one_that_asked() -> None:
    fabric = star()
    fabric.policy("hub", False)
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    assert fabric.sites["ann"].events == [CircuitDenied(BOB, HUB, "off")]
    assert fabric.sites["ann"].relay.denied(BOB, now=fabric.now) == [HUB]
    fabric.run(IGNORED)
    assert fabric.sites["ann"].relay.denied(BOB, now=fabric.now) == []
    assert empty(fabric)


def test_a_relay_switched_off_ends_what_it_carries_and_refuses_what_it_began() -> None:
    fabric = star()
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    fabric.policy("hub", False)
    fabric.run(1.0)
    assert [type(event) for event in fabric.sites["ann"].events] == [CircuitReady, CircuitLost]
    assert [type(event) for event in fabric.sites["bob"].events] == [CircuitReady, CircuitLost]
    assert empty(fabric)
    fabric.policy("hub", True)
    fabric.want("ann", "bob", "hub")
    fabric.run(0.05)
    fabric.policy("hub", False)
    fabric.run(IDLE)
    assert fabric.sites["ann"].events[-1] == CircuitDenied(BOB, HUB, "off")
    assert empty(fabric)


def test_an_end_needs_no_leave_to_answer_for_itself() -> None:
    fabric = star()
    fabric.policy("bob", False)
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    assert fabric.crosses("ann", "bob", "hub") is not None


def test_a_neighbour_may_have_so_many_circuits() -> None:
    hub = alone()
    for number in range(MAX_CIRCUITS):
        hub.tell(CircuitMessage(ANN, ask(req=number, label=number)), now=0.0)
    said(hub)
    hub.tell(CircuitMessage(ANN, ask(req=999, label=999)), now=0.0)
    assert said(hub) == [SendRelay(ANN, CircuitRefused(999, "full"))]
    hub.tell(CircuitMessage(BOB, ask(req=1, source=BOB, target=ANN)), now=0.0)
    assert isinstance(said(hub)[0].message, OpenCircuit)


def test_refusals_remembered_stay_few() -> None:
    hub = alone()
    for number in range(1000):
        hub.tell(CircuitMessage(ANN, ask(req=number, target=node("carol"))), now=0.0)
    assert len(hub._refusals[ANN]) <= 64


def test_a_silent_relay_is_asked_five_times_and_then_denied() -> None:
    fabric = star(loss=1.0)
    fabric.want("ann", "bob", "hub")
    fabric.run(7.7)
    assert fabric.sites["ann"].events == []
    fabric.run(0.1)
    assert fabric.sites["ann"].events == [CircuitDenied(BOB, HUB, "no_answer")]
    assert [type(message) for _, _, message in fabric.sent] == [OpenCircuit] * TRIES + [CircuitGone]
    assert len({message for _, _, message in fabric.sent[:TRIES]}) == 1


def test_a_silent_target_is_no_peer() -> None:
    fabric = Fabric("ann", "hub", "bob")
    fabric.link("ann", "hub")
    fabric.tell("hub", NeighbourUp(BOB))
    fabric.want("ann", "bob", "hub")
    fabric.run(20.0)
    assert [type(event) for event in fabric.sites["ann"].events] == [CircuitDenied]
    assert empty(fabric)


def test_a_wish_waits_for_its_relay() -> None:
    fabric = Fabric("ann", "hub", "bob")
    fabric.link("bob", "hub")
    fabric.want("ann", "bob", "hub")
    fabric.run(3.0)
    assert fabric.sent == []
    fabric.link("ann", "hub")
    fabric.run(1.0)
    assert fabric.crosses("ann", "bob", "hub") is not None


def test_a_request_that_comes_before_its_sender_is_proven_waits() -> None:
    hub = alone(neighbours=(BOB,))
    hub.tell(CircuitMessage(ANN, ask()), now=0.0)
    assert said(hub) == []
    hub.tell(NeighbourUp(ANN), now=0.05)
    assert [command.peer for command in said(hub)] == [BOB]
    hub.tell(CircuitMessage(node("carol"), ask(source=node("carol"))), now=1.0)
    hub.tell(NeighbourUp(node("carol")), now=9.0)
    hub.tell(CircuitMessage(node("dave"), CircuitGone(5)), now=9.0)
    assert said(hub) == []
    assert hub.drops == {"circuit_stranger": 2}


def test_requests_of_strangers_are_held_in_small_number() -> None:
    hub = alone()
    for number in range(1000):
        hub.tell(CircuitMessage(node("carol"), ask(req=number)), now=0.0)
    hub.tell(CircuitMessage(node("carol"), ask(req=5)), now=6.0)
    assert len(hub._early) == 1
    assert hub.drops == {"circuit_stranger": 1000}


def test_closing_is_told_along_the_chain() -> None:
    fabric = star()
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    fabric.unwant("bob", "ann", "hub")
    fabric.run(1.0)
    assert [type(event) for event in fabric.sites["ann"].events] == [CircuitReady, CircuitLost]
    assert empty(fabric)


def test_a_wish_given_up_early_leaves_nothing() -> None:
    fabric = star()
    fabric.want("ann", "bob", "hub")
    fabric.run(0.05)
    fabric.unwant("ann", "bob", "hub")
    fabric.run(1.0)
    assert fabric.sites["ann"].events == []
    assert empty(fabric)


def test_idle_circuits_close_and_used_ones_stay() -> None:
    fabric = star()
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    for _ in range(10):
        for name, site in fabric.sites.items():
            for label in [*site.labels, *list(site.forwards)[:1]]:
                fabric.use(name, label)
        fabric.run(IDLE / 2)
    assert fabric.crosses("bob", "ann", "hub") is not None
    fabric.use("ann", Label(12345))
    fabric.run(IDLE + 1)
    assert empty(fabric)
    assert [type(event) for event in fabric.sites["bob"].events] == [CircuitReady, CircuitLost]


def test_a_neighbour_that_goes_takes_its_circuits_along() -> None:
    fabric = star()
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    fabric.unlink("bob", "hub")
    fabric.run(1.0)
    assert [type(event) for event in fabric.sites["ann"].events] == [CircuitReady, CircuitLost]
    assert empty(fabric)
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    assert fabric.sites["ann"].events[-1] == CircuitDenied(BOB, HUB, "no_peer")


def test_a_neighbour_that_goes_before_it_answered_is_lost_at_once() -> None:
    fabric = star(loss=1.0)
    fabric.want("ann", "bob", "hub")
    fabric.unlink("ann", "hub")
    assert [type(event) for event in fabric.sites["ann"].events] == [CircuitLost]
    assert empty(fabric)


def test_a_refusal_is_forgotten_when_the_relay_comes_back() -> None:
    fabric = star()
    fabric.policy("hub", False)
    fabric.want("ann", "bob", "hub")
    fabric.run(1.0)
    fabric.unlink("ann", "hub")
    fabric.link("ann", "hub")
    assert fabric.sites["ann"].relay.denied(BOB, now=fabric.now) == []


def test_crossing_requests_leave_one_to_send_on_and_no_leak() -> None:
    fabric = star()
    fabric.want("ann", "bob", "hub")
    fabric.want("bob", "ann", "hub")
    fabric.run(1.0)
    for name in ("ann", "bob"):
        ready = [event for event in fabric.sites[name].events if isinstance(event, CircuitReady)]
        assert [event.spare for event in ready] == [False, True]
    assert fabric.crosses("ann", "bob", "hub") is not None
    assert fabric.crosses("bob", "ann", "hub") is not None
    assert fabric.sites["hub"].relay.carrying() == 2


def test_when_the_first_of_two_ends_the_other_takes_its_place() -> None:
    fabric = star()
    fabric.want("ann", "bob", "hub")
    fabric.want("bob", "ann", "hub")
    fabric.run(1.0)
    first = fabric.sites["ann"].best[BOB, HUB]
    fabric.tell("ann", CircuitMessage(HUB, CircuitGone(first.out_label)))
    heir = fabric.sites["ann"].best[BOB, HUB]
    assert heir.label != first.label
    assert fabric.sites["ann"].events[-1] == CircuitLost(BOB, HUB, first.label, spare=True)
    assert fabric.crosses("ann", "bob", "hub") is not None
    fabric.unwant("ann", "bob", "hub")
    assert fabric.sites["ann"].best == {}
    assert fabric.sites["ann"].labels == {}


def test_answers_nobody_waits_for_are_counted() -> None:
    hub = alone()
    hub.tell(CircuitMessage(ANN, CircuitOpened(5, 5)), now=0.0)
    hub.tell(CircuitMessage(ANN, CircuitRefused(5, "off")), now=0.0)
    hub.tell(CircuitMessage(ANN, CircuitGone(5)), now=0.0)
    assert hub.drops == {"circuit_unknown": 3}
    hub.tell(CircuitMessage(ANN, ask()), now=0.0)
    (onward,) = said(hub)
    assert isinstance(onward.message, OpenCircuit)
    hub.tell(CircuitMessage(ANN, CircuitOpened(onward.message.req, 5)), now=0.0)
    assert hub.drops == {"circuit_unknown": 4}
    assert hub.carrying() == 0


def test_a_label_cannot_be_used_for_two_circuits() -> None:
    hub = alone()
    hub.tell(CircuitMessage(ANN, ask(req=1, label=11)), now=0.0)
    hub.tell(CircuitMessage(ANN, ask(req=2, label=11)), now=0.0)
    onward, refusal = said(hub)
    assert refusal == SendRelay(ANN, CircuitRefused(2, "full"))
    hub.tell(CircuitMessage(BOB, ask(req=1, source=BOB, target=ANN, label=31)), now=0.0)
    assert isinstance(onward.message, OpenCircuit)
    hub.tell(CircuitMessage(BOB, CircuitOpened(onward.message.req, 31)), now=0.0)
    assert hub.drops == {"circuit_bad": 2}
    assert hub.carrying() == 0


def test_words_of_a_refusal_are_ours() -> None:
    ann = Relay(own=ANN, enabled=True, entropy=random.Random(1), now=0.0)
    ann.tell(NeighbourUp(HUB), now=0.0)
    ann.tell(CircuitWanted(BOB, HUB), now=0.0)
    (asked,) = said(ann)
    assert isinstance(asked.message, OpenCircuit)
    ann.tell(CircuitMessage(HUB, CircuitRefused(asked.message.req, "\x1b[31mboo")), now=0.1)
    assert list(ann.events()) == [CircuitDenied(BOB, HUB, "no_peer")]


def test_labels_of_other_rooms_are_avoided() -> None:
    dice = random.Random(3)
    taken = [Label(dice.getrandbits(32)) for _ in range(4)]
    ann = Relay(own=ANN, enabled=True, entropy=random.Random(3), avoid=taken.__contains__, now=0.0)
    ann.tell(NeighbourUp(HUB), now=0.0)
    ann.tell(CircuitWanted(BOB, HUB), now=0.0)
    (asked,) = said(ann)
    assert isinstance(asked.message, OpenCircuit)
    assert asked.message.label not in taken
    assert ann.uses(Label(asked.message.label))


def test_handshakes_are_carried_one_link_for_the_neighbour_that_sent_them() -> None:
    fabric = star()
    fabric.tell("hub", CarryAsked(ANN, BOB, ANN, b"m1", 7))
    fabric.run(1.0)
    assert fabric.sites["bob"].events == [HandshakeCarried(HUB, ANN, b"m1")]
    assert fabric.sent == [("hub", "bob", Carried(BOB, ANN, b"m1", 6))]


@pytest.mark.parametrize(
    ("asked", "counted"),
    [
        (CarryAsked(ANN, BOB, HUB, b"m1", 7), "carried_forged"),
        (CarryAsked(ANN, BOB, BOB, b"m1", 7), "carried_forged"),
        (CarryAsked(ANN, ANN, ANN, b"m1", 7), "carried_forged"),
        (CarryAsked(ANN, HUB, HUB, b"m1", 7), "carried_forged"),
        (CarryAsked(ANN, node("carol"), ANN, b"m1", 7), "carried_no_peer"),
        (CarryAsked(ANN, BOB, ANN, b"m1", 0), "carried_hops"),
    ],
    ids=["ours", "to its sender", "back to the asker", "to us from us", "unknown target", "hops"],
)
def test_handshakes_not_carried_are_counted(asked: CarryAsked, counted: str) -> None:
    hub = alone()
    hub.tell(asked, now=0.0)
    assert said(hub) == []
    assert list(hub.events()) == []
    assert hub.drops == {counted: 1}


def test_a_relay_that_is_off_carries_no_handshake_but_takes_its_own() -> None:
    hub = alone(enabled=False)
    hub.tell(CarryAsked(ANN, BOB, ANN, b"m1", 7), now=0.0)
    hub.tell(CarryAsked(ANN, HUB, node("carol"), b"m1", 0), now=0.0)
    assert said(hub) == []
    assert list(hub.events()) == [HandshakeCarried(ANN, node("carol"), b"m1")]
    assert hub.drops == {"carried_off": 1}


def test_a_flood_of_handshakes_is_cut() -> None:
    hub = alone()
    for _ in range(1000):
        hub.tell(CarryAsked(ANN, BOB, ANN, b"m1", 7), now=0.0)
    assert len(said(hub)) == BURST
    hub.tell(CarryAsked(BOB, ANN, BOB, b"m2", 7), now=0.0)
    assert len(said(hub)) == 1
    for _ in range(1000):
        hub.tell(CarryAsked(ANN, BOB, ANN, b"m1", 7), now=2.0)
    assert len(said(hub)) == 2 * RATE


def test_hops_never_grow() -> None:
    hub = alone()
    hub.tell(CarryAsked(ANN, BOB, ANN, b"m1", 255), now=0.0)
    hub.tell(CircuitMessage(ANN, ask(hops=255)), now=0.0)
    carried, asked = (command.message for command in said(hub))
    assert isinstance(carried, Carried)
    assert isinstance(asked, OpenCircuit)
    assert (carried.hops, asked.hops) == (6, 6)
