"""A block is searched with about as many holes as probes, and given up within its bound."""

from __future__ import annotations

from statistics import median

import pytest

from punch.strategies.block import BLOCK_PORTS, Block
from tests.punch.strategies.searches import FAR, NEAR, Case, begin, hard, nat, search


@pytest.mark.parametrize(("size", "packets"), [(512, 90), (1024, 120), (2048, 150), (4096, 200)])
def test_packets_grow_as_the_root_of_the_block(size: int, packets: int) -> None:
    case = Case(f"block {size}", Block, nat("block", size=size), hard(allocation="block"))
    for links in (NEAR, FAR):
        runs = search(case, 20, links)
        assert all(met.ok for met in runs)
        assert median(met.packets for met in runs) < packets
        assert max(met.entries[1] for met in runs) <= max(64, size // 8) + 20


def test_blocks_that_are_aligned_to_nothing() -> None:
    case = Case("block 1000", Block, nat("block", size=1000, aligned=False), hard(allocation="block"))
    runs = search(case, 20, NEAR)
    assert all(met.ok for met in runs)
    assert median(met.packets for met in runs) < 120


def test_a_firewall_between_ends_it_within_the_bound() -> None:
    case = Case("blocked", Block, nat("block", size=1024), hard(allocation="block"))
    world = begin(case, 1, NEAR)
    world.stages.clear()
    world.sides[1].nat.host = "203.0.113.99"
    world.run(seconds=60.0)
    easy = world.sides[0]
    assert easy.ended is not None
    assert easy.ended[0] == "exhausted"
    assert easy.probes <= BLOCK_PORTS + 8
