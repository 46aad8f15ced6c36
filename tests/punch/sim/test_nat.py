"""What a NAT does, one axis at a time."""

from __future__ import annotations

import random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from punch.sim import Datagram, Link, Nat, NatModel, World
from punch.sim.model import Allocator
from punch.values import Endpoint, udp
from tests.punch.sim.hosts import Echo, Listener

OUT = "198.51.100.1"
INSIDE = udp("192.168.0.2", 5000)
S1, S2, T1 = udp("203.0.113.1", 3478), udp("203.0.113.1", 3479), udp("203.0.113.9", 3478)


def nat(model: NatModel, *more: str, seed: int = 1) -> Nat:
    return Nat(model, OUT, *more, entropy=random.Random(seed))


def out(box: Nat, to: Endpoint, source: Endpoint = INSIDE, *, now: float = 0.0) -> Endpoint | None:
    passed = box.outward(Datagram(source, to, b""), now=now)
    return passed.source if passed else None


def comes_in(box: Nat, source: Endpoint, to: Endpoint | None, *, now: float = 0.0) -> bool:
    assert to is not None
    return box.inward(Datagram(source, to, b""), now=now) is not None


@pytest.mark.parametrize(("mapping", "same"), [("eim", (True, True)), ("adm", (True, False)), ("apdm", (False, False))])
def test_a_mapping_belongs_to_what_its_kind_says(mapping: str, same: tuple[bool, bool]) -> None:
    box = nat(NatModel(mapping=mapping, allocator="uniform"))  # type: ignore[arg-type]
    first = out(box, S1)
    assert (out(box, S2) == first, out(box, T1) == first) == same
    assert out(box, S1) == first


@pytest.mark.parametrize(("kind", "passes"), [("eif", (1, 1, 1)), ("adf", (1, 1, 0)), ("apdf", (1, 0, 0))])
def test_a_filter_lets_in_what_its_kind_says(kind: str, passes: tuple[int, int, int]) -> None:
    box = nat(NatModel(filtering=kind))  # type: ignore[arg-type]
    outside = out(box, S1)
    assert tuple(int(comes_in(box, each, outside)) for each in (S1, S2, T1)) == passes


def test_an_entry_lives_as_long_as_it_is_used() -> None:
    box = nat(NatModel(unreplied=30.0, replied=120.0))
    outside = out(box, S1)
    assert comes_in(box, S1, outside, now=29.9)
    assert comes_in(box, S1, outside, now=149.0)
    assert box.entries(now=268.9) == 1
    assert not comes_in(box, S1, outside, now=269.1)
    assert box.entries(now=269.1) == 0
    assert (box.by_inside, box.by_destination) == ({}, {})


def test_only_what_goes_out_refreshes_where_the_rfc_asks_no_more() -> None:
    box = nat(NatModel(unreplied=30.0, replied=120.0, inbound_refresh=False))
    outside = out(box, S1)
    assert comes_in(box, S1, outside, now=20.0)
    assert not comes_in(box, S1, outside, now=31.0)
    outside = out(box, S1, now=40.0)
    assert comes_in(box, S1, outside, now=41.0)
    out(box, S1, now=42.0)
    assert comes_in(box, S1, outside, now=161.0)


def test_a_scan_from_one_socket_costs_an_entry_a_port() -> None:
    box = nat(NatModel())
    for port in range(700):
        out(box, udp(T1.host, 2000 + port), now=port * 0.01)
    assert (box.peak, box.by_destination, box.peak_by_inside) == (700, {T1.host: 700}, {INSIDE.host: 700})
    assert box.entries(now=31.0) == 599
    assert box.entries(now=37.1) == 0


def test_a_full_table_and_a_quota_refuse_what_is_new() -> None:
    for model, why in ((NatModel(table=3), "table_full"), (NatModel(host_table=3), "quota")):
        box = nat(model)
        assert [out(box, udp(T1.host, port)) is None for port in range(1, 6)] == [False, False, False, True, True]
        assert out(box, udp(T1.host, 1), now=1.0) is not None
        assert box.counts[why] == 2
        assert out(box, udp(T1.host, 9), now=32.0) is not None


