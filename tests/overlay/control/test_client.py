from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from overlay.config import paths
from overlay.config.names import file_stem
from overlay.control import client
from overlay.errors import NoReply, NotRunning, UsageError
from tests.overlay.control.fake import FakeNode, running


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The system's folder of sockets and the user's, both empty."""
    system, own = tmp_path / "run", tmp_path / "xdg/overlay"
    system.mkdir()
    own.mkdir(parents=True)
    monkeypatch.setattr(paths, "SYSTEM_SOCKETS", system)
    return system, own


def find(places: tuple[Path, Path], network: str | None = None, path: Path | None = None) -> Path:
    environ = {"XDG_RUNTIME_DIR": str(places[1].parent)}
    return client.find(network, path, environ=environ, command="overlay status")


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    return path


def test_the_only_node_is_found_in_either_folder(places: tuple[Path, Path]) -> None:
    for folder in places:
        with running(FakeNode(folder / "home.sock")) as node:
            assert find(places) == node.path
            assert find(places, "home") == node.path


def test_several_nodes_are_listed(places: tuple[Path, Path]) -> None:
    with running(FakeNode(places[0] / "home.sock")), running(FakeNode(places[1] / "work.sock")) as work:
        with pytest.raises(UsageError) as caught:
            find(places)
        assert "home" in caught.value.text
        assert "work" in caught.value.text
        assert find(places, "work") == work.path
        assert find(places, path=work.path) == work.path


def test_an_odd_name(places: tuple[Path, Path]) -> None:
    with running(FakeNode(places[1] / f"{file_stem('my net')}.sock")) as node:
        assert find(places, "my net") == node.path


def test_none_running_is_exit_3(places: tuple[Path, Path], tmp_path: Path, dead: Path) -> None:
    with pytest.raises(NotRunning) as caught:
        find(places)
    assert "overlay join" in caught.value.fix
    with pytest.raises(NotRunning, match="home"):
        find(places, "home")
    with pytest.raises(NotRunning, match="absent"):
        find(places, path=tmp_path / "absent")


def test_dead_sockets_do_not_count(places: tuple[Path, Path], dead: Path) -> None:
    dead.rename(places[0] / "old.sock")
    with pytest.raises(NotRunning):
        find(places)
    with running(FakeNode(places[1] / "home.sock")) as node:
        assert find(places) == node.path


def test_a_stopped_node_is_no_reply(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.sock"))
        listener.listen(1)
        with pytest.raises(NoReply):
            client.ask(tmp_path / "s.sock", {"do": "status"}, timeout=0.05)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(str(tmp_path / "s.sock"))
        assert client.look(tmp_path / "s.sock") == client.LIVE  # its backlog is full
        with pytest.raises(NoReply):
            client.ask(tmp_path / "s.sock", {"do": "status"}, timeout=0.05)
        for each in waiting:
            each.close()


def test_a_node_that_ends_without_a_word(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.sock"))
        listener.listen(1)
        listener.settimeout(5)

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(NotRunning):
            client.ask(tmp_path / "s.sock", {"do": "status"})
        thread.join()


def test_nobody_listens(tmp_path: Path, dead: Path) -> None:
    for path in (dead, tmp_path / "absent"):
        with pytest.raises(NotRunning):
            client.ask(path, {"do": "status"})


def test_waiting_for_the_end(tmp_path: Path) -> None:
    with running(FakeNode(tmp_path / "s.sock")) as node:
        assert not client.wait_end(node.path, 0.05)
    assert client.wait_end(node.path, 1.0)


LINGERS = """
import socket, sys, time
with socket.socket(socket.AF_UNIX) as ear:
    ear.bind(sys.argv[1])
    ear.listen(9)
    print("up", flush=True)
    sys.stdin.readline()
sys.stdin.readline()
"""


def test_the_end_is_that_of_the_process_not_of_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    argv = [sys.executable, "-c", LINGERS, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        with client.process_at(path) as process:
            child.stdin.write("deaf\n")
            child.stdin.flush()
            assert client.wait_end(path, 2.0)
            assert not client.wait_end(path, 0.1, process)
            child.stdin.close()
            assert client.wait_end(path, 2.0, process)


def test_without_anybody_there_is_no_process(tmp_path: Path) -> None:
    with client.process_at(tmp_path / "absent") as process:
        assert process is None


ASK = """
import os, sys
from pathlib import Path
from overlay.config import paths
paths.SYSTEM_SOCKETS = Path(sys.argv[1])
from overlay.cli import main
sys.exit(main(sys.argv[2:]))
"""


def as_nobody(system: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    environ = {**os.environ, "XDG_RUNTIME_DIR": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [*drop, ".venv/bin/python", "-c", ASK, str(system), *arguments]
    return subprocess.run(argv, check=False, capture_output=True, text=True, env=environ)


@pytest.mark.kernel
@pytest.mark.parametrize("hidden", [False, True])
def test_another_users_node_is_exit_5_not_3(places: tuple[Path, Path], hidden: bool) -> None:
    for parent in places[0].parents[:3]:
        parent.chmod(0o755)
    with running(FakeNode(places[0] / "home.sock")) as node:
        places[0].chmod(0o700 if hidden else 0o755)
        for arguments in (["status"], ["status", "-n", "home"], ["status", "--socket", str(node.path)]):
            done = as_nobody(places[0], *arguments)
            assert done.returncode == 5, done.stderr
            assert f"sudo overlay {' '.join(arguments)}" in done.stderr
    places[0].chmod(0o755)
    assert as_nobody(places[0], "status").returncode == 3
