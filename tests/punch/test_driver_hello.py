"""Hellos settle on one hole, whichever side saw which way open, and nobody without the key settles anything."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from punch.driver.hello import Hellos, direction_key, shared_key
from punch.values import Endpoint, SocketId, udp

ANNA, BEN = udp("198.51.100.21", 4000), udp("203.0.113.9", 5000)
BEN_LATER = udp("203.0.113.9", 5002)
MAIN, OTHER = SocketId(1), SocketId(2)

Pair = tuple[Hellos, Hellos]


def pair(secret: str = "", other_secret: str = "") -> Pair:
    entropy = random.Random(7)
    nonce: Callable[[], bytes] = lambda: entropy.randbytes(8)  # noqa: E731
    one, two = shared_key(secret, b"a" * 16, b"b" * 16), shared_key(other_secret or secret, b"b" * 16, b"a" * 16)
    anna = Hellos(direction_key(one, b"a", b"b"), direction_key(one, b"b", b"a"), first=True, nonce=nonce)
    ben = Hellos(direction_key(two, b"b", b"a"), direction_key(two, b"a", b"b"), first=False, nonce=nonce)
    return anna, ben


def talk(anna: Hellos, ben: Hellos, ways: dict[tuple[SocketId, Endpoint], tuple[SocketId, Endpoint]]) -> None:
    """Rounds of hellos; `ways`: anna's (socket, ben's endpoint) -> ben's (socket, anna's endpoint)."""
    back = {ben_way: anna_way for anna_way, ben_way in ways.items()}
    for _ in range(3):
        wire = [(ben, ways, command) for command in anna.due()] + [(anna, back, command) for command in ben.due()]
        while wire:
            to, through, command = wire.pop(0)
            arrived = through.get((command.via, command.to))
            if arrived is None:
                continue
            answers = to.receive(command.payload, arrived[1], arrived[0]) or []
            wire += [(anna if to is ben else ben, back if to is ben else ways, each) for each in answers]


def test_both_sides_settle_on_the_one_way() -> None:
    anna, ben = pair()
    anna.found(MAIN, BEN)
    ben.found(MAIN, ANNA)
    talk(anna, ben, {(MAIN, BEN): (MAIN, ANNA)})
    assert anna.way == (MAIN, BEN)
    assert ben.way == (MAIN, ANNA)
    assert anna.due() == ben.due() == []


def test_a_way_that_only_the_second_saw_is_enough() -> None:
    anna, ben = pair()
    ben.found(OTHER, ANNA)
    talk(anna, ben, {(MAIN, BEN_LATER): (OTHER, ANNA)})
    assert anna.way == (MAIN, BEN_LATER)
    assert ben.way == (OTHER, ANNA)


def test_of_two_ways_both_take_the_same() -> None:
    anna, ben = pair()
    anna.found(MAIN, BEN)
    ben.found(OTHER, ANNA)
    ways = {(MAIN, BEN): (MAIN, ANNA), (MAIN, BEN_LATER): (OTHER, ANNA)}
    talk(anna, ben, ways)
    assert anna.way is not None
    assert ben.way == ways[anna.way]


def test_another_secret_settles_nothing() -> None:
    anna, ben = pair("ours", "theirs")
    anna.found(MAIN, BEN)
    ben.found(MAIN, ANNA)
    talk(anna, ben, {(MAIN, BEN): (MAIN, ANNA)})
    assert anna.way is ben.way is None


def test_a_hello_replayed_from_elsewhere_does_not_become_the_hole() -> None:
    anna, ben = pair()
    anna.found(MAIN, BEN)
    (hello,) = anna.due()
    (heard,) = ben.receive(hello.payload, ANNA, MAIN) or []
    thief = udp("192.0.2.66", 1)
    assert anna.receive(heard.payload, thief, MAIN) == []
    assert anna.way is None
    (settled,) = anna.receive(heard.payload, BEN, MAIN) or []
    assert settled.to == BEN
    assert ben.receive(settled.payload, thief, MAIN) == []
    assert ben.way is None


def test_ways_are_bounded() -> None:
    anna, ben = pair()
    for number in range(100):
        ben.found(MAIN, udp("192.0.2.1", 1000 + number))
    assert len(ben.due()) == 4
    assert anna.receive(b"K", BEN, MAIN) is None


@given(st.binary(max_size=64))
def test_no_bytes_of_a_stranger_do_anything(payload: bytes) -> None:
    anna, _ = pair()
    anna.found(MAIN, BEN)
    assert not anna.receive(payload, BEN, MAIN)
    assert anna.way is None
