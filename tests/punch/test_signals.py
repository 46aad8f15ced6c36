"""Signals as plain data, there and back."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from punch.signals import Aim, HolesOpen, MoreHoles, Next, Offer, Sample, Sampled, Signal, Stop, Touch, plain, read
from punch.values import Candidate, NatProfile, udp

PROFILE = NatProfile(
    mapping="apdm", allocation="block", block=(1024, 512), hosts=("1.2.3.4",), reflexive=udp("1.2.3.4", 5)
)
OFFER = Offer(
    attempt=1,
    reply=False,
    label=2,
    profile=PROFILE,
    candidates=(Candidate(udp("::1", 9), "local"),),
    demand=True,
    wanted=False,
    modes=("always", "off"),
    learned="sandwich",
)
ALL: list[Signal] = [
    OFFER,
    Sampled(1, 2, (Sample(0, 0.5, 1000, 2000, "1.2.3.4"),), ((1, 1001, 0.25),)),
    HolesOpen(1, 2, 256, 8.0),
    Aim(1, 1, 2000, 3000, "1.2.3.4", 1990, 12.5),
    MoreHoles(1, 512),
    Touch(1, 4000, bytes(range(12))),
    Stop(1, "direct"),
    Next(1, "birthday"),
]


@pytest.mark.parametrize("signal", ALL, ids=lambda signal: type(signal).__name__)
def test_there_and_back(signal: Signal) -> None:
    assert read(plain(signal)) == signal
    assert read(msgspec.json.decode(msgspec.json.encode(signal))) == signal


def test_each_has_a_number_of_its_own() -> None:
    assert [plain(signal)[0] for signal in ALL] == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "figures",
    [
        {"foreign": -1.0},
        {"foreign": float("nan")},
        {"foreign": float("inf")},
        {"step": 2**40},
        {"block": [0, 10**18]},
        {"block": [-1, 64]},
        {"lifetime": float("nan")},
        {"lifetime": -1.0},
        {"distance": 256},
    ],
)
def test_figures_of_a_nat_that_is_none_are_refused(figures: dict[str, object]) -> None:
    said = plain(OFFER)
    said[4] |= figures
    with pytest.raises(msgspec.ValidationError):
        read(said)


def test_an_offer_of_an_older_build_is_read() -> None:
    older = plain(OFFER)[:7]
    assert read(older) == Offer(1, False, 2, PROFILE, OFFER.candidates, demand=True)


@pytest.mark.parametrize(
    "data",
    [
        [1, 1, False, 2, {}, [[{"transport": "udp", "host": "h", "port": 1}, "local"]] * 13, False],
        [2, 1, 0, [[0, -1.0, 1, 1, ""]], []],
        [4, 1, 0, 0, 1, "", 1, 0.0],
        [6, 1, 1, "AAAA"],
        [7, 1, "x" * 33],
        [9, 1],
        [],
        None,
    ],
)
def test_out_of_range_is_refused(data: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(data)


LONG = "fe80::1%" + "z" * 60


@pytest.mark.parametrize("host", ["", "h", "1.2.3", "1.2.3.4 ", "fe80::1%a\n", "fe80::1%\u00e9", LONG, "1" * 10_000])
def test_a_host_that_is_no_numeric_address_is_refused(host: str) -> None:
    endpoint = {"transport": "udp", "host": host, "port": 9}
    for place, said in (
        (4, {"hosts": ["1.2.3.4", host]}),
        (4, {"reflexive": endpoint}),
        (5, [{"endpoint": endpoint, "kind": "local"}]),
    ):
        offer = plain(OFFER)
        offer[place] = said
        with pytest.raises(msgspec.ValidationError):
            read(offer)
    for signal in (ALL[1], ALL[3]):
        with pytest.raises(msgspec.ValidationError):
            read(msgspec.json.decode(msgspec.json.encode(signal).replace(b"1.2.3.4", json.dumps(host)[1:-1].encode())))


@pytest.mark.parametrize(
    ("transport", "port", "kind"),
    [("u" * 33, 9, "local"), ("udp", -1, "local"), ("udp", 65536, "local"), ("udp", 9, "l" * 33)],
)
def test_candidates_are_bounded(transport: str, port: int, kind: str) -> None:
    offer = plain(OFFER)
    offer[5] = [{"endpoint": {"transport": transport, "host": "1.2.3.4", "port": port}, "kind": kind}]
    with pytest.raises(msgspec.ValidationError):
        read(offer)


def test_a_host_has_not_many_addresses() -> None:
    offer = plain(OFFER)
    offer[4] |= {"hosts": ["1.2.3.4"] * 33}
    with pytest.raises(msgspec.ValidationError):
        read(offer)
    offer[4] |= {"hosts": ["1.2.3.4"] * 32}
    read(offer)


def test_addresses_of_a_link_and_carriers_of_later_are_read() -> None:
    offer = plain(OFFER)
    offer[5] = [{"endpoint": {"transport": "wss", "host": "fe80::1%enp0s31f6", "port": 0}, "kind": "given"}]
    heard = read(offer)
    assert isinstance(heard, Offer)
    assert [(each.endpoint.transport, each.endpoint.host) for each in heard.candidates] == [
        ("wss", "fe80::1%enp0s31f6")
    ]


plain_data = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**33) | st.floats() | st.text(max_size=8) | st.binary(max_size=14),
    lambda inner: st.lists(inner, max_size=8),
    max_leaves=20,
)


@given(st.lists(plain_data, max_size=9))
def test_noise_is_read_or_refused(data: list[object]) -> None:
    try:
        signal = read(data)
    except msgspec.ValidationError:
        return
    assert read(plain(signal)) == signal
