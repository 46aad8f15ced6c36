"""Tickets on disk: back at the next start, nothing to a thief, gone with the network's secret."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.identity import network_keys
from overlay.session.tickets import Ticket
from overlay.shell import tickets as files
from overlay.shell.storage import PAUSE, Memory, Storage
from overlay.values import NodeId
from punch.values import udp

KEY = network_keys("home", b"s" * 32).rest_key
OTHER = network_keys("home", b"t" * 32).rest_key
SHAPES = [b"[]", b'{"tickets": [[1]]}', b'{"tickets": [["", "", ""]]}', b'{"tickets": 1}', b'{"tickets": {}}']
ANN, BOB = NodeId(b"a" * 32), NodeId(b"b" * 32)


def ticket(peer: NodeId, number: int) -> Ticket:
    return Ticket(peer, bytes([number]) * 16, bytes([number + 100]) * 32)


def started(folder: Path, key: bytes = KEY) -> tuple[Storage, Memory, list[str]]:
    warnings: list[str] = []
    storage = Storage(folder, warnings.append)
    return storage, storage.unlock(storage.memory(), key), warnings


def filled(folder: Path) -> tuple[Ticket, ...]:
    storage, _, _ = started(folder)
    storage.keep(records=(b"ann's record",), endpoints=["192.0.2.1:5"], holders=[ANN.hex()], sequence=7)
    storage.keep_tickets(ANN, (ticket(ANN, 1), ticket(ANN, 2)))
    storage.keep_tickets(BOB, (ticket(BOB, 3),))
    storage.flush()
    return ticket(ANN, 1), ticket(ANN, 2), ticket(BOB, 3)


def test_tickets_come_back(tmp_path: Path) -> None:
    held = filled(tmp_path)
    _, memory, warnings = started(tmp_path)
    assert memory.tickets == held
    assert (memory.endpoints, memory.holders) == ((udp("192.0.2.1", 5),), (ANN,))
    assert (tmp_path / "resume").stat().st_mode & 0o777 == 0o600
    assert warnings == []


def test_what_replaces_and_what_ends_is_kept_too(tmp_path: Path) -> None:
    filled(tmp_path)
    storage, _, _ = started(tmp_path)
    storage.keep_tickets(ANN, (ticket(ANN, 2), ticket(ANN, 4)))
    storage.keep_tickets(BOB, ())
    storage.flush()
    assert started(tmp_path)[1].tickets == (ticket(ANN, 2), ticket(ANN, 4))


def test_another_secret_deletes_tickets_and_records(tmp_path: Path) -> None:
    filled(tmp_path)
    storage, memory, warnings = started(tmp_path, OTHER)
    assert (memory.tickets, memory.records, memory.holders) == ((), (), ())
    assert memory.sequence == 7, "our own record goes on above what it was"
    assert memory.endpoints == (udp("192.0.2.1", 5),), "where the others were is no secret, and how they meet again"
    assert len(warnings) == 1
    storage.flush()
    assert json.loads((tmp_path / "resume").read_text()) == {"tickets": []}
    assert json.loads((tmp_path / "memory.json").read_text())["records"] == []
    _, back, _ = started(tmp_path, KEY)
    assert (back.tickets, back.records) == ((), ()), "and the old secret brings nothing back"


def test_the_file_shows_no_secret_and_proves_no_guess(tmp_path: Path) -> None:
    held = filled(tmp_path)
    text = (tmp_path / "resume").read_text()
    assert not any(each.secret.hex() in text for each in held)
    wrong = files.unpack(text, OTHER)
    assert [each.id for each in wrong] == [each.id for each in held]
    assert not any(one.secret == other.secret for one, other in zip(wrong, held, strict=True))


def test_of_the_secret_itself_16_bits_lie_on_disk(tmp_path: Path) -> None:
    filled(tmp_path)
    kept = json.loads((tmp_path / "memory.json").read_text())
    assert kept["mark"] == files.mark(KEY)
    assert len(bytes.fromhex(kept["mark"])) == 2


def test_an_older_memory_is_of_this_secret(tmp_path: Path) -> None:
    older = {"ipv4": None, "sequence": 1, "records": ["AA=="], "endpoints": ["1.2.3.4:5"]}
    (tmp_path / "memory.json").write_text(json.dumps(older))
    _, memory, warnings = started(tmp_path)
    assert (memory.records, memory.holders) == ((b"\0",), ())
    assert warnings == []


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.sampled_from(SHAPES)))
def test_any_file_is_survived_and_set_aside(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / "resume").write_bytes(content)
    _, memory, warnings = started(folder)
    assert memory.tickets == ()
    if warnings:
        assert (folder / "resume.aside-1").read_bytes() == content


@pytest.mark.parametrize("keep", range(1, 500, 37))
def test_a_torn_file_is_set_aside(tmp_path: Path, keep: int) -> None:
    filled(tmp_path)
    path = tmp_path / "resume"
    path.write_bytes(path.read_bytes()[:keep])
    _, memory, warnings = started(tmp_path)
    assert memory.tickets == ()
    assert "torn" in warnings[0]
    assert memory.records, "what the other file holds stays"


def test_a_storm_of_rekeys_writes_once_in_a_while(tmp_path: Path) -> None:
    storage, _, _ = started(tmp_path)
    path, written, before = tmp_path / "resume", 0, b""
    for number in range(3 * PAUSE):
        storage.keep_tickets(ANN, (ticket(ANN, number),))
        storage.tick()
        if number == 0:
            assert path.exists(), "the first is there within a second"
        now = path.read_bytes()
        written, before = written + (now != before), now
    assert written == 3
    storage.flush()
    assert started(tmp_path)[1].tickets == (ticket(ANN, 3 * PAUSE - 1),)


def test_a_full_disk_is_said_once_and_survived(tmp_path: Path) -> None:
    storage, _, warnings = started(tmp_path / "gone")
    for number in range(3 * PAUSE):
        storage.keep_tickets(ANN, (ticket(ANN, number),))
        storage.tick()
    assert len(warnings) == 1


def test_no_more_is_kept_than_is_read(tmp_path: Path) -> None:
    rows = [ticket(NodeId(number.to_bytes(32, "big")), 1) for number in range(files.MOST + 10)]
    text = files.pack(rows, KEY)
    assert files.unpack(text, KEY) == tuple(rows[-files.MOST :])
    assert len(text) < 2 << 20


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_tickets_of_another_user_are_set_aside(tmp_path: Path) -> None:
    filled(tmp_path)
    os.chown(tmp_path / "resume", 12345, 12345)
    _, memory, warnings = started(tmp_path)
    assert memory.tickets == ()
    assert "another user" in warnings[0]
