"""Writes tests/vectors/handshake.json: `python -m tests.overlay.session.golden`.

Only for a new major: these bytes are what every build of protocol version 1 sends with the same dice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nacl.bindings import crypto_scalarmult_base

from overlay.session.events import KeysLive
from overlay.session.noise import XXPSK0, Handshake, KeyPair
from overlay.wire.messages import Ping
from tests.overlay.session.world import World

PATH = Path(__file__).parents[2] / "vectors" / "handshake.json"


def pair(private: bytes) -> KeyPair:
    return KeyPair(private, crypto_scalarmult_base(private))


def xxpsk0() -> dict[str, Any]:
    """XXpsk0 alone: no published set has it."""
    sides = [
        Handshake(
            XXPSK0,
            initiator=initiator,
            prologue=b"prologue",
            ephemeral=(b"1" if initiator else b"2") * 32,
            static=pair((b"a" if initiator else b"b") * 32),
            psks=(b"p" * 32,),
        )
        for initiator in (True, False)
    ]
    messages = []
    for turn, payload in enumerate((b"first", b"second", b"third")):
        messages.append(sides[turn % 2].write(payload))
        assert sides[1 - turn % 2].read(messages[-1]) == payload
    assert sides[0].split() == sides[1].split()
    return {
        "messages": [message.hex() for message in messages],
        "handshake_hash": sides[0].hash.hex(),
        "split": [key.hex() for key in sides[0].split()],
    }


def conversation() -> dict[str, Any]:
    """m1 .. m4, the first sealed frame and a rekey, of two hosts with seeded key material."""
    world = World()
    ciphers = ("aes256gcm", "chacha20poly1305")  # what the first builds offer
    a, b = world.host(ciphers=ciphers), world.host(ciphers=ciphers)
    world.dial(a, b)
    world.run(1)
    for _ in range(2):
        world.send(a, b, Ping(1, bytes(8)))
    world.run(125)
    return {
        "packets": [
            {"kind": packet.kind, "bytes": (packet.sealed.body if packet.sealed else packet.frame).hex()}
            for packet in world.sent
        ],
        "data_keys": {
            name: [event.key.hex() for event in host.events if isinstance(event, KeysLive)]
            for name, host in (("a", a), ("b", b))
        },
    }


def resumption() -> dict[str, Any]:
    """A ticket, and r1, r2 and the first sealed frame of whoever comes back with it."""
    world = World()
    ciphers = ("aes256gcm", "chacha20poly1305")
    a, b = world.host(ciphers=ciphers), world.host(ciphers=ciphers)
    world.dial(a, b)
    world.run(1)
    (ticket,) = a.tickets[b.id]
    a = world.restart(a)
    world.sent.clear()
    world.dial(a, b, expect=b.id)
    world.run(1)
    return {
        "ticket": {"peer": ticket.peer.hex(), "id": ticket.id.hex(), "secret": ticket.secret.hex()},
        "packets": [
            {"kind": packet.kind, "bytes": (packet.sealed.body if packet.sealed else packet.frame).hex()}
            for packet in world.sent
        ],
        "next": {"id": a.tickets[b.id][-1].id.hex(), "secret": a.tickets[b.id][-1].secret.hex()},
        "data_keys": {
            name: [event.key.hex() for event in host.events if isinstance(event, KeysLive)][-1]
            for name, host in (("a", a), ("b", b))
        },
    }


def main() -> None:
    found = {"xxpsk0": xxpsk0(), "conversation": conversation(), "resumption": resumption()}
    PATH.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
