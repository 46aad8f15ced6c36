"""`--debug-keys`: what stands in the file, and who may read it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from overlay.errors import OverlayError
from overlay.node import events as node
from overlay.session import events as session
from overlay.shell.keylog import KeyLog
from overlay.values import NodeId

OWN, PEER = NodeId(b"\xaa" * 32), NodeId(b"\xbb" * 32)
MADE = node.KeysMade(
    session.KeysMade(
        peer=PEER,
        cipher="aes256gcm",
        seal_epoch=3,
        seal_control=b"\x01" * 32,
        seal_data=b"\x02" * 32,
        open_epoch=7,
        open_control=b"\x03" * 32,
        open_data=b"\x04" * 32,
    )
)


def test_a_line_a_key_with_who_seals_and_who_opens(tmp_path: Path) -> None:
    log = KeyLog(tmp_path / "keys", OWN)
    log.heard(MADE)
    log.heard(node.Left())
    log.close()
    ours, theirs = f"from {'aa' * 32} to {'bb' * 32}", f"from {'bb' * 32} to {'aa' * 32}"
    assert (tmp_path / "keys").read_text().splitlines() == [
        f"control 3 aes256gcm {'01' * 32} {ours}",
        f"data 3 aes256gcm {'02' * 32} {ours}",
        f"control 7 aes256gcm {'03' * 32} {theirs}",
        f"data 7 aes256gcm {'04' * 32} {theirs}",
    ]


def test_nobody_else_may_read_it_even_if_it_was_there(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("earlier\n")
    (tmp_path / "keys").chmod(0o644)
    log = KeyLog(tmp_path / "keys", OWN)
    log.heard(MADE)
    log.close()
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    assert (tmp_path / "keys").read_text().startswith("earlier\ncontrol 3 ")


def test_a_link_or_a_missing_folder_is_refused(tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", tmp_path / "link")
    for file in (tmp_path / "link", tmp_path / "none" / "keys"):
        with pytest.raises(OverlayError, match="cannot be written"):
            KeyLog(file, OWN)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_takes_no_more_does_not_end_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = KeyLog(tmp_path / "keys", OWN)
    with monkeypatch.context() as here:
        here.setattr(os, "write", full)
        log.heard(MADE)
    assert (tmp_path / "keys").read_bytes() == b""
    log.close()


def test_what_others_can_read_too_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, pipe = tmp_path / "plain", tmp_path / "pipe"
    plain.write_text("")
    plain.chmod(0o644)
    os.link(plain, tmp_path / "second")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for file, why in ((plain, "second name"), (pipe, "no plain file")):
        with pytest.raises(OverlayError, match=why):
            KeyLog(file, OWN)
    os.close(reader)
    with pytest.raises(OverlayError, match="cannot be written"):
        KeyLog(pipe, OWN)
    (tmp_path / "second").unlink()
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(OverlayError, match="another user"):
        KeyLog(plain, OWN)
    assert stat.S_IMODE(plain.stat().st_mode) == 0o644, "what is refused is left as it was"
