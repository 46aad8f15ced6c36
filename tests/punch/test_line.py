"""Who waits for a place: easier ones first, one large search after them."""

from __future__ import annotations

import random

from punch.attempt import Attempt
from punch.bench import Lent
from punch.budget import Budget
from punch.facts import PeerUp
from punch.holes import Holes
from punch.line import MOST_ATTEMPTS, MOST_OWN, MOST_QUIET, Line
from punch.outlet import Outlet
from punch.peers import Peer
from punch.sampler import Sampler


def lent() -> Lent:
    outlet = Outlet(Budget(max_pps=100, max_entries=1000, now=0.0))
    return Lent(outlet, Holes(lambda: 1), Sampler(outlet, random.Random(1)), random.Random(1))


def attempt(lends: Lent, label: int, *, searches: bool = False, began_here: bool = True) -> Attempt:
    peer = Peer(PeerUp(b"p%d" % label, b"k" * 32, b"K" * 32, 1, first=True), now=0.0)
    peer.searches = searches
    made = Attempt(peer, lends, number=label, label=label, now=0.0)
    made.began_here = began_here
    return made


def test_light_ones_come_first_each_in_its_order() -> None:
    line = Line()
    for name, heavy in ((b"a", True), (b"b", False), (b"c", True), (b"d", False), (b"b", False)):
        line.join(name, heavy=heavy)
    assert [line.before(each) for each in (b"b", b"d", b"a", b"c", b"x")] == [0, 1, 2, 3, None]
    order = []
    while (found := line.next([], lent())) is not None:
        order.append(found)
        line.leave(found)
    assert order == [b"b", b"d", b"a", b"c"]
    assert not len(line)


def test_one_that_turns_out_heavy_goes_behind() -> None:
    line = Line()
    line.join(b"a", heavy=False)
    line.join(b"b", heavy=False)
    line.join(b"a", heavy=True)
    assert line.before(b"a") == 1
    assert len(line) == 2


def test_a_heavy_one_waits_for_the_search_and_for_light_attempts() -> None:
    line, lends = Line(), lent()
    line.join(b"a", heavy=True)
    assert line.next([], lends) == b"a"
    assert lends.take_search(7, b"p7")
    assert line.next([], lends) is None
    lends.leave_search(7)
    assert line.next([attempt(lends, 1, searches=True)], lends) is None
    running = attempt(lends, 2)
    running.phase = "running"
    assert line.next([running], lends) is None
    running.phase = "claimed"
    assert line.next([running], lends) == b"a"


def test_places_are_few() -> None:
    line, lends = Line(), lent()
    line.join(b"a", heavy=False)
    own = [attempt(lends, label) for label in range(1, MOST_OWN + 1)]
    assert line.next(own, lends) is None
    assert line.next(own[1:], lends) == b"a"
    theirs = [attempt(lends, label, began_here=False) for label in range(1, MOST_ATTEMPTS + 1)]
    assert line.next(theirs, lends) is None


def test_a_search_gives_way_to_whoever_is_lighter() -> None:
    line, lends = Line(), lent()
    running = attempt(lends, 2)
    running.phase = "running"
    line.watch([running], lends)
    assert not lends.take_search(7, b"p7")
    assert lends.take_search(2, b"p2"), "its own earlier, lighter strategies do not stand in its way"
    lends.leave_search(2)
    line.join(b"a", heavy=False)
    line.watch([], lends)
    assert not lends.take_search(2, b"p2")
    line.leave(b"a")
    line.watch([], lends)
    assert lends.take_search(7, b"p7")


def test_who_searched_last_lets_those_in_line_go_first() -> None:
    line, lends = Line(), lent()
    assert lends.take_search(7, b"p7")
    lends.leave_search(7)
    line.join(b"a", heavy=True)
    line.watch([], lends)
    assert not lends.take_search(8, b"p7")
    line.leave(b"a")
    line.watch([], lends)
    assert lends.take_search(8, b"p7")


def test_a_peer_that_only_asks_again_and_again_holds_up_nobody() -> None:
    lends = lent()
    peer = Peer(PeerUp(b"p1", b"k" * 32, b"K" * 32, 1, first=True), now=0.0)
    peer.heed(now=0.0)
    for at, light in ((1.0, False), (40.0, True)):
        asked = Attempt(peer, lends, number=1, label=1, now=at)
        asked.phase = "running"
        assert asked.is_light is light
    peer.wait_longer(random.Random(1), now=40.0)
    asked = Attempt(peer, lends, number=1, label=1, now=80.0)
    asked.phase = "running"
    assert not asked.is_light
    asked.began_here = True
    assert asked.is_light


def test_what_nothing_wants_comes_after_and_holds_few_places() -> None:
    line, lends = Line(), lent()
    line.join(b"q", heavy=False, quiet=True)
    line.join(b"a", heavy=False)
    line.join(b"h", heavy=True)
    assert [line.before(each) for each in (b"a", b"q", b"h")] == [0, 1, 2]
    assert line.is_quiet(b"q")
    line.leave(b"a")
    silent = [attempt(lends, label) for label in range(1, MOST_QUIET + 1)]
    for each in silent:
        each.is_quiet = True
    assert line.next(silent[1:], lends) == b"q"
    assert line.next(silent, lends) == b"h"
    line.join(b"q", heavy=False)
    assert line.next(silent, lends) == b"q", "something wants it now"
