from __future__ import annotations

from msgspec import structs

from overlay.lab.shelf import load_scenario
from overlay.lab.story import build, namespace, remove


def test_two_boxes_share_a_wire_without_a_switch() -> None:
    script = build(load_scenario("direct"), "t")
    assert "link add wire netns t-anna type veth peer name wire netns t-ben" in script
    assert "switch" not in script


def test_more_boxes_meet_at_a_bridge() -> None:
    script = build(load_scenario("two-nat"), "t")
    assert "link add internet netns t-switch type bridge" in script
    assert script.count("master internet up") == 3


def test_routers_translate_and_let_nothing_new_in() -> None:
    script = build(load_scenario("two-nat"), "t")
    assert 'oifname "internet" masquerade fully-random' in script
    assert script.count('iifname "internet" ct state new counter drop') == 4
    assert "route add 0.0.0.0/0 via 192.168.1.1" in script


def test_a_range_of_ports_holds_for_udp_and_tcp() -> None:
    script = build(load_scenario("port-range"), "t")
    assert script.count("masquerade to :40000-40999 fully-random") == 4


def test_blocked_udp_is_dropped_before_anything_else() -> None:
    rules = build(load_scenario("udp-blocked"), "t").split("chain forward")[1]
    assert rules.index("l4proto udp counter drop") < rules.index("ct state new")


def test_ipv6_is_routed_and_needs_no_duplicate_detection() -> None:
    script = build(load_scenario("ipv6"), "t")
    assert "route add 2001:db8:a::/64 via 2001:db8::21" in script
    assert "addr add 2001:db8::10/64 dev internet nodad" in script
    assert "masquerade" not in script


def test_the_next_router_outwards_is_the_way_of_an_inner_one() -> None:
    script = build(load_scenario("double-nat"), "t")
    assert "route add 0.0.0.0/0 via 100.64.0.1" in script
    assert "192.168.1.0/24 via" not in script


def test_one_seed_one_script() -> None:
    assert build(load_scenario("two-nat"), "t") == build(load_scenario("two-nat"), "t")
    assert remove([namespace("t", "a"), namespace("t", "b")]) == "netns del t-a\nnetns del t-b\n"


def told(**words: object) -> str:
    """The script of a scene whose router-a is told otherwise."""
    scenario = load_scenario("nat3-nat3")
    box = structs.replace(scenario.routers["router-a"], **words)
    return build(structs.replace(scenario, routers={**scenario.routers, "router-a": box}), "t")


def test_a_counter_is_a_map_in_the_order_of_its_step() -> None:
    for step, pairs in ((1, "0 : 7, 1 : 8, 2 : 9"), (-1, "0 : 9, 1 : 8, 2 : 7"), (2, "0 : 7, 1 : 9")):
        script = told(nat="sequential", ports="7-9", step=step)
        size = 1 + pairs.count(",")
        assert f"meta l4proto udp snat ip to 198.51.100.21 : numgen inc mod {size} map {{ {pairs} }}" in script
        assert 'meta nfproto ipv4 oifname "internet" masquerade' in script


def test_the_input_policy_is_the_routers_own_alone() -> None:
    script = told(nat="masquerade", input="accept")
    assert script.count('iifname "internet" ct state new counter accept') == 1
    assert script.count('iifname "internet" ct state new counter drop') == 3, "and both forward chains, and router-b"


def test_a_userspace_nat_has_its_address_on_no_device() -> None:
    script = build(load_scenario("seq-seq"), "t")
    assert "addr add 198.51.100.21" not in script
    assert "route add 198.51.100.21/32 dev nat0" in script
    assert "neigh add proxy 198.51.100.21 dev internet" in script
    assert "rule add iif home-a lookup 100" in script
    assert "masquerade" not in script
