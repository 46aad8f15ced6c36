"""All keys of a run are told to whom asked for them, and to nobody else."""

from __future__ import annotations

from overlay.sealing import aad, aead, nonce
from overlay.session.events import KeysMade
from overlay.wire.codec import decode_message
from overlay.wire.frame import CONTROL
from overlay.wire.messages import Ping
from tests.overlay.session.world import Host, World


def told(host: Host) -> list[KeysMade]:
    return [event for event in host.events if isinstance(event, KeysMade)]


def test_what_one_seals_with_the_other_opens_with() -> None:
    world = World(tells_keys=True)
    a, b = world.host(), world.host()
    world.dial(a, b)
    world.run(1.0)
    (ours,), (theirs,) = told(a), told(b)
    assert (ours.peer, theirs.peer, ours.cipher) == (b.id, a.id, theirs.cipher)
    assert (ours.seal_epoch, ours.seal_control, ours.seal_data) == (
        theirs.open_epoch,
        theirs.open_control,
        theirs.open_data,
    )
    assert (ours.open_epoch, ours.open_control, ours.open_data) == (
        theirs.seal_epoch,
        theirs.seal_control,
        theirs.seal_data,
    )
    assert a.open_keys[b.id, ours.open_epoch] == ours.open_data


def test_control_frames_open_with_them() -> None:
    world = World(tells_keys=True)
    a, b = world.host(), world.host()
    world.dial(a, b)
    world.run(1.0)
    said = Ping(7, b"12345678")
    sealed = a.sessions.seal(b.id, said, now=world.now)
    assert sealed is not None
    (keys,) = told(a)
    key = aead(keys.cipher, keys.seal_control)
    plain = key.decrypt(nonce(sealed.counter), sealed.body, aad(CONTROL, sealed.epoch, sealed.counter))
    assert decode_message(plain) == said


def test_a_rekey_tells_anew() -> None:
    world = World(tells_keys=True)
    a, b = world.host(), world.host()
    world.dial(a, b)
    for _ in range(14):
        world.run(10.0)
        world.send(a, b, Ping(1, bytes(8)))
    assert len(told(a)) == len(told(b)) > 1
    assert len({event.seal_control for event in told(a)}) == len(told(a))


def test_by_default_nobody_is_told() -> None:
    world = World()
    a, b = world.host(), world.host()
    world.dial(a, b)
    world.run(1.0)
    assert a.events
    assert told(a) == told(b) == []