def test_new_entries_may_come_no_faster_than_the_rate() -> None:
    box = nat(NatModel(new_rate=10))
    passed = [out(box, udp(T1.host, 1 + tick), now=tick * 0.01) is not None for tick in range(200)]
    assert 28 <= sum(passed) <= 30


def test_a_scanner_is_shut_out_for_a_while_in_both_directions() -> None:
    model = NatModel(filtering="eif", scan_ports=10, scan_window=0.005, scan_block=10.0)
    box = nat(model)
    outside = out(box, S1)
    for port in range(12):
        comes_in(box, T1, udp(OUT, 2000 + port))
    assert not comes_in(box, T1, outside, now=9.9)
    assert comes_in(box, S1, outside, now=9.9)
    assert comes_in(box, T1, outside, now=10.1)
    slow = [out(box, udp(T1.host, 1 + each), now=20 + each * 0.01) for each in range(30)]
    assert None not in slow
    fast = [out(box, udp(T1.host, 100 + each), now=30 + each * 0.0001) for each in range(30)]
    assert fast.count(None) == 21


def test_two_hosts_with_one_port_do_not_share_an_outside_port() -> None:
    box = nat(NatModel())
    other = udp("192.168.0.3", INSIDE.port)
    assert out(box, S1) == udp(OUT, INSIDE.port)
    second = out(box, S1, other)
    assert second not in (None, udp(OUT, INSIDE.port))
    assert out(box, T1, other) == second


def test_an_early_packet_poisons_a_nat_that_accepts_it_and_no_other() -> None:
    for policy in ("drop", "reject", "accept"):
        box = nat(NatModel(input=policy))
        usual = out(box, S1)
        assert not comes_in(box, T1, usual)
        assert (out(box, T1) == usual) == (policy != "accept")
        apart = out(box, T1)
        assert out(box, T1) == apart
        assert comes_in(box, T1, apart)
        assert out(box, S2) == usual
    assert box.entries(now=0.0) == 4
    assert box.entries(now=31.0) == 1, "only the answered entry outlives them"
    assert out(box, T1, now=121.0) == usual


def test_poison_stands_in_the_way_of_the_first_mapping_too() -> None:
    box = nat(NatModel(input="accept"))
    comes_in(box, T1, udp(OUT, INSIDE.port))
    assert out(box, T1) != udp(OUT, INSIDE.port)


def test_several_public_addresses_are_paired_or_not() -> None:
    many = [f"198.51.100.{last}" for last in range(2, 6)]
    paired = nat(NatModel(mapping="apdm", allocator="uniform"), *many)
    arbitrary = nat(NatModel(mapping="apdm", allocator="uniform", pooling="arbitrary"), *many)
    for box, count in ((paired, 1), (arbitrary, 5)):
        assert len({seen.host for port in range(1, 60) if (seen := out(box, udp(T1.host, port)))}) == count


def test_a_changed_class_forgets_what_was() -> None:
    box = nat(NatModel())
    before = out(box, S1)
    box.become(NatModel(mapping="apdm", allocator="uniform"))
    assert not comes_in(box, S1, before)
    assert out(box, S1) != before
    box.become(NatModel(udp=False))
    assert out(box, S1) is None


def test_a_model_that_does_not_fit_together_is_refused() -> None:
    for model in (NatModel(low=5, high=4), NatModel(allocator="block", size=600, low=2000, high=2100)):
        with pytest.raises(ValueError):
            nat(model)


MODELS = st.builds(
    NatModel,
    mapping=st.sampled_from(["eim", "adm", "apdm"]),
    filtering=st.sampled_from(["eif", "adf", "apdf"]),
    allocator=st.sampled_from(get_args(Allocator)),
    step=st.sampled_from([-8, -1, 1, 2, 256]),
    size=st.sampled_from([64, 512, 4096]),
    aligned=st.booleans(),
    conflict=st.floats(0.0, 1.0),
    parity=st.booleans(),
    foreign=st.sampled_from([0.0, 5.0, 3000.0]),
    table=st.sampled_from([0, 20]),
    input=st.sampled_from(["drop", "accept"]),
)


