"""What a member, or a stranger on the link, can make this room keep and do."""

import pytest

from overlay.paths import commands as do
from overlay.paths import facts as told
from overlay.paths.board import Board, Timer
from overlay.paths.estimate import Loss, Totals
from overlay.paths.nearby import Nearby
from overlay.paths.peer import MOST_PROVEN
from overlay.values import Direct, Label, NodeId
from overlay.wire.messages import Answer, Challenge
from punch.values import SocketId, udp
from tests.overlay.paths.test_paths import paths

EVE = NodeId(b"e" * 32)
SOCKET = SocketId(1)


class Mover:
    """A member that answers every Challenge, wherever it says it is."""

    def __init__(self) -> None:
        self.now = 1.0
        self.room = paths()
        self.room.tell(told.AddressesChanged((("203.0.113.5", 24, "eth0"),)), now=0.0)
        home = Direct(SOCKET, udp("198.51.100.9", 1000))
        self.room.tell(told.SessionUp(EVE, home, Label(5), False, None), now=self.now)
        self.challenges = 0
        self.answer()

    def answer(self) -> None:
        """Answer until there is nothing more to answer."""
        for _ in range(100):
            asked = [each for each in self.room.commands() if isinstance(each, do.SendOn)]
            asked = [each for each in asked if isinstance(each.message, Challenge)]
            list(self.room.events())
            if not asked:
                return
            for each in asked:
                assert isinstance(each.message, Challenge)
                self.challenges += 1
                heard = told.MessageHeard(EVE, each.where, each.pad, Answer(each.message.token))
                self.room.tell(told.Heard(EVE, each.where, each.pad, True), now=self.now)
                self.room.tell(heard, now=self.now)

    def move(self, port: int) -> Direct:
        """Speak from another port, and answer there."""
        self.now += 0.01
        where = Direct(SOCKET, udp("198.51.100.9", port))
        self.room.tell(told.Heard(EVE, where, 1200, True), now=self.now)
        self.answer()
        return where


def test_a_peer_has_few_proven_sources_however_many_it_proves() -> None:
    mover = Mover()
    for port in range(2000, 2100):
        before = mover.challenges
        where = mover.move(port)
        peer = mover.room.peer(EVE)
        assert peer is not None
        assert peer.ways[where].proven
        assert sum(way.proven for way in peer.ways.values()) <= MOST_PROVEN
        assert mover.challenges - before <= 6 * MOST_PROVEN
        assert peer.current
        assert peer.current[0] in peer.ways


def test_nothing_is_kept_of_a_member_that_left_and_was_heard_once_more() -> None:
    room = paths()
    link = Direct(SOCKET, udp("198.51.100.9", 1000))
    room.tell(told.MemberKnown(EVE, ((link.endpoint, "local"),)), now=0.5)
    room.tell(told.SessionUp(EVE, link, Label(5), False, None), now=1.0)
    room.tell(told.MemberForgotten(EVE), now=2.0)
    room.tell(told.Heard(EVE, link, 60, True), now=2.01)
    assert room.peer(EVE) is not None
    room.tell(told.SessionDown(EVE), now=3.0)
    assert room.peer(EVE) is None


def test_a_flood_of_beacons_is_looked_at_no_oftener_than_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    board, looks = Mover().room._board, 0
    nearby = Nearby(board, now=0.0)
    known = Nearby._is_known

    def counted(self: Nearby, source: object) -> bool:
        nonlocal looks
        looks += 1
        return known(self, source)  # type: ignore[arg-type]

    monkeypatch.setattr(Nearby, "_is_known", counted)
    for number in range(2000):
        nearby.heard(told.BeaconHeard(udp(f"203.0.113.{number % 200 + 20}", 1000 + number)), now=number / 1000)
    assert 0 < looks < 100


def test_beacons_of_members_that_are_known_take_no_dial_from_a_newcomer() -> None:
    board = Board(own=NodeId(bytes(32)), entropy=Mover().room._board.entropy)
    board.around = Mover().room._board.around
    board.sockets[SOCKET] = udp("0.0.0.0", 27182)
    for number in range(20, 60):
        peer = board.peer(NodeId(number.to_bytes(32, "big")))
        peer.known = peer.session = True
        peer.endpoints = ((udp(f"203.0.113.{number}", 27182), "local"),)
    nearby = Nearby(board, now=0.0)
    for number in range(20, 60):
        nearby.heard(told.BeaconHeard(udp(f"203.0.113.{number}", 27182)), now=0.1)
    newcomer = udp("203.0.113.99", 27182)
    nearby.heard(told.BeaconHeard(newcomer), now=0.2)
    (due,) = [about for timer, about in board.timers.expired(2.0) if timer is Timer.NEARBY]
    assert due == newcomer
    nearby.due(newcomer, now=2.0)
    assert do.Dial(Direct(SOCKET, newcomer), None, chance=True) in board.out


def test_a_flood_of_reports_is_kept_in_small_number() -> None:
    loss = Loss()
    for number in range(1, 150_001):
        assert loss.report(Totals(number, 0, 9 * number, number), now=number / 5000) == Totals(1, 0, 9, 1)
    assert len(loss._reports) <= 305
    assert loss.share(now=30.0) == 0.1
