"""A new handshake of a peer: what the ways that were known are still worth."""

from __future__ import annotations

import pytest

from overlay.paths import facts as told
from overlay.paths import punching
from overlay.values import Direct, Label, Relayed
from punch import facts as tell
from punch.values import SocketId
from tests.kit.room import BOB, VPS, VPS_END, Room
from tests.kit.scripted import ScriptedEngine


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(punching, "Engine", ScriptedEngine)
    room = Room()
    room.meet()
    return room


def shake_hands(room: Room, *, anew: bool) -> None:
    room.tell(told.SessionUp(BOB, Relayed(VPS, BOB), Label(8), False, None, anew))


def carrying(room: Room) -> tuple[object, ...]:
    peer = room.paths.peer(BOB)
    assert peer is not None
    return peer.current


def in_use(room: Room) -> Direct:
    """bob's hole, proven and used."""
    hole = room.hole(works=True)
    room.tell(told.Heard(BOB, hole, 100, True))
    assert carrying(room) == (hole,)
    room.works = ()
    return hole


def test_after_a_handshake_over_the_relay_the_hole_carries_beside_it_until_it_answers(room: Room) -> None:
    hole = in_use(room)
    shake_hands(room, anew=False)
    assert carrying(room) == (hole, VPS)
    assert room.paths.control_where(BOB) == VPS
    assert room.challenges(hole) != []
    assert len(room.engine.told(tell.PeerDown)) == 0


def test_a_hole_that_answers_is_believed_again(room: Room) -> None:
    hole = in_use(room)
    room.works = (hole,)
    shake_hands(room, anew=False)
    assert carrying(room) == (hole,)


def test_one_that_does_not_is_let_go_within_seconds(room: Room) -> None:
    in_use(room)
    room.works = (VPS,)
    shake_hands(room, anew=False)
    room.run(5.0)
    assert carrying(room) == (VPS,)


def test_of_a_peer_that_started_anew_nothing_carries_before_it_answers(room: Room) -> None:
    hole = in_use(room)
    shake_hands(room, anew=True)
    assert carrying(room) == ()
    assert room.challenges(hole) != []
    assert [each.peer for each in room.engine.told(tell.PeerDown)] == [BOB]
    room.works = (VPS,)
    room.run(3.0)
    assert carrying(room) == (VPS,)
    room.tell(told.ProbeKeys(BOB, 4, b"c" * 32, b"d" * 32))
    assert [each.epoch for each in room.engine.told(tell.PeerUp) if each.peer == BOB] == [3, 4]


def test_the_way_of_the_handshake_itself_goes_on_carrying(room: Room) -> None:
    link = Direct(SocketId(1), VPS_END)
    room.works = ()
    room.tell(told.SessionUp(VPS, link, Label(8), False, None, True))
    neighbour = room.paths.neighbour(VPS)
    assert neighbour is not None
    assert not neighbour.doubtful
