"""Packets in, packets out, with time and dice as arguments."""

from __future__ import annotations

from overlay.lab.entries import UserspaceNat
from punch.sim import NatModel
from punch.values import Endpoint, udp
from tests.tools.natlab.test_packets import packet
from tools.natlab.packets import ICMP, TCP, UDP, look
from tools.natlab.translate import Translator

PUBLIC, ANNA, BEN, VPS = "198.51.100.21", "192.168.1.2", "192.168.1.3", "198.51.100.10"


def nat(model: NatModel) -> Translator:
    told = UserspaceNat(
        model=model, addresses=(PUBLIC,), inside=("192.168.1.0/24",), device="nat0", seed="1", counters=""
    )
    return Translator(told)


def ends(data: bytes | None) -> tuple[Endpoint, Endpoint] | None:
    seen = look(data) if data else None
    return (seen.source, seen.to) if seen else None


def test_there_and_back_by_each_protocol() -> None:
    box = nat(NatModel(mapping="apdm", allocator="uniform"))
    for protocol in (UDP, TCP, ICMP):
        inner, to = udp(ANNA, 5000), udp(VPS, 0 if protocol == ICMP else 80)
        out = ends(box.handle(packet(protocol, inner, to, b"x"), now=0.0))
        assert out is not None
        outside, same = out
        assert (outside.host, same) == (PUBLIC, to)
        assert (outside.port == 5000) == (protocol == ICMP), "an identifier is kept, whatever the model"
        back = ends(box.handle(packet(protocol, to, outside, b"y", kind=0), now=0.1))
        assert back == (to, inner)
    assert box.entries(now=0.1).alive == 1


def test_strangers_stay_outside_and_are_told_so_only_by_a_rejecting_nat() -> None:
    knock = packet(UDP, udp(VPS, 9), udp(PUBLIC, 5000), b"x")
    assert nat(NatModel()).handle(knock, now=0.0) is None
    assert nat(NatModel(input="accept")).handle(knock, now=0.0) is None
    error = nat(NatModel(input="reject")).handle(knock, now=0.0)
    assert error is not None
    assert error[9] == ICMP


def test_neighbours_meet_by_a_hairpin_or_not_at_all() -> None:
    for hairpin in (False, True):
        box = nat(NatModel(filtering="eif", hairpin=hairpin))
        box.handle(packet(UDP, udp(BEN, 6000), udp(VPS, 9), b""), now=0.0)
        met = ends(box.handle(packet(UDP, udp(ANNA, 5000), udp(PUBLIC, 6000), b""), now=0.0))
        assert met == ((udp(PUBLIC, 5000), udp(BEN, 6000)) if hairpin else None)


def test_what_cannot_be_translated_is_counted() -> None:
    box = nat(NatModel())
    assert box.handle(b"\x60" + bytes(60), now=0.0) is None
    assert box.entries(now=0.0).counts == {"not_translatable": 1}


def test_a_router_that_restarts_has_forgotten_everything() -> None:
    box = nat(NatModel(allocator="uniform"))
    before = ends(box.handle(packet(UDP, udp(ANNA, 5000), udp(VPS, 9), b""), now=0.0))
    assert before
    box.forget()
    assert box.entries(now=0.0).alive == 0
    assert box.handle(packet(UDP, udp(VPS, 9), before[0], b""), now=0.1) is None
    assert ends(box.handle(packet(UDP, udp(ANNA, 5000), udp(VPS, 9), b""), now=0.2)) != before
