"""A host whose network changes, a NAT that forgets, a laptop that sleeps: streams go on, and nobody is called gone."""

from __future__ import annotations

import pytest

from overlay.node.events import PeerGone
from overlay.node.facts import AddressesChanged
from punch.sim import Link
from punch.sim.model import NatModel
from punch.sim.nat import Nat
from tests.kit.flow import Flow
from tests.kit.village import Village

KEEPING, MOVING = NatModel(), NatModel(allocator="uniform")


def three(seed: int = 3) -> Village:
    """ann and bob, public and direct, and vps."""
    village = Village(seed, link=Link(delay=0.01))
    village.join("vps")
    for name in ("ann", "bob"):
        village.join(name, "vps")
    village.paths(within=8.0, ann_bob="direct", ann_vps="direct", bob_vps="direct")
    return village


def homes(ann: NatModel, bob: NatModel) -> tuple[Village, Nat, Nat, Flow]:
    """ann and bob behind NATs, gone direct under a stream."""
    village = Village(4, link=Link(delay=0.01))
    village.join("vps")
    nats = village.behind("ann", ann, "vps"), village.behind("bob", bob, "vps")
    village.paths(within=8.0, ann_bob="relay via vps")
    flow = Flow(village, "ann", "bob")
    for _ in range(20):
        flow.run(0.5)
        if village.path("ann", "bob") == "direct" == village.path("bob", "ann"):
            flow.run(3.0)
            return village, *nats, flow
    raise AssertionError("never direct")


def move(village: Village, name: str, address: str) -> None:
    """The host gets another address, and its bell rings a moment later."""
    world, node = village.world, village.nodes[name]
    (old,) = world.addresses(name)
    world.detach(name, old)
    world.attach(name, address)
    world.at(world.now + 0.05, lambda: node.tell(AddressesChanged(((address, 32, "wlan0"),), "gw2"), now=world.now))


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "one way"])
def test_an_address_that_changes_under_a_stream(answered: bool) -> None:
    village = three()
    with village.world:
        flow = Flow(village, "ann", "bob", answered=answered)
        flow.run(4.0)
        assert flow.silence(4.0, after=lambda: move(village, "ann", "203.0.200.1")) <= 0.3
        assert village.path("ann", "bob") == "direct" == village.path("bob", "ann")
        assert not village.events("bob", PeerGone)


def test_the_address_of_the_one_that_only_receives_changes() -> None:
    village = three()
    with village.world:
        flow = Flow(village, "ann", "bob", answered=False)
        flow.run(4.0)
        assert flow.silence(4.0, after=lambda: move(village, "bob", "203.0.200.1")) <= 0.5


@pytest.mark.parametrize("model", [KEEPING, MOVING], ids=["same ports", "other ports"])
def test_both_nats_forget_their_table(model: NatModel) -> None:
    village, ann, bob, flow = homes(model, model)
    with village.world:

        def flush() -> None:
            ann.become(model)
            bob.become(model)

        assert flow.silence(8.0, after=flush) <= 0.7
        assert village.path("ann", "bob") == "direct" == village.path("bob", "ann")


def test_a_laptop_that_slept_for_a_minute_is_back_at_once_and_blames_nobody() -> None:
    village = three()
    with village.world:
        village.world.sleep("ann")
        village.world.run_for(70.0)
        village.world.wake("ann")
        gone = len(village.events("ann", PeerGone))
        village.ping("ann", "bob", within=0.5)
        village.world.run_for(20.0)
        assert len(village.events("ann", PeerGone)) == gone
        assert village.path("bob", "ann") == "direct"


def test_one_stopped_in_the_middle_of_a_stream_is_called_silent_and_comes_back() -> None:
    village = three()
    with village.world:
        flow = Flow(village, "ann", "bob")
        flow.run(4.0)
        village.world.sleep("bob")
        stopped = village.world.now
        flow.unheard(until=lambda: bool(village.events("ann", PeerGone)), within=3.0)
        assert village.world.now - stopped <= 1.5
        flow.run(60.0, step=0.02)
        village.world.wake("bob")
        flow.run(2.0)
        came = flow.came
        flow.run(1.0)
        assert flow.came - came >= 40
        assert village.path("ann", "bob") == "direct"
