"""A public host that nobody can measure is told as open by those who reach it; nobody else is."""

from __future__ import annotations

from overlay.node.facts import AddressesChanged
from punch.sim.model import NatModel
from tests.kit.village import Village


def met(village: Village) -> None:
    village.join("vps")
    village.behind("ann", NatModel(), "vps")
    village.behind("bob", NatModel(), "vps")
    village.paths(within=5.0, ann_vps="direct", bob_vps="direct")
    village.world.run_for(3.0)


def test_a_public_host_reached_by_members_behind_nats_is_open_and_they_know_it() -> None:
    village = Village()
    with village.world:
        met(village)
        assert village.look("vps").self.nat.type == "open"
        assert village.nodes["vps"].node.undecided == ()
        seen = village.peer("ann", "vps")
        assert seen is not None
        assert seen.nat.type == "open"
        assert village.look("ann").self.nat.type != "open"
        assert village.look("bob").self.nat.type != "open"


def test_without_the_address_it_is_not_known() -> None:
    village = Village()
    with village.world:
        met(village)
        village.nodes["vps"].tell(AddressesChanged((("192.168.9.9", 24, "eth0"),), ""), now=village.world.now)
        village.world.run_for(1.0)
        assert village.look("vps").self.nat.type == "unknown"


def test_nobody_is_open_before_somebody_heard_it() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.world.run_for(3.0)
        assert village.look("vps").self.nat.type == "unknown"
