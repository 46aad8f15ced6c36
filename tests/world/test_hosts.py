"""What happens to hosts and wires, one thing at a time: deaf in one direction, narrow, stopped, a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest

from overlay.node.facts import WallClockJumped
from overlay.shell.virtual import EMPTY, remembered
from punch.sim import Link
from punch.sim.model import NatModel
from tests.kit.flow import Flow
from tests.kit.village import Village, packet

SILENT = 2.0
"""Seconds of silence that may be felt."""


def longest(flow: Flow) -> float:
    """The longest silence between two arrivals."""
    return max(b - a for a, b in zip(flow.arrivals, flow.arrivals[1:], strict=False))


def test_who_is_heard_and_does_not_hear_is_reached_by_a_relay() -> None:
    village = Village(1)
    with village.world as world:
        village.join("vps")
        village.join("ann", "vps")
        world.run_for(1.0)
        world.block("ann", "bob")
        village.join("bob", "vps")
        world.block("ann", "bob")
        village.paths(within=10.0, ann_bob="relay via vps")
        flow = Flow(village, "ann", "bob")
        flow.run(10.0)
        assert flow.came >= 0.95 * flow.sent
        assert longest(flow) < SILENT


@pytest.mark.parametrize("whose", ["vps", "bob"])
def test_large_packets_go_on_where_one_hop_behind_a_relay_shrinks(whose: str) -> None:
    village = Village(2)
    with village.world as world:
        village.trio()
        source, target = (str(village.look(name).self.ipv4) for name in ("ann", "bob"))
        came: list[float] = []

        def send(seconds: float) -> None:
            for _ in range(int(seconds / 0.05)):
                village.nodes["ann"].send(packet(source, target, bytes(1300)), now=world.now)
                world.run_for(0.05)
                came.extend(world.now for _ in village.nodes["bob"].received())

        send(10.0)
        world.relink(whose, Link(mtu=1300))
        at = world.now
        send(20.0)
        after = [when for when in came if when > at]
        gaps = [b - a for a, b in zip([at, *after], [*after, world.now], strict=True)]
        assert max(gaps) < 3.5
        assert len(after) > 300


def test_stopped_for_a_minute_under_a_stream_and_continued() -> None:
    village = Village(3)
    with village.world as world:
        village.join("vps")
        village.behind("ann", NatModel(), "vps")
        village.behind("bob", NatModel(), "vps")
        village.paths(within=8.0, ann_vps="direct", bob_vps="direct")
        world.run_for(3.0)
        flow = Flow(village, "bob", "ann", every=0.1)
        flow.run(3.0)
        world.sleep("ann")
        flow.run(60.0)
        world.wake("ann")
        back = world.now
        flow.run(6.0)
        assert next(when for when in flow.arrivals if when > back) - back < SILENT


def test_a_wall_clock_that_jumps_back_and_forth_is_felt_for_moments() -> None:
    village = Village(4)
    with village.world as world:
        village.trio()
        flow = Flow(village, "ann", "bob")
        flow.run(2.0)
        for name in ("ann", "vps", "bob", "ann", "ann", "vps"):
            village.nodes[name].tell(WallClockJumped(), now=world.now)
            flow.run(3.0)
        assert longest(flow) < SILENT
        assert flow.came >= 0.7 * flow.sent


def spoiled(disk: dict[str, Any]) -> dict[str, Any]:
    """Every record and endpoint of a disk with something wrong."""
    return disk | {
        "records": (*(each[:40] + bytes([each[40] ^ 1]) + each[41:] for each in disk["records"]), b"", bytes(2000)),
        "endpoints": ("", "1.2.3.4", "999.1.1.1:5", "[::1]:0", *disk["endpoints"]),
        "holders": (),
    }


@pytest.mark.parametrize("what", ["spoiled", "lost"])
def test_with_a_cache_that_is_corrupt_or_was_never_written_it_is_who_it_was(what: str) -> None:
    village = Village(5)
    with village.world as world:
        village.trio()
        before, home = village.look("ann").self, world.addresses("ann")[0]
        gone = village.crash("ann")
        world.run_for(1.0)
        disk = spoiled(dict(gone.disk)) if what == "spoiled" else dict(EMPTY)
        village.join("ann", "vps", address=home, **remembered(disk))
        village.part("ann", "bob")
        village.paths(within=5.0, ann_vps="direct", ann_bob="relay via vps")
        now = village.look("ann").self
        assert (now.id, now.ipv4) == (before.id, before.ipv4)
        village.ping("bob", "ann")
