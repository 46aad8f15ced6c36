"""The handshake under attack, and two that cross."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from nacl.bindings import crypto_scalarmult_base

from overlay.session import layout
from overlay.session.commands import SendHandshake
from overlay.session.events import (
    DialFailed,
    SecretRefused,
    SessionLost,
)
from overlay.session.facts import DialAsked
from overlay.values import Label
from punch.values import udp
from tests.overlay.session.world import (
    NETWORK,
    OTHER_SECRET,
    PING,
    Fate,
    Host,
    Packet,
    World,
    agreed,
    direct,
    joined,
    lose,
    remade,
)


def by_hand(world: World, a: Host, b: Host) -> None:
    """m1 .. m4 of a handshake in which each is delivered by hand."""
    world.fate = lambda packet: []
    world.dial(a, b)
    for kind in ("m1", "m2", "m3", "m4"):
        packet = world.sent[-1]
        assert packet.kind == kind
        attack(world, packet)
        world.deliver(packet)


def attack(world: World, packet: Packet) -> None:
    """Every truncation and every flipped bit: nothing opens, nothing is answered, nothing changes."""
    host = world.hosts[packet.to]
    events, sent = len(host.events), len(world.sent)
    frame = packet.frame
    for size in range(len(frame)):
        world.deliver(replace(packet, frame=frame[:size]))
    for bit in range(8 * len(frame)):
        forged = bytearray(frame)
        forged[bit // 8] ^= 1 << bit % 8
        world.deliver(replace(packet, frame=bytes(forged)))
    world.deliver(replace(packet, frame=frame + b"\0"))
    assert len(host.events) == events
    assert len(world.sent) == sent


def test_truncated_and_flipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overlay.session.answerer.MAX_FAILED", 10**9)
    world = World()
    a, b = world.host(), world.host()
    by_hand(world, a, b)
    world.fate = lambda packet: [packet]
    world.send(a, b, PING)
    world.run(1)
    assert agreed(a, b)


def test_whoever_floods_m3_does_not_burn_the_cpu() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.fate = lose("m3")
    world.dial(a, b)
    world.run(0.1)
    third = next(packet for packet in world.sent if packet.kind == "m3")
    for _ in range(100):
        world.deliver(replace(third, frame=third.frame[:-1] + b"?"))
    assert b.sessions.drops["noise"] == 100
    world.deliver(third)
    assert not b.opened(), "after 16 failures nothing is tried any more"


def test_changed_by_somebody_who_knows_the_name() -> None:
    """mac1 is no secret to a stranger who knows the name: the transcript has to catch what it lets through."""
    for at in (4, 8, 39, 40, 41, 60, 91):
        world = World()
        a, b = world.host(), world.host()

        def fate(packet: Packet, at: int = at) -> list[Packet]:
            if packet.kind == "m2":
                frame = bytearray(packet.frame)
                frame[at] ^= 1
                return [replace(packet, frame=remade(bytes(frame)))]
            return [packet]

        world.fate = fate
        world.dial(a, b)
        world.run(30)
        assert not a.opened()
        assert not b.opened()


def test_a_share_of_low_order_in_m2_is_a_guess() -> None:
    world = World()
    a, b = world.host(), world.host()

    def fate(packet: Packet) -> list[Packet]:
        if packet.kind != "m2":
            return [packet]
        return [replace(packet, frame=remade(packet.frame[:12] + bytes(32) + packet.frame[44:])), packet]

    world.fate = fate
    world.dial(a, b)
    world.run(1)
    assert a.count(SecretRefused) == 1
    assert agreed(a, b)


def test_a_recorded_conversation_opens_nothing_again() -> None:
    world, a, b = joined()
    recorded = list(world.sent)
    world.run(21)
    opened = len(a.opened()), len(b.opened())
    for packet in recorded:
        world.deliver(packet)
    world.run(40)
    assert (len(a.opened()), len(b.opened())) == opened
    assert b.sessions.drops["guess"] == 1, "its m1 was answered once more and led nowhere"
    assert agreed(a, b)


def test_frames_in_another_order() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.fate = lose("m4", "Ping")
    world.dial(a, b)
    world.run(0.3)
    first, second, third, *_ = world.sent
    for packet in (third, second, first, third):
        world.deliver(packet)
    world.fate = lambda packet: [packet]
    world.run(5)
    assert agreed(a, b)
    assert len(b.opened()) == 1


# --- crossing ---


def test_of_two_that_cross_the_smaller_goes_on() -> None:
    for seed in range(4):
        world = World()
        a, b = world.host(seed=bytes((seed,))), world.host(seed=bytes((seed,)))
        world.dial(a, b)
        world.dial(b, a)
        shares = {packet.source: packet.frame[8:40] for packet in world.sent}
        world.run(30)
        assert len(a.opened()) == len(b.opened()) == 1
        winner = min(shares, key=lambda endpoint: shares[endpoint])
        assert [host.endpoint for host in (a, b) if host.opened()[0].dialled] == [winner]
        assert agreed(a, b)
        assert a.count(DialFailed) == b.count(DialFailed) == 0


def test_a_forged_crossing_only_delays() -> None:
    world = World()
    a, b, forger = world.host(), world.host(), world.host(OTHER_SECRET)
    world.fate = lose("m1")
    world.dial(a, b)
    world.dial(forger, a)
    forged = next(packet for packet in world.sent if packet.source == forger.endpoint)
    small = remade(forged.frame[:8] + bytes((0,)) * 31 + b"\x02" + forged.frame[40:])
    world.deliver(replace(forged, source=b.endpoint, frame=small))
    world.fate = lambda packet: [packet]
    world.run(2)
    assert agreed(a, b)


def behind_nats(*hosts: Host) -> Fate:
    """What was dialled is answered from there; what dials comes from an outside port."""
    outside = {host.endpoint: replace(host.endpoint, port=4) for host in hosts}
    inside = {there: here for here, there in outside.items()}

    def fate(packet: Packet) -> list[Packet]:
        if packet.sealed is not None:
            return [packet]
        source = outside[packet.source] if packet.kind in ("m1", "m3") else packet.source
        return [replace(packet, source=source, to=inside.get(packet.to, packet.to))]

    return fate


def test_both_complete_and_both_send_on_the_larger_hash() -> None:
    """Each hears the other from an endpoint it did not dial: neither sees that they cross."""
    for seed in range(6):
        world = World()
        a, b = world.host(seed=bytes((seed,))), world.host(seed=bytes((seed,)))
        world.fate = behind_nats(a, b)
        world.dial(a, b)
        world.dial(b, a)
        world.run(1)
        assert len(a.opened()) == len(b.opened()) == 2
        assert agreed(a, b)
        assert world.send(a, b, PING)
        assert world.send(b, a, PING)
        world.run(15)
        assert agreed(a, b)
        assert len(a.open_keys) == len(b.open_keys) == 1
        assert a.count(SessionLost) == b.count(SessionLost) == 0
        labels = a.sessions.peer_label(b.id), b.sessions.peer_label(a.id)
        assert labels[0] in b.labels
        assert labels[1] in a.labels


def test_epochs_of_strangers_do_not_collide() -> None:
    """A does not know whom it dials, and dials the same peer twice at once."""
    world = World()
    a, b = world.host(), world.host()
    other = world.host()
    world.hosts[other.endpoint] = b
    world.dial(a, b)
    world.dial(a, other)
    world.run(1)
    assert len(a.opened()) == 2
    assert agreed(a, b)
    assert len({epoch for _, epoch in a.open_keys}) == 2


def test_dials_that_only_beacons_led_to_take_no_guess_from_the_others() -> None:
    world = World()
    a, honest = world.host(), world.host()
    for number in range(40):
        link = direct(udp(f"192.168.7.{10 + number}", 4000 + number))
        a.sessions.tell(DialAsked(link, None, chance=True), now=world.now)
        m1 = next(each.frame for each in a.sessions.commands() if isinstance(each, SendHandshake))
        label = layout.label_of(m1)
        for guess in range(5):
            point = crypto_scalarmult_base(bytes((number + 1, guess + 1)).ljust(32, b"x"))
            head = layout.second_head(label, Label(7), point)
            a.sessions.receive(layout.second(head, bytes(48), NETWORK.mac_key), link, now=world.now)
    assert a.sessions.drops["guess"] == 30, "one a dial, and as many dials as a node may guess at"
    list(a.sessions.commands())
    list(a.sessions.events())
    world.dial(a, honest, expect=honest.id)
    world.run(1)
    assert agreed(a, honest)
