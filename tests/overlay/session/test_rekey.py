"""Keys replace each other under traffic, at any loss, and end when nothing replaces them."""

from __future__ import annotations

import random

import pytest

from overlay.session.events import KeysLive, KeysRetired, LabelRetired, OpenKeyReady, ProbeKeysLive, SessionLost
from overlay.session.facts import ControlReceived, CounterSpent
from overlay.session.tickets import Tickets
from overlay.session.timing import KEY_LIFE, REKEY_AFTER, REKEY_AFTER_OTHER
from overlay.wire.messages import Ping, Rekey, Rekeyed
from tests.overlay.session.world import Host, Packet, World, agreed, lose

PING = Ping(1, bytes(8))


def joined() -> tuple[World, Host, Host]:
    """A and B; B is the Noise initiator, hence the one that rekeys first."""
    world = World()
    a, b = world.host(), world.host()
    world.dial(a, b)
    world.run(0.5)
    assert agreed(a, b)
    return world, a, b


def keepalives(world: World, host: Host, to: Host, *, seconds: float, every: float = 25.0) -> None:
    for _ in range(int(seconds / every)):
        world.send(host, to, PING)
        world.run(every)


def when(world: World, kind: str) -> list[float]:
    """When packets of `kind` were sent, seconds after B's keys were installed."""
    return [at - 1000.06 for packet, at in zip(world.sent, world.times, strict=True) if packet.kind == kind]


@pytest.mark.parametrize("b_talks", [True, False])
def test_under_traffic_keys_are_replaced(b_talks: bool) -> None:
    world, a, b = joined()
    keepalives(world, b if b_talks else a, a if b_talks else b, seconds=400)
    first, second, third = when(world, "Rekey")
    assert first == pytest.approx(REKEY_AFTER, abs=0.1)
    assert second == pytest.approx(2 * REKEY_AFTER, abs=0.3)
    assert third == pytest.approx(3 * REKEY_AFTER, abs=0.4)
    assert agreed(a, b)
    assert a.count(KeysLive) == b.count(KeysLive) == a.count(OpenKeyReady) == 4
    assert [event.epoch for event in b.events if isinstance(event, KeysLive)] == [0, 1, 2, 3]
    assert [event.epoch for event in a.events if isinstance(event, ProbeKeysLive)] == [0, 1, 2, 3]
    assert a.count(SessionLost) == b.count(SessionLost) == a.count(LabelRetired) == 0
    assert b.sessions.handshake_at(a.id) == pytest.approx(1360, abs=1)


def test_old_keys_live_ten_seconds_on() -> None:
    world, a, b = joined()
    keepalives(world, a, b, seconds=121, every=11)
    world.run(1)
    assert a.count(KeysRetired) == b.count(KeysRetired) == 0
    assert agreed(a, b)
    late = a.sessions.seal(b.id, PING, now=world.now)
    assert late is not None
    assert late.epoch == 1
    world.send(a, b, PING)
    world.send(b, a, PING)
    world.run(9)
    assert len(b.open_keys) == 2
    world.run(2)
    assert a.count(KeysRetired) == b.count(KeysRetired) == 1
    assert agreed(a, b)


def test_nobody_rekeys_without_traffic_and_keys_die() -> None:
    world, a, b = joined()
    world.run(KEY_LIFE - 1)
    assert "Rekey" not in world.kinds()
    assert b.sessions.is_open(a.id)
    world.run(1)
    for host, other in ((a, b), (b, a)):
        assert [type(event) for event in host.events[5:]] == [KeysRetired, LabelRetired, SessionLost]
        assert not host.sessions.is_open(other.id)
        assert host.sessions.next_timeout() is None


def test_traffic_after_a_long_silence_rekeys_at_once() -> None:
    world, a, b = joined()
    world.run(150)
    assert "Rekey" not in world.kinds()
    world.send(a, b, PING)
    world.run(1)
    assert when(world, "Rekey") == [pytest.approx(150.5, abs=0.2)]
    assert agreed(a, b)
    assert a.count(KeysLive) == 2


@pytest.mark.parametrize("lost", ["Rekey", "Rekeyed", "Ping"])
def test_loss_is_repeated_away(lost: str) -> None:
    world, a, b = joined()
    world.send(a, b, PING)
    world.send(a, b, PING)
    world.run(REKEY_AFTER - 1)
    world.fate = lose(lost, times=4)
    world.run(20)
    assert agreed(a, b)
    assert a.count(KeysLive) == b.count(KeysLive) == 2
    keepalives(world, a, b, seconds=100)
    assert agreed(a, b)


