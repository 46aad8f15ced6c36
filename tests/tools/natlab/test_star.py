"""A star: hosts and homes that all hang on one router."""

from __future__ import annotations

import ipaddress

import pytest

from overlay.lab import story
from overlay.lab.scenario import _faults
from punch.sim.model import NatModel
from tools.natlab.star import PLACES, WAN, at, star

HOMES: dict[str, str | NatModel] = {"vps": "", "anna": "masquerade", "ben": NatModel(allocator="uniform"), "carl": ""}


def test_a_star_fits_together_and_has_a_script() -> None:
    scenario = star(HOMES)
    assert list(_faults(scenario)) == []
    script = story.build(scenario, "tag")
    for name in HOMES:
        assert f"tag-{name}" in script
    assert scenario.routers["router-anna"].nat == "masquerade"
    assert scenario.hosts["anna"].gateway == "router-anna"
    assert scenario.hosts["carl"].gateway == WAN


def test_every_place_is_public_and_of_its_own() -> None:
    scenario = star({f"h{number}": "" for number in range(len(PLACES))})
    prefixes = [ipaddress.ip_network(scenario.prefix(at(name), 4)) for name in scenario.hosts]
    assert len(set(prefixes)) == len(PLACES)
    for name, prefix in zip(scenario.hosts, prefixes, strict=True):
        assert ipaddress.ip_address(scenario.address(name)) in prefix
    with pytest.raises(ValueError, match="at most"):
        star({f"h{number}": "" for number in range(len(PLACES) + 1)})
