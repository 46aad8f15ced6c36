"""The pattern interpreter against the published vectors, and against forgeries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nacl.bindings import crypto_scalarmult_base

from overlay.sealing import aead, nonce
from overlay.session.noise import KK, KKPSK0, XX, XXPSK0, Base, Handshake, KeyPair, NoiseError, pattern

BASES = {
    "XX": XX,
    "KK": KK,
    "NN": Base(False, (("e",), ("e", "ee"))),
}
VECTORS: list[dict[str, Any]] = [
    vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "noise.json").read_text())["vectors"]
    if vector["protocol_name"][6:8] in BASES
]
NAMES = [f"{vector['protocol_name'][6:].partition('_')[0]}-{len(vector['messages'])}" for vector in VECTORS]


def pair(private: str | bytes) -> KeyPair:
    raw = bytes.fromhex(private) if isinstance(private, str) else private
    return KeyPair(raw, crypto_scalarmult_base(raw))


def side(vector: dict[str, Any], who: str) -> Handshake:
    name = vector["protocol_name"].split("_")[1]
    remote = vector.get(f"{who}_remote_static")
    return Handshake(
        pattern(name, BASES[name[:2]]),
        initiator=who == "init",
        prologue=bytes.fromhex(vector[f"{who}_prologue"]),
        ephemeral=bytes.fromhex(vector[f"{who}_ephemeral"]),
        static=pair(vector.get(f"{who}_static", bytes(32))),
        psks=tuple(map(bytes.fromhex, vector.get(f"{who}_psks", ()))),
        remote_static=bytes.fromhex(remote) if remote else None,
    )


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_vector(vector: dict[str, Any]) -> None:
    sides = [side(vector, "init"), side(vector, "resp")]
    turn = 0
    messages = [(bytes.fromhex(each["payload"]), bytes.fromhex(each["ciphertext"])) for each in vector["messages"]]
    while not sides[0].finished:
        payload, expected = messages[turn]
        assert sides[turn % 2].write(payload) == expected
        assert sides[1 - turn % 2].read(expected) == payload
        turn += 1
    assert sides[0].hash == sides[1].hash
    if "handshake_hash" in vector:
        assert sides[0].hash.hex() == vector["handshake_hash"]
    keys = sides[0].split()
    assert sides[1].split() == keys
    for index, (payload, expected) in enumerate(messages[turn:]):
        key = keys[(turn + index) % 2]
        assert aead("chacha20poly1305", key).encrypt(nonce(index // 2), payload, b"") == expected


def test_every_pattern_we_need_is_proven() -> None:
    proven = {vector["protocol_name"].split("_")[1] for vector in VECTORS}
    assert {"XX", "KKpsk0", "NNpsk0", "XXpsk0+psk1", "XXpsk0+psk2", "XXpsk0+psk3", "KKpsk0+psk2"} <= proven


def run(psk: bytes = b"p" * 32) -> tuple[Handshake, Handshake]:
    return (
        Handshake(XXPSK0, initiator=True, prologue=b"", ephemeral=b"1" * 32, static=pair(b"a" * 32), psks=(b"p" * 32,)),
        Handshake(XXPSK0, initiator=False, prologue=b"", ephemeral=b"2" * 32, static=pair(b"b" * 32), psks=(psk,)),
    )


def test_a_forged_message_changes_nothing() -> None:
    one, two = run()
    for reader, writer, payload in ((two, one, b"1st"), (one, two, b"2nd"), (two, one, b"3rd")):
        message = writer.write(payload)
        for at in range(len(message)):
            with pytest.raises(NoiseError):
                reader.read(message[:at])
            with pytest.raises(NoiseError):
                reader.read(message[:at] + bytes((message[at] ^ 0x80,)) + message[at + 1 :])
        assert reader.read(message) == payload
    assert one.split() == two.split()
    assert (one.remote_static, two.remote_static) == (pair(b"b" * 32).public, pair(b"a" * 32).public)


def test_another_psk_opens_nothing() -> None:
    one, two = run(b"q" * 32)
    with pytest.raises(NoiseError):
        two.read(one.write())


def test_a_point_of_low_order_is_refused() -> None:
    one, two = run()
    two.read(one.write())
    bad = bytes(32) + two.write()[32:]
    with pytest.raises(NoiseError, match="low order"):
        one.read(bad)


def test_turns_are_kept() -> None:
    one, two = run()
    with pytest.raises(ValueError, match="turn"):
        two.write()
    with pytest.raises(ValueError, match="turn"):
        one.read(b"")
    with pytest.raises(ValueError, match="not finished"):
        one.split()
    with pytest.raises(ValueError, match="static key"):
        Handshake(KKPSK0, initiator=True, prologue=b"", ephemeral=b"1" * 32, static=pair(b"a" * 32), psks=(b"p" * 32,))
