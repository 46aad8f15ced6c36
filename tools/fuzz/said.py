"""Valid inputs of the punch engine: STUN, probes, signals, the lines of a knock."""

from __future__ import annotations

import json

import msgspec

from overlay.wire.codec import pack, unpack
from punch import stun
from punch.probe import ANSWER, PROBE, Probe, encode
from punch.signals import Aim, HolesOpen, MoreHoles, Next, Offer, Sample, Sampled, Signal, Stop, Touch, plain
from punch.values import Candidate, NatProfile, udp

HOME = "203.0.113.77"
"""Where the peer says it is, and is."""
OPEN = bytes([2]) * 32
"""The key of its probes."""


def stun_messages() -> list[bytes]:
    """Questions and answers with every attribute."""
    seen, other = udp("198.51.100.7", 40000), udp("2001:db8::7", 1)
    rows = [
        stun.Message(kind="request", transaction=bytes(12)),
        stun.Message(kind="request", transaction=bytes(12), change_ip=True, change_port=True, fingerprint=True),
        stun.Message(kind="response", transaction=bytes(12), xor_mapped=seen),
        stun.Message(kind="response", transaction=bytes(12), mapped=seen, origin=other, other=seen, software="x"),
        stun.Message(kind="response", transaction=bytes(12), xor_mapped=other, software="punch", fingerprint=True),
        stun.Message(kind="error", transaction=bytes(12), error=420, reason="Unknown", unknown=(3, 0x24)),
    ]
    return [stun.pack(row) for row in rows]


def probes() -> list[bytes]:
    """A probe and an answer."""
    return [encode(Probe(kind, 1, 7, 0x01020304, 9, bytes(8)), OPEN) for kind in (PROBE, ANSWER)]


def signals() -> list[bytes]:
    """Of each kind at least one, as msgpack, and an Offer of each sort of NAT."""
    return [pack(plain(each)) for each in said()]


def heard(data: bytes) -> Signal:
    """A signal out of msgpack.

    Raises:
        Malformed: it is none.
    """
    signal: Signal = unpack(data, Signal)  # type: ignore[arg-type]
    return signal


def lines() -> list[bytes]:
    """What a knock may hear: who the other side is, and its signals."""
    hello = {"punch": 1, "id": "0123456789abcdef", "token": "00" * 16, "at": 1.0}
    signals = [msgspec.json.encode({"signal": plain(each)}) for each in said()]
    first = json.dumps(hello).encode()
    return [b"\n".join((first, *signals[k::7])) for k in range(7)] + [first, b"noise\n\n" + signals[0]]


def said() -> list[Signal]:
    """The signals as values."""
    there = (Candidate(udp(HOME, 27182), "public"), Candidate(udp("192.168.1.2", 27182), "local"))
    samples = tuple(Sample(4 * k, 0.02 * k, 40_000 + k, 50_000 + 4 * k, HOME) for k in range(4))
    holes = tuple((4 * k + 1, 41_000 + k, 0.02 * k + 0.01) for k in range(12))
    offers = [Offer(1, k % 2 > 0, 77, nat, there, k % 3 > 0) for k, nat in enumerate(profiles())]
    rows: list[Signal] = [
        *offers,
        *(Sampled(1, round_, samples, holes) for round_ in (0, 1, 1, 2, 3, 11, 21, 22)),
        *(HolesOpen(1, round_, 64, 15.0) for round_ in (1, 11, 21)),
        *(Aim(1, round_, 50_020, 40_000, HOME, 50_000, 20.0) for round_ in (1, 1, 2)),
        MoreHoles(1, 256),
        Touch(1, 27_182, bytes(12)),
        Stop(1, "exhausted"),
        Next(1, "birthday"),
    ]
    return rows


def profiles() -> list[NatProfile]:
    """What a peer may say it is behind."""
    seen = udp(HOME, 27182)
    hard = NatProfile(mapping="apdm", filtering="apdf", hosts=(HOME,), reflexive=seen, pooling="paired", distance=2)
    of = msgspec.structs.replace
    return [
        NatProfile(open=True, reflexive=seen, hosts=(HOME,)),
        NatProfile(mapping="eim", filtering="apdf", allocation="preserving", poisonable=True, reflexive=seen),
        NatProfile(mapping="eim", filtering="apdf", hosts=(HOME,), reflexive=seen, lifetime=30.0, parity=True),
        of(hard, allocation="sequential", step=1, foreign=20.0),
        of(hard, allocation="sequential", step=-2, foreign=0.0, mapping="adm", filtering="adf"),
        of(hard, allocation="block", block=(50_000, 1024)),
        of(hard, allocation="cluster", block=(50_000, 300), pooling="arbitrary", hosts=(HOME, "203.0.113.78")),
        of(hard, allocation="preserving"),
        of(hard, allocation="uniform"),
        hard,
        NatProfile(),
    ]