def test_the_other_side_begins_if_the_first_does_not() -> None:
    world, a, b = joined()
    world.send(a, b, PING)
    world.send(a, b, PING)
    world.fate = lambda packet: [] if packet.kind == "Rekey" and packet.source == b.endpoint else [packet]
    world.run(REKEY_AFTER + 5)
    assert a.count(KeysLive) == 1
    world.run(10)
    sent = zip(world.sent, world.times, strict=True)
    begun = next(at for packet, at in sent if packet.kind == "Rekey" and packet.source == a.endpoint)
    assert begun == pytest.approx(1000.08 + REKEY_AFTER_OTHER, abs=0.1)
    assert a.count(KeysLive) == 1, "B, the Noise initiator, goes on by itself while its own Rekey is under way"
    world.fate = lambda packet: [packet]
    world.run(6)
    assert agreed(a, b)
    assert a.count(KeysLive) == b.count(KeysLive) == 2


def test_a_silent_noise_initiator_is_relieved() -> None:
    """B never saw the traffic as such, say: A begins at 130 s and B answers."""
    world, a, b = joined()
    world.run(REKEY_AFTER + 5)
    world.fate = lambda packet: [] if packet.kind == "Ping" and packet.to == b.endpoint else [packet]
    world.send(a, b, PING)
    world.send(a, b, PING)
    world.run(6)
    assert agreed(a, b) or a.count(KeysLive) == 2
    world.fate = lambda packet: [packet]
    world.run(6)
    assert agreed(a, b)
    assert {packet.source for packet in world.sent if packet.kind == "Rekey"} == {a.endpoint}
    assert a.count(KeysLive) == b.count(KeysLive) == 2


def test_nothing_seals_or_opens_after_180_seconds() -> None:
    world, a, b = joined()
    sealed = [a.sessions.seal(b.id, PING, now=world.now) for _ in range(2)]
    assert sealed[0] is not None
    assert sealed[1] is not None
    last = 1000.06 + KEY_LIFE
    body = sealed[0].body
    assert b.sessions.open(a.id, 0, sealed[0].counter, body, now=last - 0.1) == PING
    assert b.sessions.open(a.id, 0, sealed[1].counter, sealed[1].body, now=last + 0.1) is None
    assert b.sessions.drops == {"expired": 1}
    assert b.sessions.seal(a.id, PING, now=last - 0.1) is not None
    assert b.sessions.seal(a.id, PING, now=last + 0.1) is None


def test_total_loss_ends_both_sides_at_180_seconds() -> None:
    world, a, b = joined()
    world.fate = lambda packet: []
    keepalives(world, a, b, seconds=200)
    assert not a.sessions.is_open(b.id)
    assert not b.sessions.is_open(a.id)


def test_both_begin_at_once() -> None:
    world, a, b = joined()
    for _ in range(5):
        world.tell(a, CounterSpent(b.id))
        world.tell(b, CounterSpent(a.id))
        world.run(1)
        assert agreed(a, b)
    assert a.count(KeysLive) == b.count(KeysLive) == 6
    assert a.sessions.drops == {} or b.sessions.drops == {}
    assert {**a.sessions.drops, **b.sessions.drops} == {"rekey_crossed": 5}


def test_spent_counters_rekey() -> None:
    world, a, b = joined()
    run = a.sessions._desk.peers[b.id].runs[0]
    run.counter = 2**32 - 2
    world.send(a, b, PING)
    world.run(1)
    assert a.count(KeysLive) == 1
    world.send(a, b, PING)
    world.run(1)
    assert a.count(KeysLive) == b.count(KeysLive) == 2
    assert agreed(a, b)
    world.tell(a, CounterSpent(world.host().id))


def test_epochs_wrap() -> None:
    world, a, b = joined()
    for count in range(1, 300):
        world.tell(a, CounterSpent(b.id))
        world.run(0.2)
        world.send(b, a, PING)
        world.run(11)
        assert agreed(a, b)
        assert [epoch for _, epoch in a.open_keys] == [count % 256]
    assert a.count(SessionLost) == 0


