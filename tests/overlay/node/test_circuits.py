"""Circuits as the hall sees them: a lost answer, a new handshake, labels by circuit."""

from collections.abc import Callable

import pytest

from overlay.node.facts import PingAsked
from overlay.node.inbound import Inbound
from overlay.relay.facts import CircuitWanted, NeighbourDown
from overlay.relay.relay import Relay
from overlay.session.facts import DialAsked
from overlay.values import Direct, NodeId
from overlay.wire import messages as said
from tests.kit.village import Village


def two_relays() -> Village:
    """Ann and Bob, who reach each other over either of two."""
    village = Village()
    village.join("vps")
    village.join("hub", "vps")
    for name in ("ann", "bob"):
        village.join(name, "vps", "hub")
    village.part("ann", "bob")
    village.world.run_for(12.0)
    return village


def other_relay(village: Village) -> NodeId:
    """The relay over which Ann sends nothing to Bob now."""
    ann, bob = village.nodes["ann"].node, village.nodes["bob"].node
    used = ann._rooms.paths.view(bob.id).relay
    return next(village.nodes[name].node.id for name in ("vps", "hub") if village.nodes[name].node.id != used)


def without(inbound: Inbound, kind: type[said.Message]) -> Callable[[], int]:
    """Lose the next message of this kind; how many were heard of it, the lost one too."""
    handler, count = inbound._kinds[kind], 0

    def heard(*args: object, **kwargs: object) -> None:
        nonlocal count
        count += 1
        if count > 1:
            handler(*args, **kwargs)

    inbound._kinds[kind] = heard
    return lambda: count


def test_a_circuit_outlives_the_loss_of_its_answer() -> None:
    village = two_relays()
    ann, bob = village.nodes["ann"].node, village.nodes["bob"].node
    relay = other_relay(village)
    ann._rooms.relay.tell(CircuitWanted(bob.id, relay), now=village.world.now)
    assert ann._rooms.relay.circuit(bob.id, relay) is None
    opened = without(ann._inbound, said.CircuitOpened)
    gone: list[str] = []
    for name in ("vps", "hub", "bob"):
        inbound = village.nodes[name].node._inbound
        handler = inbound._kinds[said.CircuitGone]

        def ended(*args: object, at: str = name, on: Callable[..., None] = handler, **kwargs: object) -> None:
            gone.append(at)
            on(*args, **kwargs)

        inbound._kinds[said.CircuitGone] = ended
    ann._settle(now=village.world.now)
    village.nodes["ann"].tell(PingAsked(bob.id, 5), now=village.world.now)
    village.world.run_for(3.0)
    assert opened() >= 2
    assert gone == []
    assert ann._rooms.relay.circuit(bob.id, relay) is not None


def test_a_parallel_handshake_tears_no_circuit_down(monkeypatch: pytest.MonkeyPatch) -> None:
    village = two_relays()
    told: list[NodeId] = []
    tell = Relay.tell

    def noted(self: Relay, fact: object, *, now: float) -> None:
        if isinstance(fact, NeighbourDown):
            told.append(fact.peer)
        tell(self, fact, now=now)  # type: ignore[arg-type]

    monkeypatch.setattr(Relay, "tell", noted)
    ann, vps = village.nodes["ann"].node, village.nodes["vps"].node
    known = ann._rooms.paths.peer(vps.id)
    assert known is not None
    for where in list(known.ways):
        if isinstance(where, Direct):
            ann._rooms.session.tell(DialAsked(where, vps.id), now=village.world.now)
    before = len(ann._rooms.session.labels(vps.id))
    ann._settle(now=village.world.now)
    village.nodes["ann"].tell(PingAsked(vps.id, 5), now=village.world.now)
    village.world.run_for(2.0)
    assert len(ann._rooms.session.labels(vps.id)) > before, "the handshake took place"
    assert told == []


def test_labels_of_circuits_are_found_without_a_look_at_all() -> None:
    village = two_relays()
    rooms = village.nodes["ann"].node._rooms
    marked = {label: (each.peer, each.relay) for label, each in rooms.labels.items() if each.relay is not None}
    assert marked
    assert {label: key for key, labels in rooms.ends.items() for label in labels} == marked
    village.crash("bob")
    village.world.run_for(200.0)
    assert rooms.ends == {}
