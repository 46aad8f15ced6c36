from __future__ import annotations

from pathlib import Path

import pytest

from overlay.errors import UsageError
from overlay.lab.scenario import parse_scenario
from overlay.lab.shelf import load_scenario, scenario_names
from punch.sim.model import NatModel

GOOD = """
title = "Two hosts, one behind a router."
[segments]
internet = { ipv4 = "198.51.100.0/24", ipv6 = "2001:db8::/64" }
home = { ipv4 = "192.168.1.0/24" }
[hosts.vps]
links = { internet = ["198.51.100.10", "2001:db8::10"] }
[hosts.anna]
links = { home = ["192.168.1.2"] }
gateway = "router"
[routers.router]
links = { internet = ["198.51.100.21"], home = ["192.168.1.1"] }
outside = "internet"
nat = "masquerade fully-random"
"""


@pytest.mark.parametrize("name", scenario_names())
def test_every_shipped_scenario_is_sound(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.title.endswith(".")
    assert scenario.hosts


def test_the_scenarios_the_demo_and_the_issue_name_are_there() -> None:
    assert {"two-nat", "direct", "relay-only", "lan", "ipv6", "double-nat", "udp-blocked"} <= set(scenario_names())


def test_addresses_are_found_by_version_and_segment() -> None:
    scenario = parse_scenario(GOOD, origin="good.toml")
    assert scenario.address("vps") == "198.51.100.10"
    assert scenario.address("vps", version=6) == "2001:db8::10"
    assert scenario.address("router", "home") == "192.168.1.1"
    with pytest.raises(KeyError):
        scenario.address("anna", version=6)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title =", "titel =", "titel"),
        ('"198.51.100.0/24"', '"198.51.100.0/33"', "segments.internet.ipv4"),
        ('"198.51.100.10", ', '"203.0.113.1", ', "no address inside"),
        ('"198.51.100.10", ', '"nonsense", ', "no address inside"),
        ('"198.51.100.21"', '"198.51.100.10"', "holds 198.51.100.10 already"),
        ("{ home = [", "{ hoem = [", "no such segment"),
        ('gateway = "router"', 'gateway = "rooter"', "no router 'rooter'"),
        ('outside = "internet"', 'outside = "inter"', "is none of its links"),
        ('outside = "internet"', 'outside = "home"', "no inside segment in common"),
        ("masquerade fully-random", "masquerade randomly", "masquerade randomly"),
        ('nat = "masquerade fully-random"', 'nat = "masquerade"\nports = "9-1"', "no range of ports"),
        ('nat = "masquerade fully-random"', 'ports = "1-9"', "says nothing without nat"),
        ('nat = "masquerade fully-random"', 'nat = "masquerade"\nstep = 2', "says nothing without nat = "),
        ('nat = "masquerade fully-random"', 'nat = "sequential"\nstep = 0', "says nothing without nat = "),
        ('nat = "masquerade fully-random"', "foreign = 5.0", "foreign: says nothing without nat"),
        ('nat = "masquerade fully-random"', 'userspace = "nat5"', "no single NAT is called 'nat5'"),
        ('nat = "masquerade fully-random"', 'userspace = "cgn-block"', "no single NAT is called 'cgn-block'"),
        ('nat = "masquerade fully-random"', 'userspace = "nat3"\nnat = "masquerade"', "the model says it all"),
        ('nat = "masquerade fully-random"', "userspace = { low = 9, high = 8 }", "low 9 is above high 8"),
        ('nat = "masquerade fully-random"', 'userspace = { alocator = "block" }', "alocator"),
        ('nat = "masquerade fully-random"', 'input = "perhaps"', "perhaps"),
        ("[hosts.anna]", "[hosts.Anna]", "a name is"),
        ("[hosts.anna]", "[hosts.router]", "a host has this name too"),
        ("[segments]", "[segments", "bad.toml"),
    ],
)
def test_a_fault_is_named(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        parse_scenario(GOOD.replace(old, new), origin="bad.toml")
    assert told in caught.value.text
    assert "bad.toml" in caught.value.text


def test_all_faults_are_named_at_once() -> None:
    text = GOOD.replace('"198.51.100.10", ', '"203.0.113.1", ').replace('gateway = "router"', 'gateway = "x"')
    with pytest.raises(UsageError) as caught:
        parse_scenario(text, origin="bad.toml")
    assert len(caught.value.text.splitlines()) == 2


def test_a_scenario_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_scenario("atlantis")
    assert "two-nat" in caught.value.fix
    with pytest.raises(UsageError):
        load_scenario(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('nat = "masquerade"', NatModel()),
        ('nat = "masquerade"\nports = "40000-40999"', NatModel(allocator="uniform", low=40000, high=40999)),
        ('nat = "masquerade fully-random"', NatModel(mapping="apdm", allocator="uniform")),
        (
            'nat = "sequential"\nstep = -2\nforeign = 5.0\ninput = "accept"',
            NatModel(
                mapping="apdm",
                allocator="sequential",
                step=-2,
                foreign=5.0,
                low=20000,
                high=24095,
                input="accept",
            ),
        ),
        ('userspace = "nat2"', NatModel(filtering="adf")),
        (
            'userspace = { mapping = "adm", allocator = "block", size = 64 }',
            NatModel(mapping="adm", allocator="block", size=64),
        ),
        ("", None),
    ],
)
def test_every_way_to_name_a_nat_has_a_model(words: str, expected: NatModel | None) -> None:
    router = parse_scenario(GOOD.replace('nat = "masquerade fully-random"', words), origin="good.toml").routers[
        "router"
    ]
    assert router.model() == expected
    assert router.translates == (expected is not None)


def test_there_is_a_scene_for_every_pair_that_is_measured() -> None:
    wanted = {
        "nat3-nat3",
        "nat1-uniform",
        "nat3-seq-up",
        "nat3-seq-down",
        "nat3-seq-two",
        "nat3-seq-busy",
        "nat3-block",
    }
    wanted |= {"nat3-uniform", "mixed-nat", "seq-seq", "seq-seq-busy", "block-seq", "two-nat"}
    assert wanted <= set(scenario_names())
    for name in wanted:
        assert {"vps", "anna", "ben"} <= set(load_scenario(name).hosts)
