"""Records we lack: every one is asked for once at a time, and no neighbour keeps others from being asked."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.gossip.asking import MOST_WANTED, WINDOW, Asking
from overlay.gossip.commands import SendGossip
from overlay.gossip.facts import HaveReceived, SelfChanged
from overlay.gossip.gossip import Gossip
from overlay.gossip.record import RecordEndpoint
from overlay.values import NodeId
from overlay.wire.messages import Want
from tests.overlay.gossip.mesh import Mesh, gossip, identity


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


X, Y, Z = (node(10_000 + n) for n in range(3))


class Room:
    """An `Asking`, and what it asked."""

    def __init__(self) -> None:
        self.out: list[SendGossip] = []
        self.asking = Asking(self.out)

    def asked(self) -> dict[NodeId, list[bytes]]:
        """Neighbour -> ids asked of it since the last look."""
        asked: dict[NodeId, list[bytes]] = {}
        for command in self.out:
            assert isinstance(command.message, Want)
            asked.setdefault(command.peer, []).extend(command.message.ids)
        self.out.clear()
        return asked

    def check(self) -> None:
        """What neighbours owe is what they were asked; what waits does so in one place."""
        wanted = self.asking._wanted
        owed = Counter(each.asked for each in wanted.values() if each.asked is not None)
        assert dict(owed) == self.asking._owing
        waiting = {peer: list(ids) for peer, ids in self.asking._waiting.items()}
        assert Counter(each for ids in waiting.values() for each in ids) == Counter(
            key for key, each in wanted.items() if each.waits is not None
        )
        assert all(wanted[each].waits == peer for peer, ids in waiting.items() for each in ids)
        brought = [each for ids in self.asking._brought.values() for each in ids]
        assert sorted(brought) == sorted(wanted)
        assert all(each.asked is None or each.waits is None for each in wanted.values())
        assert all(count <= WINDOW for count in owed.values())
        assert len(wanted) <= MOST_WANTED


STEPS = st.lists(
    st.tuples(st.sampled_from(["rumour"] * 5 + ["came", "came", "down", "gone", "wait"]), st.integers(0, 2**16)),
    max_size=70,
)


@pytest.mark.parametrize("window", [1, 2, 128])
@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_what_a_neighbour_owes_is_what_it_was_asked(window: int, steps: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("overlay.gossip.asking.WINDOW", window)
        patch.setattr("overlay.gossip.asking.MOST_WANTED", 5)
        room, now = Room(), 0.0
        for what, dice in steps:
            rng = random.Random(dice)
            peer, key, sequence = rng.choice((X, Y, Z)), node(rng.randrange(7)), rng.randrange(4)
            match what:
                case "rumour":
                    room.asking.rumour(peer, key, sequence, stranger=bool(dice & 1), now=now)
                    room.asking.ask(peer, now=now)
                case "came":
                    room.asking.came(key, sequence, now=now)
                case "down":
                    room.asking.down(peer, now=now)
                case "gone":
                    room.asking.gone(key, now=now)
                case "wait":
                    now += rng.random()
                    room.asking.handle_timeout(now=now)
            room.check()
        for _ in range(200):
            now = max(now, room.asking.next_timeout() or now)
            room.asking.handle_timeout(now=now)
            room.check()
        assert not room.asking


def test_a_window_is_whole_again_after_another_source_went() -> None:
    room = Room()
    ids = [node(number) for number in range(600)]
    for peer in (Y, Z, X):
        for each in ids:
            room.asking.rumour(peer, each, 1, now=0.0)
        room.asking.ask(peer, now=0.0)
    room.asking.down(X, now=0.1)
    room.asking.handle_timeout(now=0.1)
    now = 0.1
    while (came := room.asked()) and now < 10.0:
        now += 0.05
        for peer, keys in came.items():
            for key in keys:
                room.asking.came(NodeId(key), 1, now=now)
            room.asking.ask(peer, now=now)
        room.asking.handle_timeout(now=now)
    assert not room.asking
    for peer in (Y, Z):
        assert room.asking._owing.get(peer, 0) == 0
        room.asking.rumour(peer, node(7000), 1, now=now)
        room.asking.ask(peer, now=now)
        assert room.asked() == {peer: [node(7000)]}
        room.asking.gone(node(7000), now=now)


def test_a_full_table_takes_from_whoever_filled_it() -> None:
    room = Room()
    for number in range(MOST_WANTED):
        room.asking.rumour(X, node(number), 1, now=0.0)
    room.asking.rumour(Y, node(9000), 1, now=0.0)
    room.asking.ask(Y, now=0.0)
    assert room.asked() == {Y: [node(9000)]}
    assert len(room.asking) == MOST_WANTED
    assert node(0) not in room.asking


def moved(mesh: Mesh, room: Gossip) -> None:
    mesh.tell(room, SelfChanged((RecordEndpoint("198.51.100.7:5", "public"),), (), True, "nat3"))


def three() -> tuple[Mesh, Gossip, Gossip, Gossip]:
    """A mesh of a member, one that hears it, and a liar that speaks with the latter."""
    mesh = Mesh()
    member, target, liar = (
        mesh.alone(gossip(identity(n), name)) for n, name in enumerate(("member", "target", "liar"), 1)
    )
    mesh.connect(member, target)
    mesh.connect(liar, target)
    mesh.run(30.0)
    return mesh, member, target, liar


def test_invented_ids_keep_no_news_out() -> None:
    mesh, member, target, liar = three()
    for chunk in range(12):
        lies: list[tuple[bytes, int]] = [(node(2**200 + 1000 * chunk + n), 1) for n in range(360)]
        mesh.tell(target, HaveReceived(liar.own.id, lies))
    assert len(target._spread._asking) <= 1100
    assert target.drops["introduced_too_many"] >= 12 * 360 - 1100
    moved(mesh, member)
    mesh.run(1.0)
    assert target.member(member.own.id) == member.own


def test_a_rumour_of_ever_more_delays_news_a_moment() -> None:
    mesh, member, target, liar = three()
    lie = 1 << 40
    for step in range(100):
        lie += 1
        mesh.tell(target, HaveReceived(liar.own.id, [(member.own.id, lie)]))
        if step == 20:
            moved(mesh, member)
        mesh.run(0.2)
        if step == 26:
            assert target.member(member.own.id) == member.own
    asked = [to for _, who, to, m in mesh.sent if who == target.own.id and isinstance(m, Want)]
    assert asked.count(liar.own.id) <= 20
    assert asked.count(member.own.id) <= 4
