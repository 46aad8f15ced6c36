"""Nobody behind a neighbour takes its link from the others, and no budget comes back with a handshake."""

import random

import pytest

from overlay.relay.events import CircuitReady
from overlay.relay.facts import CarryAsked, CircuitMessage, NeighbourDown, NeighbourUp
from overlay.relay.limits import EARLY_EACH, EARLY_KEPT, MAX_CIRCUITS, MOST_OF_SOURCE, ROUTED_DEPTH
from overlay.relay.relay import Relay
from overlay.wire.messages import OpenCircuit
from tests.overlay.relay.fabric import Fabric, node

EVE = node("eve")


def flood(fabric: Fabric, at: str, to: str, *, invented: bool = False) -> None:
    """Eve asks for as many circuits as she may, in her own name or in that of others that nobody knows."""
    for number in range(MAX_CIRCUITS):
        source, crossed = (node(f"s{number}"), (EVE,)) if invented else (EVE, ())
        asked = OpenCircuit(1000 + number, source, node(to), 5000 + number, 6, crossed)
        fabric.tell(at, CircuitMessage(EVE, asked))
    fabric.run(5.0)


def is_open(fabric: Fabric, a: str, b: str, relay: str) -> bool:
    """Whether a circuit that is wanted comes to stand."""
    fabric.sites[a].events.clear()
    fabric.want(a, b, relay)
    fabric.run(5.0)
    ready = any(isinstance(each, CircuitReady) for each in fabric.sites[a].events)
    return ready and fabric.sites[a].relay.circuit(node(b), node(relay)) is not None


@pytest.mark.parametrize("invented", [False, True])
def test_who_opens_all_circuits_over_a_relay_takes_it_from_nobody(invented: bool) -> None:
    fabric = Fabric("ann", "eve", "hub", "tom")
    for name in ("ann", "eve", "tom"):
        fabric.link("hub", name)
    fabric.spread()
    flood(fabric, "hub", "tom", invented=invented)
    tom = fabric.sites["tom"].relay
    assert tom._book.count_by(node("hub")) == (MAX_CIRCUITS if invented else MOST_OF_SOURCE)
    assert is_open(fabric, "ann", "tom", "hub")
    assert tom._book.count_by(node("hub")) <= MAX_CIRCUITS


@pytest.mark.parametrize("invented", [False, True])
def test_nor_a_link_between_two_relays(invented: bool) -> None:
    fabric = Fabric("ann", "eve", "r1", "r2", "tom", "tim", "far")
    for a, b in (("r1", "ann"), ("r1", "eve"), ("r1", "r2"), ("r2", "tom"), ("r2", "tim"), ("tim", "far")):
        fabric.link(a, b)
    fabric.spread()
    for site in fabric.sites.values():  # one that holds whatever is asked of it
        if site.name == "tom":
            site.relay._has_room = lambda peer, message: True  # type: ignore[method-assign]
    flood(fabric, "r1", "tom", invented=invented)
    assert fabric.sites["r2"].relay._book.count_by(node("r1")) == MAX_CIRCUITS
    assert is_open(fabric, "ann", "tim", "r1")
    assert fabric.sites["r2"].relay._book.count_by(node("r1")) == MAX_CIRCUITS


def test_a_handshake_brings_no_budget_back() -> None:
    fabric = Fabric("eve", "hub", "bob")
    fabric.link("hub", "eve")
    fabric.link("hub", "bob")
    fabric.spread()
    hub = fabric.sites["hub"]
    for round_ in range(5):
        for number in range(200):
            target = node(f"x{round_}/{number}")
            fabric.tell("hub", CircuitMessage(EVE, OpenCircuit(1000 * round_ + number, EVE, target, number, 7)))
            fabric.tell("hub", CarryAsked(EVE, node("bob"), EVE, b"m1", 7))
        fabric.tell("hub", NeighbourDown(EVE))
        fabric.tell("hub", NeighbourUp(EVE))
    assert hub.roads.searches == ROUTED_DEPTH
    assert hub.relay.drops["carried_flood"] == 1000 - 512
    for number in range(100):
        fabric.tell("hub", NeighbourUp(node(f"n{number}")))
        fabric.run(3.0)
        fabric.tell("hub", CarryAsked(node(f"n{number}"), node("bob"), node(f"n{number}"), b"m1", 7))
        fabric.tell("hub", NeighbourDown(node(f"n{number}")))
    assert len(hub.relay._courier._buckets) < 10, "who is gone and owes nothing is forgotten"


def test_a_crowd_of_requests_that_come_too_soon_leaves_room_for_another_neighbour() -> None:
    hub = Relay(own=node("hub"), enabled=True, entropy=random.Random(7), now=0.0)
    hub.tell(NeighbourUp(node("bob")), now=0.0)
    for name in [*(f"e{number}" for number in range(8)), "ann"]:
        for number in range(1 if name == "ann" else 2 * EARLY_EACH):
            asked = OpenCircuit(number, node(name), node("bob"), number, 7)
            hub.tell(CircuitMessage(node(name), asked), now=1.0)
    assert len(hub._early) == EARLY_KEPT
    list(hub.commands())
    hub.tell(NeighbourUp(node("ann")), now=1.5)
    assert len(list(hub.commands())) == 1
