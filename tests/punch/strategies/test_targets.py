"""Which of a peer's endpoints are worth a packet."""

from __future__ import annotations

from punch.strategies.targets import MOST_TARGETS, find
from punch.values import Candidate, NatProfile, udp

EIM = NatProfile(mapping="eim", hosts=("198.51.100.9",), reflexive=udp("198.51.100.9", 40000))
OWN = ("192.168.1.2",)
LAN = Candidate(udp("192.168.7.3", 27182), "local")


def endpoints(
    remote: NatProfile, *candidates: Candidate, own: tuple[str, ...] = OWN, ipv6: bool = False, one_site: bool = False
) -> list[str]:
    return [str(each.endpoint) for each in find(remote, candidates, addresses=own, one_site=one_site, ipv6=ipv6)]


def test_a_known_mapping_is_one_packet() -> None:
    assert endpoints(EIM, LAN, Candidate(udp("198.51.100.9", 40000), "stun")) == ["198.51.100.9:40000"]


def test_a_lan_only_where_it_can_be_shared() -> None:
    assert endpoints(EIM, LAN, own=("192.168.7.99",))[0] == "192.168.7.3:27182"
    assert endpoints(EIM, LAN, one_site=True)[0] == "192.168.7.3:27182"
    assert "192.168.7.3:27182" not in endpoints(EIM, LAN, own=("192.168.7.3",))


def test_the_preserved_port_is_guessed_where_the_mapping_is_not_known() -> None:
    unknown = NatProfile(hosts=("198.51.100.9",), reflexive=udp("198.51.100.9", 40000))
    assert endpoints(unknown, LAN) == ["198.51.100.9:40000", "198.51.100.9:27182"]


def test_ipv6_first_where_both_have_it() -> None:
    six = Candidate(udp("2001:db8::9", 27182), "public")
    own = (*OWN, "2001:db8:1::1")
    assert endpoints(EIM, six, own=own, ipv6=True) == ["[2001:db8::9]:27182", "198.51.100.9:40000"]
    assert endpoints(EIM, six, own=OWN, ipv6=True) == ["198.51.100.9:40000"]
    assert endpoints(EIM, six, own=own, ipv6=False) == ["198.51.100.9:40000"]


def test_given_and_forwarded_ones_are_tried_too() -> None:
    forwarded = Candidate(udp("198.51.100.9", 1234), "portmap")
    assert endpoints(EIM, forwarded) == ["198.51.100.9:40000", "198.51.100.9:1234"]


def test_a_long_list_is_cut() -> None:
    many = [Candidate(udp(f"192.0.2.{each}", 4000), kind) for each in range(1, 60) for kind in ("public", "stun")]
    assert len(endpoints(NatProfile(), *many)) <= MOST_TARGETS
