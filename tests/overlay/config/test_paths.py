from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from overlay.config import paths
from overlay.errors import AlreadyRunning, NotPermitted, OverlayError

XDG = {"XDG_STATE_HOME": "/s", "XDG_CONFIG_HOME": "/c", "XDG_RUNTIME_DIR": "/r"}


def test_roots_places() -> None:
    assert paths.state_dir("home", XDG, 0) == Path("/var/lib/overlay/home")
    assert paths.config_file("home", XDG, 0) == Path("/etc/overlay/home.toml")
    assert paths.socket_path("home", XDG, 0) == Path("/run/overlay/home.sock")


def test_everybodys_places() -> None:
    assert paths.state_dir("home", XDG, 5) == Path("/s/overlay/home")
    assert paths.config_file("home", XDG, 5) == Path("/c/overlay/home.toml")
    assert paths.socket_path("home", XDG, 5) == Path("/r/overlay/home.sock")


def test_places_without_xdg() -> None:
    assert paths.state_dir("home", {}, 5) == Path.home() / ".local/state/overlay/home"
    assert paths.config_file("home", {"XDG_CONFIG_HOME": "relative"}, 5) == Path.home() / ".config/overlay/home.toml"
    assert paths.socket_path("home", {}, 5) == Path("/tmp/overlay-5/home.sock")


def test_commands_look_in_both_folders() -> None:
    assert paths.socket_folders(XDG, 5) == [Path("/run/overlay"), Path("/r/overlay")]


@pytest.mark.kernel
def test_a_folder_that_somebody_laid_in_tmp_is_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "TEMPORARY", tmp_path)
    laid = tmp_path / "overlay-0"
    assert paths.socket_folders({}, 0) == [paths.SYSTEM_SOCKETS, laid]
    laid.mkdir()
    assert paths.socket_folders({}, 0) == [paths.SYSTEM_SOCKETS, laid]
    os.chown(laid, 65534, 65534)
    assert paths.socket_folders({}, 0) == [paths.SYSTEM_SOCKETS]


def test_an_odd_name_cannot_leave_its_folder() -> None:
    assert paths.state_dir("a.b c", XDG, 0).parent == Path("/var/lib/overlay")


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_folder_is_made_with_its_mode_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        paths.secure_folder(tmp_path / "a/b", mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == mode
    paths.secure_folder(tmp_path / "a/b", 0o711)
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(NotPermitted) as caught:
        paths.secure_folder(tmp_path)
    assert "chmod" in caught.value.fix


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OverlayError, match="file"):
        paths.secure_folder(tmp_path / "file/state")
    with pytest.raises(OverlayError, match="file"):
        paths.secure_folder(tmp_path / "file")


@pytest.mark.kernel
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(NotPermitted) as caught:
        paths.secure_folder(tmp_path)
    assert "sudo" in caught.value.fix


def test_a_folder_has_one_holder_at_a_time(tmp_path: Path) -> None:
    held = paths.hold(tmp_path)
    code = f"from overlay.config.paths import hold; from pathlib import Path; hold(Path({str(tmp_path)!r}))"
    other = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert AlreadyRunning.__name__ in other.stderr
    os.close(held)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
