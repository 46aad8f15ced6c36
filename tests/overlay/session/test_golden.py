"""The bytes of version 1 do not change."""

from __future__ import annotations

import json

from tests.overlay.session.golden import PATH, conversation, resumption, xxpsk0

GOLDEN = json.loads(PATH.read_text())


def test_xxpsk0() -> None:
    assert xxpsk0() == GOLDEN["xxpsk0"]


def test_conversation() -> None:
    found = conversation()
    assert found == GOLDEN["conversation"]
    kinds = [packet["kind"] for packet in found["packets"]]
    assert kinds == ["m1", "m2", "m3", "m4", "Ping", "Ping", "Ping", "Rekey", "Rekeyed", "Ping"]


def test_resumption() -> None:
    found = resumption()
    assert found == GOLDEN["resumption"]
    assert [packet["kind"] for packet in found["packets"]] == ["r1", "r2", "Ping"]


def test_layout_of_resumption() -> None:
    golden = GOLDEN["resumption"]
    r1, r2 = (bytes.fromhex(packet["bytes"]) for packet in golden["packets"][:2])
    assert r1[:4].hex() == "04050100"
    assert r1[8:24].hex() == golden["ticket"]["id"]
    assert r2[:8] == bytes.fromhex("04060100") + r1[4:8]
    assert len(r2) < len(r1) == 1024


def test_layout_of_the_first_two() -> None:
    m1, m2 = (bytes.fromhex(packet["bytes"]) for packet in GOLDEN["conversation"]["packets"][:2])
    assert m1[:4].hex() == "04010100"
    assert m1[40:160] == bytes(120)
    assert m2[:8] == bytes.fromhex("04020100") + m1[4:8]
    assert (len(m1), len(m2)) == (176, 108)
