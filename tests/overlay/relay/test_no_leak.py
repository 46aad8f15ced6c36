"""Whatever neighbours do and links lose: ends agree, and a minute after the last frame nothing is left."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.relay.limits import IDLE
from tests.overlay.relay.fabric import Fabric, node

NAMES = ("ann", "bob", "hub", "sam")

deeds = st.one_of(
    st.tuples(st.just("want"), st.permutations(NAMES)),
    st.tuples(st.just("unwant"), st.permutations(NAMES)),
    st.tuples(st.just("unlink"), st.permutations(NAMES)),
    st.tuples(st.just("link"), st.permutations(NAMES)),
    st.tuples(st.just("off"), st.permutations(NAMES)),
    st.tuples(st.just("on"), st.permutations(NAMES)),
)
stories = st.lists(st.tuples(deeds, st.sampled_from([0.0, 0.01, 0.03, 0.1, 0.3, 2.0])), max_size=30)

seeds = st.integers(0, 1000)
repeats = st.sampled_from([0.0, 0.3])


def meshed(seed: int, *, jitter: float, loss: float, twice: float) -> Fabric:
    """Four sites, all neighbours of each other."""
    fabric = Fabric(*NAMES, seed=seed, jitter=jitter, loss=loss, twice=twice)
    for a in NAMES:
        for b in NAMES:
            if a < b:
                fabric.link(a, b)
    return fabric


def play(fabric: Fabric, deed: str, who: list[str]) -> None:
    """One deed of a story."""
    a, b, relay, _ = who
    match deed:
        case "want":
            fabric.want(a, b, relay)
        case "unwant":
            fabric.unwant(a, b, relay)
        case "unlink":
            fabric.unlink(a, b)
        case "link":
            fabric.link(a, b)
        case _:
            fabric.policy(a, deed == "on")


@settings(max_examples=60, deadline=None)
@given(
    story=stories, seed=st.integers(0, 1000), loss=st.sampled_from([0.0, 0.2, 0.6]), twice=st.sampled_from([0.0, 0.3])
)
def test_nothing_is_left_a_minute_after(
    story: list[tuple[tuple[str, list[str]], float]], seed: int, loss: float, twice: float
) -> None:
    fabric = meshed(seed, jitter=0.04, loss=loss, twice=twice)
    for (deed, who), pause in story:
        play(fabric, deed, who)
        fabric.run(pause)
    fabric.run(2 * IDLE + 20)
    for site in fabric.sites.values():
        relay = site.relay
        assert (site.forwards, site.labels, site.best) == ({}, {}, {})
        assert (relay.carrying(), relay.next_timeout()) == (0, None)
        assert not [shelf for shelf in vars(relay._book).values() if shelf]


@settings(max_examples=60, deadline=None)
@given(story=stories, seed=seeds, twice=repeats)
def test_on_orderly_links_every_circuit_that_stands_carries_both_ways(
    story: list[tuple[tuple[str, list[str]], float]], seed: int, twice: float
) -> None:
    fabric = meshed(seed, jitter=0.0, loss=0.0, twice=twice)
    for (deed, who), pause in story:
        if deed != "unlink":
            play(fabric, deed, who)
            fabric.run(pause)
    fabric.run(10.0)
    for name, site in fabric.sites.items():
        for peer, relay in site.best:
            there, over = (next(n for n in NAMES if node(n) == of) for of in (peer, relay))
            arrived = fabric.crosses(name, there, over)
            assert arrived is not None
            assert (arrived.at, arrived.came_from) == (there, over)
