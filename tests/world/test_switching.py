"""A way that dies under traffic is left within a fraction of a second, and nothing is doubted without need."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from overlay.node.events import PathChanged, PeerGone
from overlay.wire.frame import PARITY
from punch.sim import Link
from tests.kit.flow import Flow
from tests.kit.village import Village


def two_relays(*, delay: float = 0.005, loss: float = 0.0) -> Village:
    """ann and bob, who reach each other only over r1 or r2."""
    village = Village(5, link=Link(delay=delay, loss=loss))
    village.join("r1")
    village.join("r2", "r1")
    for name in ("ann", "bob"):
        village.join(name, "r1", "r2")
    village.part("ann", "bob")
    village.world.run_until(lambda: village.path("ann", "bob").startswith("relay"), within=8.0)
    village.world.run_for(3.0)
    return village


def pair_and_relay(*, delay: float = 0.005, loss: float = 0.0) -> Village:
    """ann and bob direct, r1 beside them."""
    village = Village(6, link=Link(delay=delay, loss=loss))
    village.join("r1")
    for name in ("ann", "bob"):
        village.join(name, "r1")
    village.world.run_until(lambda: village.path("ann", "bob") == "direct" == village.path("bob", "ann"), within=20.0)
    village.world.run_for(3.0)
    return village


def carrier(village: Village) -> str:
    """The relay that carries from ann to bob."""
    return village.path("ann", "bob").removeprefix("relay via ")


@pytest.mark.parametrize("closed", [True, False], ids=["like TCP", "open loop"])
def test_a_relay_that_is_killed_is_left_for_the_other(closed: bool) -> None:
    village = two_relays()
    with village.world:
        flow = Flow(village, "ann", "bob", closed=closed)
        flow.run(5.0)
        gap = flow.silence(6.0, after=lambda: village.crash(carrier(village)))
        assert gap <= 1.0
        assert village.peer("ann", "bob") is not None
        assert flow.village.path("ann", "bob").startswith("relay")


@pytest.mark.parametrize("closed", [True, False], ids=["like TCP", "open loop"])
def test_a_relay_that_is_killed_where_a_direct_way_stands_is_not_felt(closed: bool) -> None:
    village = pair_and_relay()
    with village.world:
        flow = Flow(village, "ann", "bob", closed=closed)
        flow.run(5.0)
        assert flow.silence(5.0, after=lambda: village.crash("r1")) <= 0.1


@pytest.mark.parametrize("closed", [True, False], ids=["like TCP", "open loop"])
def test_a_direct_way_that_dies_is_left_for_the_relay(closed: bool) -> None:
    village = pair_and_relay()
    with village.world:
        flow = Flow(village, "ann", "bob", closed=closed)
        flow.run(5.0)
        assert flow.silence(5.0, after=lambda: village.part("ann", "bob")) <= 0.5
        assert village.path("ann", "bob") == village.path("bob", "ann") == "relay via r1"


def test_one_direction_alone_is_noticed_by_both() -> None:
    village = pair_and_relay()
    with village.world:
        flow = Flow(village, "ann", "bob")
        flow.run(5.0)
        gap = flow.silence(6.0, after=lambda: village.world.block("ann", "bob"))
        assert gap <= 1.0
        assert village.path("ann", "bob") == "relay via r1"


def test_a_stream_one_way_is_left_too_though_nothing_answers_it() -> None:
    village = pair_and_relay()
    with village.world:
        flow = Flow(village, "ann", "bob", answered=False)
        flow.run(5.0)
        assert flow.silence(6.0, after=lambda: village.part("ann", "bob")) <= 1.5


QUIET: dict[str, Callable[[Village], Flow]] = {
    "bulk": lambda village: Flow(village, "ann", "bob", every=0.01, closed=True),
    "one way": lambda village: Flow(village, "ann", "bob", answered=False),
    "a packet a second": lambda village: Flow(village, "ann", "bob", every=1.0),
    "a packet a second, one way": lambda village: Flow(village, "ann", "bob", every=1.0, answered=False),
    "a keepalive": lambda village: Flow(village, "ann", "bob", every=20.0),
}


@pytest.mark.parametrize("kind", list(QUIET))
@pytest.mark.parametrize(
    ("delay", "loss"), [(0.005, 0.0), (0.3, 0.0), (0.02, 0.05)], ids=["near", "satellite", "lossy"]
)
def test_no_false_alarm(kind: str, delay: float, loss: float) -> None:
    village = pair_and_relay(delay=delay, loss=loss)
    with village.world:
        flow = QUIET[kind](village)
        flow.run(5.0)
        changes = len(village.events("ann", PathChanged))
        recorded = village.recorded()
        before = flow.sent
        flow.run(25.0)
        assert len(village.events("ann", PathChanged)) - changes <= (2 if loss else 0)
        assert not village.events("ann", PeerGone)
        data = [each for each in recorded if each.payload[0] == 6 and each.payload[1] < PARITY]
        ways = (2 if flow.answers else 1) * (flow.sent - before)
        assert len(data) <= ways * (1.6 if loss else 1.02) + 4
        assert flow.came >= flow.sent * (1 - 4 * loss) - 2.2 * delay / flow.every - 2


def test_a_member_killed_under_traffic_is_noticed() -> None:
    village = pair_and_relay()
    with village.world:
        flow = Flow(village, "ann", "bob", closed=True)
        flow.run(4.0)
        killed = village.world.now
        village.crash("bob")
        flow.unheard(until=lambda: bool(village.events("ann", PeerGone)), within=3.0)
        assert village.world.now - killed <= 1.3


def test_idle_nodes_say_no_more_than_before() -> None:
    village = Village(7)
    with village.world:
        village.join("r1")
        village.join("ann", "r1")
        village.world.run_for(30.0)
        recorded = village.recorded()
        village.world.run_for(120.0)
        assert len(recorded) <= 24
