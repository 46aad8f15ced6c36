"""A mesh of more than 32 members: each keeps few sessions, all know all, and whoever is wanted is reached."""

from __future__ import annotations

import pytest

from overlay.node.events import PongHeard
from overlay.node.facts import LeaveAsked, PingAsked
from overlay.routing.neighbours import DRAWN, NEAR, RELAYS
from tests.kit.village import Village

pytestmark = pytest.mark.slow

MEMBERS = 34


@pytest.fixture(scope="module")
def village() -> Village:
    """Every host public; each was told of the first."""
    village = Village(3)
    with village.world:
        village.join("n0")
        for number in range(1, MEMBERS):
            village.join(f"n{number}", "n0")
            village.world.run_for(0.2)
        village.world.run_for(130.0)
    return village


def sessions(village: Village, name: str) -> int:
    return len(village.nodes[name].node._rooms.paths.sessions())


def test_few_sessions_and_all_connected(village: Village) -> None:
    assert village.all_connected()
    counts = sorted(sessions(village, name) for name in village.nodes)
    assert counts[0] >= RELAYS
    assert counts[len(counts) // 2] <= 2 * (RELAYS + NEAR + DRAWN)
    assert not any(village.problems(name) for name in village.nodes)
    assert not any(peer.state == "gone" for name in village.nodes for peer in village.look(name).peers)


def test_a_far_member_is_reached_when_it_is_wanted(village: Village) -> None:
    with village.world:
        names = list(village.nodes)
        far = next(name for name in names[1:] if village.path("n1", name) == "none")
        before = sessions(village, "n1")
        for _ in range(3):  # the first finds the way
            village.nodes["n1"].tell(PingAsked(village.nodes[far].node.id, 7), now=village.world.now)
            village.world.run_for(1.0)
        assert village.events("n1", PongHeard)
        assert village.path("n1", far) == "direct"
        assert sessions(village, "n1") == before + 1
        village.world.run_for(760.0)
        assert village.path("n1", far) == "none"
        assert village.all_connected()


def test_a_leave_is_known_to_all_at_once_and_silence_in_the_end(village: Village) -> None:
    with village.world:
        village.nodes["n5"].tell(LeaveAsked(), now=village.world.now)
        leaver = village.nodes["n5"].node.id.hex()

        def gone(id_: str, away: str) -> bool:
            return all(
                any(peer.id == id_ and peer.state == "gone" for peer in village.look(name).peers)
                for name in village.nodes
                if name != away
            )

        assert village.world.run_until(lambda: gone(leaver, "n5"), within=1.0) <= 0.5
        village.crash("n5")
        dead = village.nodes["n7"].node.id.hex()
        village.crash("n7")
        village.world.run_until(lambda: gone(dead, "n7"), within=300.0)
