"""Many members that meet at once: what each pair costs, by counts."""

from __future__ import annotations

import collections

import pytest

from overlay.node.outbound import Outbound
from overlay.values import NodeId
from overlay.wire.messages import Message
from tests.kit.village import Village

MEMBERS = 16
PAIRS = MEMBERS * (MEMBERS - 1) // 2
HANDSHAKE, COOKIE, CONTROL = 4, 5, 7


@pytest.fixture(scope="module")
def said() -> collections.Counter[str]:
    """Sixteen members, each told of one other, until all are connected and quiet: how often what was said."""
    counts: collections.Counter[str] = collections.Counter()
    send = Outbound.send

    def counted(self: Outbound, peer: NodeId, where: object, message: Message, **how: object) -> None:
        counts[type(message).__name__] += 1
        send(self, peer, where, message, **how)  # type: ignore[arg-type]

    village = Village(3)
    with pytest.MonkeyPatch.context() as patch, village.world:
        patch.setattr(Outbound, "send", counted)
        seen = village.recorded()
        for number in range(MEMBERS):
            village.join(f"m{number}", *([f"m{number - 1}"] if number else []))
        took = village.world.run_until(village.all_connected, within=3.0)
        counts["milliseconds"] = round(took * 1000)
        village.world.run_for(5.0)
        counts["handshakes"] = sum(datagram.payload[0] == HANDSHAKE for datagram in seen)
        counts["cookies"] = sum(datagram.payload[0] == COOKIE for datagram in seen)
        counts["controls"] = sum(datagram.payload[0] == CONTROL for datagram in seen)
        village.world.run_for(60.0)
        seen.clear()
        village.world.run_for(60.0)
        counts["idle"] = sum(28 + len(datagram.payload) for datagram in seen)
    return counts


def test_all_reach_all_at_once(said: collections.Counter[str]) -> None:
    assert said["milliseconds"] < 1500


def test_a_pair_shakes_hands_about_once(said: collections.Counter[str]) -> None:
    assert said["handshakes"] <= 6.5 * PAIRS
    assert not said["cookies"]


def test_nobody_is_asked_to_carry_where_all_reach_all(said: collections.Counter[str]) -> None:
    assert not said["Carried"]
    assert not said["OpenCircuit"]


def test_a_way_is_proven_and_measured_with_few_questions(said: collections.Counter[str]) -> None:
    assert said["Challenge"] <= 4.5 * PAIRS, "one of the base size, one of the largest, each way"
    assert said["Answer"] == said["Challenge"]


def test_nobody_asks_what_a_neighbour_is_behind(said: collections.Counter[str]) -> None:
    assert said["Signal"] <= 2 * MEMBERS


def test_what_an_author_tells_everybody_is_told_on_seldom(said: collections.Counter[str]) -> None:
    assert said["Have"] <= 12 * PAIRS
    assert said["Want"] <= 4.5 * PAIRS
    assert said["Records"] <= said["Want"]


def test_who_is_idle_sends_keepalives_and_new_keys_only(said: collections.Counter[str]) -> None:
    assert said["idle"] / MEMBERS / 60 < 95, "bytes a second a node: 15 neighbours, a Ping in 25 s and a rekey in 120"