@pytest.mark.parametrize("seed", range(8))
def test_random_loss(seed: int) -> None:
    dice = random.Random(seed)
    world, a, b = joined()
    world.fate = lambda packet: [packet] * dice.choice((0, 0, 1, 1, 2))
    for _ in range(60):
        world.send(a, b, PING)
        world.send(b, a, PING)
        world.run(10)
    world.fate = lambda packet: [packet]
    world.send(a, b, PING)
    world.run(15)
    assert agreed(a, b)
    assert a.count(SessionLost) == b.count(SessionLost) == 0
    assert max(len(a.open_keys), len(b.open_keys)) <= 2
    assert a.count(KeysLive) >= 5


def test_rekey_and_handshake_at_once() -> None:
    world, a, b = joined()
    for turn in range(6):
        world.tell(b, CounterSpent(a.id))
        world.dial(a, b, expect=b.id if turn % 2 else None)
        world.run(0.07 if turn % 3 else 1)
        world.send(a, b, PING)
        world.send(b, a, PING)
        world.run(20)
        world.send(a, b, PING)
        world.send(b, a, PING)
        world.run(12)
        assert agreed(a, b)
        assert len(a.open_keys) == len(b.open_keys) == 1
    assert a.count(SessionLost) == b.count(SessionLost) == 0


def test_an_epoch_promised_to_a_handshake_is_not_given_to_a_rekey() -> None:
    world, a, b = joined()
    a.sessions._desk.tickets = Tickets(())
    world.fate = lose("m3")
    world.dial(a, b, expect=b.id)
    world.run(1)
    world.tell(b, CounterSpent(a.id))
    world.run(1)
    assert a.sessions.drops["rekey"] >= 1
    world.tell(a, CounterSpent(b.id))
    world.run(25)
    assert agreed(a, b), "the handshake came to nothing, and the rekey goes on"
    assert a.count(KeysLive) == b.count(KeysLive) == 2


def test_forged_rekeys_change_nothing() -> None:
    world, a, b = joined()
    world.fate = lose("Rekey")
    world.tell(b, CounterSpent(a.id))
    rekey = world.sent[-1].message
    assert isinstance(rekey, Rekey)
    for noise in damaged(rekey.noise):
        world.tell(a, ControlReceived(b.id, noise, False))
    assert a.count(OpenKeyReady) == 1
    world.tell(a, ControlReceived(b.id, rekey.noise, False))
    rekeyed = world.sent[-1].message
    assert isinstance(rekeyed, Rekeyed)
    for noise in damaged(rekeyed.noise):
        world.tell(b, ControlReceived(a.id, noise, True))
    assert b.count(OpenKeyReady) == 1
    assert set(a.sessions.drops) == set(b.sessions.drops) == {"rekey"}
    world.tell(b, ControlReceived(a.id, rekeyed.noise, True))
    world.run(1)
    assert agreed(a, b)
    stranger = world.host()
    world.tell(a, ControlReceived(stranger.id, rekey.noise, False))
    world.tell(a, ControlReceived(stranger.id, rekeyed.noise, True))
    assert a.sessions.drops["no_session"] == 2


def damaged(noise: bytes) -> list[bytes]:
    flipped = [
        noise[: bit // 8] + bytes((noise[bit // 8] ^ 1 << bit % 8,)) + noise[bit // 8 + 1 :]
        for bit in range(8 * len(noise))
    ]
    return [noise[:size] for size in range(len(noise))] + flipped + [noise + b"\0"]


def test_labels_outlive_rekeys() -> None:
    world, a, b = joined()
    label = a.sessions.peer_label(b.id)
    keepalives(world, a, b, seconds=500)
    assert a.sessions.peer_label(b.id) == label
    assert a.count(LabelRetired) == 0


def packets(world: World, kind: str) -> list[Packet]:
    return [packet for packet in world.sent if packet.kind == kind]


def test_an_abandoned_answer_is_dropped_and_made_anew() -> None:
    world, a, b = joined()
    world.tell(b, CounterSpent(a.id))
    world.fate = lose("Rekeyed", "Rekey")
    world.run(0.03)
    assert a.count(OpenKeyReady) == 2
    world.run(25)
    assert a.count(KeysRetired) == 1, "nobody used them"
    assert a.count(SessionLost) == 0
    world.fate = lambda packet: [packet]
    world.run(6)
    assert agreed(a, b)
    assert len({packet.message for packet in packets(world, "Rekeyed")}) == 2
