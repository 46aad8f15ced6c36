"""Where a probe may go, and how often."""

from __future__ import annotations

import pytest

from punch.addresses import is_private
from punch.manners import (
    EARLY_PEERS,
    FREE_ENDPOINTS,
    FREE_HOSTS,
    FREE_PACKETS,
    FREE_PORTS,
    HOST_PACKETS,
    HOST_WINDOW,
    MOST_HOSTS,
    VOUCHED_FOR,
    Manners,
    Try,
    is_sendable,
    on_link,
)
from punch.values import udp

PEER, OTHER, RELAY = b"peer", b"other", b"relay"


def vouched(by: bytes = RELAY) -> Manners:
    manners = Manners()
    manners.meet(PEER)
    manners.vouch(PEER, "192.0.2.1", by, now=0.0)
    return manners


def send(manners: Manners, host: str, port: int, of: Try, *, now: float = 0.0) -> str | None:
    to = udp(host, port)
    why = manners.refusal(to, of, near=False, now=now)
    if why is None:
        manners.note(to, of, now=now)
    return why


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "::1",
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "::",
        "255.255.255.255",
        "240.0.0.1",
        "::ffff:1.2.3.4",
        "x",
    ],
)
def test_never_there(host: str) -> None:
    assert not is_sendable(udp(host, 4000))
    assert send(Manners(), host, 4000, Try(PEER, [udp(host, 4000)])) == "address"


def test_no_port_zero() -> None:
    assert not is_sendable(udp("192.0.2.1", 0))


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "172.31.0.1", "192.168.0.9", "100.100.1.1", "169.254.1.1", "fd00::1", "fe80::1%eth0"]
)
def test_private_only_where_it_can_be_the_peer(host: str) -> None:
    assert is_private(host)
    assert send(Manners(), host, 4000, Try(PEER, ())) == "private"
    assert Manners().refusal(udp(host, 4000), Try(PEER, ()), near=True, now=0.0) is None


