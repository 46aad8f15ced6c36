"""Without the NATs in between: on one LAN, over IPv6, round the own NAT."""

from __future__ import annotations

import pytest

from punch.facts import CandidatesChanged, NetworkChanged, SocketOpened
from punch.values import Candidate, SocketId, udp
from tests.punch.engines import PORT, Village
from tests.punch.test_engine import HARD, meet, village


@pytest.mark.parametrize("kind", ["nat3", "nat4-uniform"])
def test_on_one_lan(kind: str) -> None:
    made = Village(1)
    made.add("ann", kind, config=HARD)
    made.add("bob", kind, config=HARD, beside="ann")
    made.world.run_for(3.0)
    assert meet(made) < 0.3
    assert str(made.homes["ann"].holes[0].endpoint) == f"{made.world.addresses('bob')[0]}:{PORT}"


@pytest.mark.parametrize("kind", ["nat3", "nat4-uniform"])
def test_over_ipv6_first(kind: str) -> None:
    made = village("nat3", kind)
    for number, name in enumerate(("ann", "bob"), start=1):
        six, home = f"2001:db8:{number}::1", made.homes[name]
        made.world.attach(name, six)
        home.sockets[SocketId(900)] = PORT
        made.tell(name, NetworkChanged("home", (*made.world.addresses(name)[:1], six)))
        made.tell(name, SocketOpened(SocketId(900), udp("::", PORT), role="main"))
        made.tell(name, CandidatesChanged((Candidate(udp(six, PORT), "public"),)))
    assert meet(made) < 0.3
    assert all(each.endpoint.is_ipv6 for home in made.homes.values() for each in home.holes[:1])


def test_own_addresses_that_come_are_no_other_network() -> None:
    made = village("nat3", "nat3")
    made.introduce("ann", "bob")
    made.world.run_for(1.0)
    made.want("ann", "bob")
    made.tell("ann", NetworkChanged("home", (*made.world.addresses("ann"), "172.17.0.1")))
    made.world.run_until(lambda: made.met("ann", "bob"), within=1.0)
    made.world.run_for(0.5)
    assert [each.reason for each in made.homes["ann"].ended] == ["idle", "direct"]
