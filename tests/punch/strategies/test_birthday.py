"""The birthday attack: hundreds of packets, paced, bounded, and ended when bad luck explains no more."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import pytest

from tests.punch.strategies.searches import FAR, NEAR, SEARCHES, begin, search

UNIFORM = next(case for case in SEARCHES if case.name == "uniform")


@pytest.mark.parametrize("links", [NEAR, FAR], ids=["near", "far"])
def test_uniform(links: dict[str, float]) -> None:
    runs = search(UNIFORM, 25, links)
    assert all(met.ok for met in runs)
    assert median(met.seconds for met in runs) < 4.5
    assert median(met.packets for met in runs) < 650
    assert max(met.entries[1] for met in runs) <= 540


@pytest.mark.slow
@pytest.mark.parametrize("links", [NEAR, FAR], ids=["near", "far"])
def test_uniform_many(links: dict[str, float]) -> None:
    runs = sorted(search(UNIFORM, 300, links), key=lambda met: met.seconds)
    assert sum(met.ok for met in runs) >= 298
    assert median(met.seconds for met in runs) < 3.5
    assert median(met.packets for met in runs) < 500
    assert runs[285].seconds < 8.0


def test_the_pace_never_looks_like_a_scan() -> None:
    world = begin(UNIFORM, 1, NEAR)
    world.sides[1].strategy = None
    world.run(seconds=5.0)
    sent = world.sides[0].destinations
    assert len({to for _, to in sent}) == len(sent)
    assert all(b[0] - a[0] >= 0.005 for a, b in zip(sent, sent[9:], strict=False))
    assert min(to.port for _, to in sent) >= 1024


def test_no_hole_at_all_ends_it_by_the_statistics() -> None:
    world = begin(UNIFORM, 2, NEAR)
    world.sides[1].nat.host = "203.0.113.99"
    world.run(seconds=60.0)
    easy = world.sides[0]
    assert easy.ended is not None
    assert easy.ended[0] == "exhausted"
    assert 700 < easy.probes <= 1758


def test_holes_are_kept_open_by_their_lifetime() -> None:
    world = begin(UNIFORM, 3, NEAR)
    hard = world.sides[1]
    hard.local = type(hard.local)(mapping="apdm", allocation="uniform", lifetime=10.0)
    world.sides[0].strategy = None
    again: dict[int, list[float]] = {}
    probe = hard.probe

    def watched(via, to, *, now, ttl=0, again_=again, **how):  # type: ignore[no-untyped-def]
        again_.setdefault(via, []).append(now)
        return probe(via, to, now=now, ttl=ttl, **how)

    hard.probe = watched  # type: ignore[method-assign]
    world.run(seconds=14.0)
    gaps = [b - a for times in again.values() for a, b in pairwise(times)]
    assert len(gaps) > 200
    assert max(gaps) < 6.0