def test_documentation_ranges_are_public() -> None:
    assert not any(is_private(host) for host in ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"))


def test_low_ports_only_if_named() -> None:
    manners = vouched()
    assert send(manners, "192.0.2.1", 53, Try(PEER, ())) == "port"
    assert send(manners, "192.0.2.1", 53, Try(PEER, [udp("192.0.2.1", 53)])) is None


def test_eight_ports_of_a_host_nobody_vouches_for() -> None:
    manners, of = Manners(), Try(PEER, ())
    said = [send(manners, "192.0.2.1", 4000 + each, of) for each in range(FREE_PORTS + 3)]
    assert said == [None] * FREE_PORTS + ["unvouched"] * 3


def test_a_new_try_does_not_bring_new_ports() -> None:
    manners = Manners()
    for each in range(FREE_PORTS):
        assert send(manners, "192.0.2.1", 4000 + each, Try(PEER, ())) is None
    assert send(manners, "192.0.2.1", 5000, Try(OTHER, ())) == "unvouched"
    assert send(manners, "192.0.2.1", 5000, Try(PEER, ()), now=HOST_WINDOW + 1) is None


def test_twelve_endpoints_and_four_packets_each() -> None:
    manners, of = Manners(), Try(PEER, ())
    said = [send(manners, f"192.0.2.{each}", 4000, of) for each in range(1, FREE_ENDPOINTS + 3)]
    assert said == [None] * FREE_ENDPOINTS + ["unvouched"] * 2
    said = [send(manners, "192.0.2.1", 4000, of) for _ in range(FREE_PACKETS)]
    assert said == [None] * (FREE_PACKETS - 1) + ["unvouched"]


def test_sixty_packets_to_a_host_over_all_peers_and_tries() -> None:
    manners = Manners()
    sent = 0
    for number in range(200):
        of = Try(b"%d" % number, ())
        sent += sum(send(manners, f"2001:db8::{number:x}", 4000, of, now=number / 10) is None for _ in range(4))
    assert sent == HOST_PACKETS


def test_a_host_that_answered_is_counted_anew() -> None:
    manners = Manners()
    for _ in range(40):
        of = Try(PEER, ())
        for _ in range(4):
            send(manners, "192.0.2.1", 4000, of)
    assert send(manners, "192.0.2.1", 4000, Try(PEER, ())) == "unvouched"
    manners.answered(udp("192.0.2.1", 4000))
    assert send(manners, "192.0.2.1", 4000, Try(PEER, ())) is None


def test_another_members_word_opens_one_host_of_one_peer() -> None:
    manners, of = vouched(), Try(PEER, ())
    assert all(send(manners, "192.0.2.1", 4000 + each, of) is None for each in range(500))
    assert not manners.is_vouched(Try(OTHER, ()), "192.0.2.1", now=0.0)
    assert not manners.is_vouched(of, "192.0.2.2", now=0.0)
    assert manners.vouched(PEER, now=0.0) == ("192.0.2.1",)


def test_a_peers_own_word_counts_for_nothing() -> None:
    manners = vouched(by=PEER)
    assert not manners.is_vouched(Try(PEER, ()), "192.0.2.1", now=0.0)


def test_a_word_ends_but_not_under_a_try_that_goes_on() -> None:
    manners, of = vouched(), Try(PEER, ())
    assert manners.is_vouched(of, "192.0.2.1", now=VOUCHED_FOR - 1)
    assert manners.is_vouched(of, "192.0.2.1", now=VOUCHED_FOR + 1)
    assert not manners.is_vouched(Try(PEER, ()), "192.0.2.1", now=VOUCHED_FOR)
    assert not manners.vouched(PEER, now=VOUCHED_FOR)
    manners.vouch(PEER, "192.0.2.1", RELAY, now=60.0)
    assert manners.vouched(PEER, now=VOUCHED_FOR + 1) == ("192.0.2.1",)


def test_words_of_peers_that_are_not_here_are_few_and_count_once_they_are() -> None:
    manners = Manners()
    for number in range(10 * EARLY_PEERS):
        manners.vouch(b"%d" % number, "192.0.2.1", RELAY, now=0.0)
    last = b"%d" % (10 * EARLY_PEERS - 1)
    assert not manners.vouched(last, now=0.0)
    assert len(manners._early) == EARLY_PEERS
    manners.meet(last)
    assert manners.vouched(last, now=0.0) == ("192.0.2.1",)
    manners.forget(last)
    assert not manners.vouched(last, now=0.0)


def test_a_peer_names_few_new_hosts_at_a_time() -> None:
    manners, sent = Manners(), 0
    for number in range(100):
        host = f"198.51.{number}.1"
        sent += send(manners, host, 4000, Try(PEER, ()), now=float(number)) is None
    assert sent == FREE_HOSTS
    assert send(manners, "198.51.0.1", 4000, Try(PEER, ()), now=101.0) is None, "it is one of those"
    assert send(manners, "198.51.200.1", 4000, Try(OTHER, ()), now=101.0) is None
    assert send(manners, "198.51.200.1", 4000, Try(PEER, ()), now=HOST_WINDOW + 50.0) is None


def test_a_full_table_forgets_no_host_whose_time_is_not_over() -> None:
    manners = Manners()
    for number in range(MOST_HOSTS):
        host = f"11.{number >> 8}.{number & 255}.1"
        assert send(manners, host, 4000, Try(b"%d" % (number // FREE_HOSTS), ()), now=1.0) is None
    assert send(manners, "198.51.100.1", 4000, Try(OTHER, ()), now=2.0) == "unvouched"
    assert all(send(manners, "11.0.0.1", 4000, Try(PEER, ()), now=3.0) is None for _ in range(3))
    assert send(manners, "198.51.100.1", 4000, Try(OTHER, ()), now=HOST_WINDOW + 2.0) is None


@pytest.mark.parametrize("host", ["10.44.3.7", "192.168.1.5", "192.168.1.63", "fd00:44::9", "192.168.7.255"])
def test_not_to_ourselves_nor_to_all_nor_into_the_overlay(host: str) -> None:
    manners = Manners()
    own, overlay = ("192.168.1.5",), ("10.44.0.0/16", "fd00:44::/64")
    manners.surround(own=own, broadcast=("192.168.1.63",), overlay=overlay)
    assert manners.refusal(udp(host, 4000), Try(PEER, [udp(host, 4000)]), near=True, now=0.0) in ("address", "private")
    assert manners.refusal(udp("192.168.1.6", 4000), Try(PEER, ()), near=True, now=0.0) is None


def test_on_link() -> None:
    own = ("192.168.1.5", "2001:db8:1::5")
    assert on_link("192.168.1.77", own)
    assert on_link("2001:db8:1::99", own)
    assert not on_link("192.168.2.77", own)
    assert not on_link("192.168.1.5", own), "that is we ourselves"
