"""Where others heard us from, and what that says of a NAT in front of us."""

from __future__ import annotations

import random

import pytest
from msgspec import structs

from overlay.paths.board import Board
from overlay.paths.sightings import Sightings
from overlay.values import NodeId
from punch.values import SocketId, udp
from tests.kit.room import BOB, OWN, VPS

V4, V6, HOME = "203.0.113.7", "2001:db8::7", "192.168.1.2"


def sightings(*hosts: str) -> Sightings:
    board = Board(own=OWN, entropy=random.Random(1))
    board.sockets[SocketId(1)] = udp("0.0.0.0", 27182)
    board.around = structs.replace(board.around, addresses=tuple((host, 24, "eth0") for host in hosts))
    return Sightings(board)


@pytest.mark.parametrize(
    ("hosts", "said", "is_open"),
    [
        ((V4,), [(VPS, f"{V4}:27182")], True),
        ((V4, HOME), [(VPS, f"{V4}:27182")], True),
        ((V4,), [(VPS, f"{V4}:40000")], False),
        ((HOME,), [(VPS, f"{HOME}:27182")], False),
        ((HOME,), [(VPS, f"{V4}:27182")], False),
        ((V4, HOME), [(VPS, f"{V4}:27182"), (BOB, "198.51.100.1:27182")], False),
        ((V6,), [(VPS, f"[{V6}]:27182")], True),
        ((V6, HOME), [(VPS, f"[{V6}]:27182")], False),
        ((V4,), [], False),
        ((V4,), [(VPS, None), (VPS, "nonsense"), (VPS, "127.0.0.1:27182")], False),
    ],
)
def test_open_is_who_is_heard_at_its_own_public_address_and_port(
    hosts: tuple[str, ...], said: list[tuple[NodeId, str | None]], is_open: bool
) -> None:
    seen = sightings(*hosts)
    for peer, text in said:
        seen.see(peer, text)
    assert seen.is_open() is is_open


def test_only_what_changes_something_is_news() -> None:
    seen = sightings(V4)
    assert [seen.see(VPS, f"{V4}:27182"), seen.see(BOB, f"{V4}:27182")] == [True, False]
    assert seen.see(BOB, f"{V4}:40000") is False
