"""Servers that lie: about our endpoint, about another address of theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from punch import stun
from punch.facts import NetworkChanged, ServersKnown
from punch.sim import Datagram
from punch.sim.zoo import KINDS
from punch.stun import Message
from punch.values import Endpoint, udp
from tests.punch.detect.village import FAR, PORT, S_HOST, T_HOST, Service, Village

THIRD = "203.0.113.20"
VICTIM = "192.0.2.66"
OURS = "198.51.100.8"
Lie = Callable[[Message, Datagram], Message]


def village(kind: str = "nat3", *, third: bool = False, configured: bool = False) -> Village:
    """Two servers, or three."""
    made = Village(KINDS[kind], seed=1)
    if third:
        made.members[b"third"] = Service(THIRD)
        made.world.add("third", made.members[b"third"], THIRD, link=FAR)
        members = (*made.servers.servers, udp(THIRD, PORT))
        made.servers = ServersKnown(members, peers=(*made.servers.peers, b"third"))
    if configured:
        made.servers = ServersKnown((), configured=made.servers.servers)
    return made


def lies(made: Village, *hosts: str, lie: Lie) -> None:
    """All answers of these hosts say what `lie` makes of them."""

    def tap(datagram: Datagram) -> Datagram:
        if datagram.source.host not in hosts or not stun.is_stun(datagram.payload):
            return datagram
        message = stun.parse(datagram.payload)
        return structs.replace(datagram, payload=stun.pack(lie(message, datagram)))

    made.world.tap(tap)


def seen_as(endpoint: Callable[[Datagram], Endpoint]) -> Lie:
    return lambda message, at: structs.replace(message, xor_mapped=endpoint(at), mapped=endpoint(at))


ONE_PLACE = seen_as(lambda at: udp(VICTIM, 4444))
PORT_KEPT = seen_as(lambda at: udp(VICTIM, at.to.port))
NEXT_PORT = seen_as(lambda at: udp(OURS, at.to.port - 1000))


def measured(made: Village) -> Village:
    made.start()
    made.world.run(until=6.0)
    return made


@pytest.mark.parametrize("liar", [S_HOST, T_HOST])
def test_a_server_that_sees_two_sockets_at_one_endpoint_is_not_believed(liar: str) -> None:
    made = village()
    lies(made, liar, lie=ONE_PLACE)
    profile = measured(made).asking.profile
    assert (profile.type, profile.mapping, profile.hosts) == ("NAT3", "eim", (OURS,))
    assert profile.reflexive == udp(OURS, PORT)
    assert made.asking.detector.drops["stun_untrue"] == 1


@pytest.mark.parametrize("lie", [ONE_PLACE, PORT_KEPT, NEXT_PORT])
@pytest.mark.parametrize("liar", [S_HOST, T_HOST, THIRD])
def test_two_others_outweigh_a_liar(liar: str, lie: Lie) -> None:
    made = village(third=True)
    lies(made, liar, lie=lie)
    profile = measured(made).asking.profile
    assert (profile.type, profile.mapping, profile.hosts) == ("NAT3", "eim", (OURS,))
    assert profile.reflexive == udp(OURS, PORT)
    assert "mapping" not in made.asking.detector.undecided
    assert made.asking.detector.drops["stun_untrue"] == 1


def test_a_member_with_two_addresses_has_one_voice() -> None:
    made = village(third=True)
    made.servers = structs.replace(made.servers, peers=(b"first", b"second", b"second"))
    lies(made, T_HOST, THIRD, lie=seen_as(lambda at: udp(VICTIM, 9000 + at.to.port % 1000)))
    profile = measured(made).asking.profile
    assert profile.reflexive != udp(VICTIM, 9000 + PORT % 1000)
    assert "mapping" in made.asking.detector.undecided


@pytest.mark.parametrize("lie", [PORT_KEPT, NEXT_PORT])
@pytest.mark.parametrize("liar", [S_HOST, T_HOST])
def test_one_word_against_another_is_undecided(liar: str, lie: Lie) -> None:
    made = village()
    lies(made, liar, lie=lie)
    profile = measured(made).asking.profile
    assert "mapping" in made.asking.detector.undecided
    assert profile.type == "NAT4"  # the strictest that is left
    if lie is PORT_KEPT:
        assert profile.reflexive is None


def test_three_that_differ_are_a_nat_that_tells_them_apart() -> None:
    for kind, mapping in (("adm", "adm"), ("nat4-uniform", "apdm"), ("nat4-sequential", "apdm")):
        made = measured(village(kind, third=True))
        assert made.asking.profile.mapping == mapping
        assert "mapping" not in made.asking.detector.undecided
        assert made.asking.detector.drops["stun_untrue"] == 0
    assert "mapping" in measured(village("adm")).asking.detector.undecided
    assert "mapping" not in measured(village("adm", configured=True)).asking.detector.undecided


def test_a_lone_liar_is_asked_again_later() -> None:
    made = Village(KINDS["nat3"], seed=1, seconds=False)
    lies(made, S_HOST, lie=lambda message, at: ONE_PLACE(message, at) if made.world.now < 3.0 else message)
    made.start()
    made.world.run(until=2.0)
    assert made.asking.profile.type == "unknown"
    made.world.run(until=20.0)
    assert (made.asking.profile.type, made.asking.profile.hosts) == ("NAT3", (OURS,))


# --- another address


def points_at(victim: Endpoint) -> Lie:
    return lambda message, at: structs.replace(message, other=victim)


def to_victim(made: Village) -> list[tuple[float, Endpoint]]:
    return [(at, each.to) for at, each in made.asking.sent if each.to.host == VICTIM]


def test_an_other_address_of_a_member_is_of_no_use_where_another_answers() -> None:
    made = village()
    lies(made, S_HOST, T_HOST, lie=points_at(udp(VICTIM, 53)))
    profile = measured(made).asking.profile
    assert to_victim(made) == []
    assert (profile.type, profile.mapping) == ("NAT3", "eim")


@pytest.mark.parametrize("configured", [False, True])
def test_a_stranger_gets_few_packets_however_often_we_measure(configured: bool) -> None:
    made = village(configured=configured)
    made.second.deaf = not configured
    lies(made, S_HOST, T_HOST, lie=points_at(udp(VICTIM, 5353)))
    measured(made)
    assert 1 <= len(to_victim(made)) <= 4
    for number in range(40):
        made.asking.tell(NetworkChanged(f"network {number}", (made.asking.host,)), now=made.world.now)
        made.world.run_for(10.0)
    times = [at for at, _ in to_victim(made)]
    assert len(times) <= 60
    assert {each.port for _, each in to_victim(made)} == {PORT}


def test_where_we_are_seen_gets_few_packets_too() -> None:
    """The test for hairpins writes to where a server sees us."""
    made = village("nat3")
    lies(made, S_HOST, T_HOST, lie=PORT_KEPT)
    made.start()
    made.world.run(until=30.0)
    for number in range(40):
        made.asking.tell(NetworkChanged(f"network {number}", (made.asking.host,)), now=made.world.now)
        made.world.run_for(10.0)
    assert len(to_victim(made)) <= 60
    assert all(sum(to == each for _, to in to_victim(made)) <= 4 for _, each in to_victim(made))