@settings(max_examples=60, deadline=None)
@given(model=MODELS, seed=st.integers(0, 99))
def test_whatever_the_model_ports_are_unique_in_range_and_counted(model: NatModel, seed: int) -> None:
    dice = random.Random(seed)
    box = nat(model, "198.51.100.2", seed=seed)
    now = 0.0
    for _ in range(300):
        now += dice.expovariate(5.0)
        source, to = udp("192.168.0.2", 5000 + dice.randrange(20)), udp("203.0.113.1", 1 + dice.randrange(20))
        seen = out(box, to, source, now=now)
        if seen is None:
            continue
        assert model.low <= seen.port <= model.high
        assert not model.parity or (seen.port ^ source.port) & 1 == 0
        back = box.inward(Datagram(to, seen, b""), now=now)
        assert back is not None
        assert back.to == source
        comes_in(box, T1, seen, now=now)
    assert box.entries(now=now) == sum(box.by_destination.values())
    assert box.entries(now=now) <= box.peak <= (model.table or box.peak)
    assert box.entries(now=now + 1000.0) == 0


# --- in a world


def home(world: World, name: str, model: NatModel, host: Listener, *, upstream: str = "internet", last: int = 1) -> Nat:
    inside, outside = f"10.0.{last}.2", f"198.51.100.{last}" if upstream == "internet" else f"100.64.0.{last}"
    box = Nat(model, outside, entropy=world.dice(f"nat {name}"))
    world.lan(f"home {name}", router=box, upstream=upstream, uplink=Link(delay=0.005))
    world.add(name, host, inside, network=f"home {name}")
    return box


def test_two_nats_in_a_row_translate_twice() -> None:
    world = World(seed=1)
    carrier = Nat(NatModel(mapping="apdm", allocator="uniform"), "198.51.100.77", entropy=world.dice("carrier"))
    world.lan("provider", router=carrier)
    ann, bob = Listener(), Echo()
    box = home(world, "ann", NatModel(), ann, upstream="provider")
    world.add("bob", bob, T1.host)
    ann.say("10.0.1.2", T1.host)
    world.run(until=1.0)
    assert [source for _, source, _ in bob.heard] == ["198.51.100.77"]
    assert ann.payloads() == [b"re:hello"]
    assert (box.entries(now=1.0), carrier.entries(now=1.0)) == (1, 1)


def test_a_low_ttl_opens_the_nats_it_passes_and_dies_on_the_way() -> None:
    world = World(seed=1, hops=4)
    ann, bob = Listener(), Listener()
    box = home(world, "ann", NatModel(), ann, last=1)
    other = home(world, "bob", NatModel(input="accept"), bob, last=2)
    for ttl, opens, reaches in ((1, 0, 0), (2, 1, 0), (5, 2, 0), (6, 3, 1), (7, 4, 2), (0, 5, 3)):
        ann.out.append(Datagram(udp("10.0.1.2", 1), udp("198.51.100.2", 100 + ttl), b"", ttl))
        world.run_for(1.0)
        assert (box.entries(now=world.now), other.entries(now=world.now)) == (opens, reaches), ttl
    assert world.journal.counts == {"ttl": 3, "router": 3}


def test_hosts_behind_one_nat_meet_outside_only_where_it_hairpins() -> None:
    for hairpin in (False, True):
        world = World(seed=1)
        ann, bob = Listener(), Listener()
        box = home(world, "ann", NatModel(filtering="eif", hairpin=hairpin), ann)
        world.add("bob", bob, "10.0.1.3", network="home ann")
        bob.out.append(Datagram(udp("10.0.1.3", 7000), T1, b""))
        world.run_for(1.0)
        ann.out.append(Datagram(udp("10.0.1.2", 8000), udp("198.51.100.1", 7000), b"knock"))
        world.run_for(1.0)
        assert box.counts["hairpin"] == (not hairpin)
        assert (b"knock" in bob.payloads()) == hairpin


def test_one_seed_one_story_of_a_nat() -> None:
    def story(seed: int) -> list[Endpoint | None]:
        box = nat(NatModel(mapping="apdm", allocator="mixed", foreign=100.0), seed=seed)
        return [out(box, udp(T1.host, 1 + each), now=each * 0.1) for each in range(50)]

    assert story(1) == story(1) != story(2)
