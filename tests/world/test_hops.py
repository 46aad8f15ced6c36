"""Members that only neighbours reach: ways over several relays, their deaths, and what `trace` says of them."""

from __future__ import annotations

import itertools

import pytest

from overlay.node.events import Traced
from overlay.node.facts import TraceAsked
from overlay.node.snapshot import Hop
from punch.sim import Link
from tests.kit.village import Village, packet


def only(village: Village, *links: tuple[str, str]) -> None:
    """No datagram passes but over these links."""
    for a, b in itertools.combinations(village.nodes, 2):
        if (a, b) not in links and (b, a) not in links:
            village.part(a, b)


def row(village: Village, *names: str) -> None:
    """Members in a row, each of whom reaches only the next."""
    for name in names:
        village.join(name, *names[max(0, names.index(name) - 1) : names.index(name)])
        only(village, *itertools.pairwise(names))


def come_to(village: Village, a: str, b: str, path: str, *, within: float) -> None:
    """Run until `a` sends to `b` by `path`, or one that begins so; looked at twice a second."""
    until = village.world.now + within
    while not village.path(a, b).startswith(path):
        assert village.world.now < until, f"{village.path(a, b)}, not {path}, within {within} s"
        village.world.run_for(0.5)


def trace(village: Village, a: str, b: str) -> list[Hop]:
    """What `overlay trace b` tells at `a`."""
    token = 1_000_000 + len(village.nodes[a].seen)
    village.nodes[a].tell(TraceAsked(village.nodes[b].node.id, token), now=village.world.now)

    def told() -> list[Traced]:
        return [each for each in village.events(a, Traced) if each.token == token]

    village.world.run_until(lambda: bool(told()), within=3.0)
    return list(told()[0].hops)


def flows(village: Village, a: str, b: str) -> bool:
    """Whether a packet sent now from `a` arrives at `b` within half a second."""
    source, target = village.look(a).self.ipv4, village.look(b).self.ipv4
    assert source is not None
    assert target is not None
    village.nodes[b].received()
    village.nodes[a].send(packet(source, target), now=village.world.now)
    village.world.run_for(0.5)
    return len(village.nodes[b].received()) == 1


def test_four_in_a_row_reach_each_other_over_two_relays() -> None:
    village = Village()
    with village.world:
        row(village, "ann", "r1", "r2", "bob")
        come_to(village, "ann", "bob", "relay via r1 r2", within=10.0)
        come_to(village, "bob", "ann", "relay via r2 r1", within=10.0)
        village.ping("ann", "bob")
        peer = village.peer("ann", "bob")
        assert peer is not None
        assert peer.path.hops == 3
        assert peer.rtt_ms == pytest.approx(120.0, abs=5)
        assert flows(village, "ann", "bob")
        assert flows(village, "bob", "ann")


def test_a_row_of_nine_is_crossed_from_end_to_end() -> None:
    village = Village()
    names = [f"n{number}" for number in range(9)]
    with village.world:
        row(village, *names)
        come_to(village, "n0", "n8", f"relay via {' '.join(names[1:8])}", within=60.0)
        assert flows(village, "n0", "n8")
        assert flows(village, "n8", "n0")


def test_two_halves_meet_over_one_bridge() -> None:
    village = Village()
    left, right = [f"l{n}" for n in range(4)], [f"r{n}" for n in range(4)]
    with village.world:
        for half in (left, right):
            for name in half:
                village.join(name, *half[:1] if name != half[0] else ())
        pairs = [pair for half in (left, right) for pair in itertools.combinations(half, 2)]
        village.join("bridge", "l0", "r0")
        only(village, *pairs, ("bridge", "l0"), ("bridge", "r0"))
        come_to(village, "l3", "r3", "relay via l0 bridge r0", within=20.0)
        assert flows(village, "l3", "r3")


def test_a_relay_that_is_killed_in_the_middle_is_gone_round() -> None:
    village = Village()
    with village.world:
        for name in ("ann", "r1", "r2", "r3", "bob"):
            village.join(name, *(["r1"] if name != "r1" else []))
        links = (("ann", "r1"), ("r1", "r2"), ("r1", "r3"), ("r2", "bob"), ("r3", "bob"))
        village.world.run_for(0.3)
        only(village, *links)
        village.join("helper", "r2", "r3", "bob", "ann")
        village.world.run_for(5.0)
        village.crash("helper")
        come_to(village, "ann", "bob", "relay via r1 ", within=90.0)
        middle = village.path("ann", "bob").split()[-1]
        assert flows(village, "ann", "bob")
        village.crash(middle)
        other = {"r2": "r3", "r3": "r2"}[middle]
        began = village.world.now
        while not flows(village, "ann", "bob"):
            assert village.world.now < began + 40.0
        assert village.path("ann", "bob") == f"relay via r1 {other}"


def test_trace_names_every_hop_with_its_round_trip() -> None:
    village = Village()
    with village.world:
        row(village, "ann", "r1", "r2", "bob")
        come_to(village, "ann", "bob", "relay via r1 r2", within=10.0)
        hops = trace(village, "ann", "bob")
        assert [hop.name for hop in hops] == ["r1", "r2", "bob"]
        assert [hop.rtt_ms for hop in hops] == [pytest.approx(each, abs=5) for each in (40.0, 80.0, 120.0)]
        assert [hop.loss for hop in hops] == [0.0, 0.0, 0.0]
        assert [hop.endpoint is not None for hop in hops] == [True, False, False]
        (direct,) = trace(village, "ann", "r1")
        assert direct.name == "r1"
        assert direct.rtt_ms == pytest.approx(40.0, abs=1)


