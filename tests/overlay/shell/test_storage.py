"""Identity and memory on disk: nothing is lost, nothing foreign is believed."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay.errors import OverlayError
from overlay.shell.storage import LONGEST, MOST_ASIDE, SHARE, Memory, Storage
from punch.values import udp


def storage(folder: Path) -> tuple[Storage, list[str]]:
    """A storage and the warnings it spoke."""
    warnings: list[str] = []
    return Storage(folder, warnings.append), warnings


def test_the_identity_stays(tmp_path: Path) -> None:
    first, warnings = storage(tmp_path)
    seed = first.seed()
    assert len(seed) == 32
    assert storage(tmp_path)[0].seed() == seed
    assert (tmp_path / "identity").stat().st_mode & 0o777 == 0o600
    assert warnings == []


@pytest.mark.parametrize("keep", range(0, 100, 7))
def test_a_torn_identity_is_set_aside_and_said(tmp_path: Path, keep: int) -> None:
    seed = storage(tmp_path)[0].seed()
    path = tmp_path / "identity"
    torn = path.read_bytes()[:keep]
    path.write_bytes(torn)
    again, warnings = storage(tmp_path)
    assert again.seed() != seed
    assert len(warnings) == 1
    assert "new identity" in warnings[0]
    assert (tmp_path / "identity.aside-1").read_bytes() == torn


def test_two_torn_identities_are_both_kept(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "identity").write_text(f"torn {number}")
        storage(tmp_path)[0].seed()
    assert (tmp_path / "identity.aside-1").read_text() == "torn 1"
    assert (tmp_path / "identity.aside-2").read_text() == "torn 2"


def test_memory_comes_back(tmp_path: Path) -> None:
    first, _ = storage(tmp_path)
    first.keep(ipv4="10.64.1.2", sequence=7)
    first.keep(records=(b"\x00record",), endpoints=["192.0.2.1:5", "[2001:db8::1]:6"])
    first.flush()
    assert storage(tmp_path)[0].memory() == Memory(
        ipv4="10.64.1.2",
        sequence=7,
        records=(b"\x00record",),
        endpoints=(udp("192.0.2.1", 5), udp("2001:db8::1", 6)),
    )
    assert (tmp_path / "memory.json").stat().st_mode & 0o777 == 0o600


def test_what_was_remembered_is_kept_by_the_next_change(tmp_path: Path) -> None:
    first, _ = storage(tmp_path)
    first.keep(ipv4="10.64.1.2", sequence=7)
    first.flush()
    second, _ = storage(tmp_path)
    second.memory()
    second.keep(endpoints=["192.0.2.1:5"])
    second.flush()
    assert storage(tmp_path)[0].memory().sequence == 7


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=200), st.sampled_from([b"[]", b"null", b'{"sequence": -1}', b'{"records": [1]}'])))
def test_any_memory_file_is_survived(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / "memory.json").write_bytes(content)
    kept, warnings = storage(folder)
    memory = kept.memory()
    assert memory == Memory() or warnings == []
    if warnings:
        assert (folder / "memory.json.aside-1").read_bytes() == content


def test_a_folder_in_place_of_a_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "identity").mkdir()
    kept, warnings = storage(tmp_path)
    assert len(kept.seed()) == 32
    assert "is a folder" in warnings[0]


def test_a_full_disk_is_said_once_and_survived(tmp_path: Path) -> None:
    kept, warnings = storage(tmp_path / "gone")
    for number in (1, 2):
        kept.keep(sequence=number)
        kept.flush()
    assert len(warnings) == 1
    assert "cannot remember" in warnings[0]


def test_no_folder_for_the_identity_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(OverlayError, match="cannot be written"):
        storage(tmp_path / "gone")[0].seed()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_set_aside(tmp_path: Path) -> None:
    storage(tmp_path)[0].seed()
    os.chown(tmp_path / "identity", 12345, 12345)
    kept, warnings = storage(tmp_path)
    kept.seed()
    assert "another user" in warnings[0]


def test_a_large_memory_is_written_seldom_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = storage(tmp_path)
    written: list[int] = []
    write = Storage._write

    def count(self: Storage, path: Path, text: str) -> None:
        written.append(len(text))
        write(self, path, text)

    monkeypatch.setattr(Storage, "_write", count)
    records = tuple(bytes([number % 256]) * 350 for number in range(1000))
    for second in range(600):
        kept.keep(records=records[second % 100 :])
        kept.tick()
    assert sum(written) <= 600 * SHARE * 1.1
    kept.keep(records=(b"last",))
    kept.flush()
    assert storage(tmp_path)[0].memory().records == (b"last",)


def test_a_small_one_is_written_with_the_next_second(tmp_path: Path) -> None:
    kept, _ = storage(tmp_path)
    for number in range(1, 5):
        kept.keep(sequence=number)
        kept.tick()
        assert storage(tmp_path)[0].memory().sequence == number


def test_what_a_full_disk_did_not_take_is_tried_again(tmp_path: Path) -> None:
    kept, warnings = storage(tmp_path / "later")
    kept.keep(sequence=3)
    kept.tick()
    (tmp_path / "later").mkdir()
    for _ in range(LONGEST):
        kept.tick()
    assert storage(tmp_path / "later")[0].memory().sequence == 3
    assert len(warnings) == 1


def test_files_set_aside_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(MOST_ASIDE + 5):
        if number % 3:
            (tmp_path / "memory.json").write_text(f"torn {number}")
        else:
            (tmp_path / "memory.json").mkdir()
            (tmp_path / "memory.json" / "within").touch()
        storage(tmp_path)[0].memory()
    assert len(list(tmp_path.iterdir())) == MOST_ASIDE
    assert (tmp_path / f"memory.json.aside-{MOST_ASIDE}" / "within").exists()
