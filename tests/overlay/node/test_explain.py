"""What `why` is told of the ways to a peer: which relay carries and at what cost, and the way not taken."""

from __future__ import annotations

from overlay.node.snapshot import Explained
from punch.sim import Link
from tests.kit.village import Village


def explained(village: Village, name: str, other: str) -> Explained:
    return village.nodes[name].node.explain(village.nodes[other].node.id, now=village.world.now)


def far_and_near() -> Village:
    """ann and bob cannot reach each other; vps and nas carry, nas being farther from both."""
    village = Village(link=Link(delay=0.005))
    village.join("vps")
    village.join("nas", "vps")
    for name in ("ann", "bob"):
        village.join(name, "vps")
        village.world.between(name, "nas", Link(delay=0.040))
        village.world.between("nas", name, Link(delay=0.040))
    village.part("ann", "bob")
    village.paths(within=10.0, ann_bob="relay via vps", ann_nas="direct", bob_nas="direct")
    village.world.run_for(40.0)
    return village


def test_the_relay_that_carries_comes_first_with_the_cost_of_both_its_links() -> None:
    found = explained(far_and_near(), "ann", "bob")
    assert [(each.name, each.state) for each in found.relays] == [("vps", "carries"), ("nas", "spare")]
    vps, nas = found.relays
    assert vps.here_ms is not None
    assert vps.there_ms is not None
    assert nas.here_ms is not None
    assert nas.there_ms is not None
    assert 5.0 < vps.here_ms < 40.0
    assert 5.0 < vps.there_ms < 40.0
    assert nas.here_ms + nas.there_ms > vps.here_ms + vps.there_ms
    assert not found.far
    used = found.ways[0]
    assert (used.kind, used.state, used.via) == ("relay", "used", ["vps"])
    assert used.endpoint is not None


def test_a_direct_way_is_used_and_relays_are_spares() -> None:
    village = far_and_near()
    found = explained(village, "ann", "vps")
    assert (found.ways[0].kind, found.ways[0].state) == ("direct", "used")
    assert found.ways[0].endpoint == str(village.nodes["ann"].snapshot(now=village.world.now).peers[-1].path.endpoint)
    assert all(each.state == "spare" for each in found.relays)


def test_who_does_not_carry_is_named() -> None:
    village = Village()
    village.join("vps", relay=False)
    village.join("hub", "vps")
    village.join("ann", "vps")
    village.join("bob", "vps")
    village.part("ann", "bob")
    village.paths(within=20.0, ann_bob="relay via hub")
    found = explained(village, "ann", "bob")
    assert [(each.name, each.state) for each in found.relays] == [("hub", "carries"), ("vps", "off")]


def test_nobody_known_has_no_ways() -> None:
    village = Village()
    village.join("ann")
    other = village.join("bob").node.id
    assert village.nodes["ann"].node.explain(other, now=village.world.now) == Explained(ways=[], relays=[])