def test_trace_of_nobody_and_of_a_way_that_just_died() -> None:
    village = Village()
    with village.world:
        row(village, "ann", "r1", "r2", "bob")
        come_to(village, "ann", "bob", "relay via r1 r2", within=10.0)
        village.part("r1", "r2")
        began = village.world.now
        hops = trace(village, "ann", "bob")
        assert village.world.now - began < 2.1
        assert [(hop.name, hop.rtt_ms) for hop in hops[1:]] == [("r2", None), ("bob", None)]
        assert hops[2].loss == 1.0
        village.world.run_for(100.0)
        assert trace(village, "ann", "bob") == []


def test_trace_shows_the_loss_of_each_hop() -> None:
    village = Village(3, link=Link(delay=0.02, loss=0.1))
    with village.world:
        row(village, "ann", "r1", "bob")
        come_to(village, "ann", "bob", "relay via r1", within=60.0)
        losses = [hop.loss for _ in range(5) for hop in trace(village, "ann", "bob")]
        assert any(losses)
        assert None not in losses
        assert losses.count(1.0) < len(losses) / 2, "five questions over two lossy links may all be lost"


def test_many_traces_at_once_are_answered() -> None:
    village = Village()
    with village.world:
        row(village, "ann", "r1", "bob")
        come_to(village, "ann", "bob", "relay via r1", within=10.0)
        bob = village.nodes["bob"].node.id
        for token in range(50):
            village.nodes["ann"].tell(TraceAsked(bob, token), now=village.world.now)
        village.world.run_for(2.1)
        told = village.events("ann", Traced)
        assert sorted(each.token for each in told) == list(range(50))
        assert all(len(each.hops) == 2 for each in told)
        assert sum(each.hops[0].rtt_ms is not None for each in told) == 8


def streams(village: Village, a: str, b: str, *, seconds: float, gap: float = 0.05) -> tuple[int, int]:
    """Packets sent from `a` to `b`, one each `gap`, and how many of them came."""
    source, target = village.look(a).self.ipv4, village.look(b).self.ipv4
    assert source is not None
    assert target is not None
    village.nodes[b].received()
    count = int(seconds / gap)
    for _ in range(count):
        village.nodes[a].send(packet(source, target), now=village.world.now)
        village.world.run_for(gap)
    village.world.run_for(1.0)
    return count, len(village.nodes[b].received())


def test_a_better_relay_is_taken_without_losing_a_packet() -> None:
    village = Village()
    with village.world:
        village.join("far")
        village.join("ann", "far")
        village.join("bob", "far")
        village.part("ann", "bob")
        for name in ("ann", "bob"):
            village.world.between(name, "far", Link(delay=0.1))
        village.paths(within=10.0, ann_bob="relay via far")
        village.join("near", "ann", "bob")
        for name in ("ann", "bob"):
            village.world.between(name, "near", Link(delay=0.01))
        sent, came = streams(village, "ann", "bob", seconds=30.0)
        assert village.path("ann", "bob") == "relay via near"
        assert came == sent


def test_a_relay_that_dies_is_left_for_the_other() -> None:
    village = Village()
    with village.world:
        for name in ("one", "two"):
            village.join(name, *(["one"] if name == "two" else []))
        for name in ("ann", "bob"):
            village.join(name, "one", "two")
        village.part("ann", "bob")
        come_to(village, "ann", "bob", "relay", within=10.0)
        streams(village, "ann", "bob", seconds=3.0)
        dead = village.path("ann", "bob").split()[-1]
        village.crash(dead)
        sent, came = streams(village, "ann", "bob", seconds=10.0)
        assert came > sent * 0.6
        assert village.path("ann", "bob") == f"relay via {'two' if dead == 'one' else 'one'}"


def test_a_better_way_behind_the_same_relay_is_taken_without_losing_a_packet() -> None:
    village = Village()
    with village.world:
        row(village, "ann", "r1", "far", "bob")
        for a, b in (("r1", "far"), ("far", "bob")):
            village.world.between(a, b, Link(delay=0.1))
            village.world.between(b, a, Link(delay=0.1))
        come_to(village, "ann", "bob", "relay via r1 far", within=20.0)
        sent, came = streams(village, "ann", "bob", seconds=15.0)
        assert came == sent
        village.join("near", "r1", "bob")
        only(village, ("ann", "r1"), ("r1", "far"), ("far", "bob"), ("r1", "near"), ("near", "bob"))
        sent, came = streams(village, "ann", "bob", seconds=60.0)
        assert village.path("ann", "bob") == "relay via r1 near"
        assert came == sent


def test_a_relay_killed_behind_the_first_one_is_felt_for_two_seconds_at_most() -> None:
    village = Village(4)
    with village.world:
        for name in ("r1", "r2", "r3", "ann", "bob"):
            village.join(name, *{"r1": [], "r2": ["r1"], "r3": ["r1"], "ann": ["r1"], "bob": ["r2", "r3"]}[name])
            only(village, ("ann", "r1"), ("r1", "r2"), ("r1", "r3"), ("r2", "bob"), ("r3", "bob"))
        come_to(village, "ann", "bob", "relay via r1 ", within=20.0)
        streams(village, "ann", "bob", seconds=5.0)
        middle = village.path("ann", "bob").split()[-1]
        village.crash(middle)
        sent, came = streams(village, "ann", "bob", seconds=10.0)
        assert (sent - came) * 0.05 <= 2.0
        assert village.path("ann", "bob") != f"relay via r1 {middle}"
