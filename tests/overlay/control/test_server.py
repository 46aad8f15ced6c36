from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from overlay.control import client, server
from overlay.control.server import MOST_CONNECTIONS, ControlSocket
from overlay.errors import AlreadyRunning, NotPermitted, OverlayError
from tests.overlay.control.fake import FakeNode, Json, home, listening, running


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    with running(FakeNode(tmp_path / "home.sock")) as fake:
        yield fake


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(5)
    connection.connect(str(path))
    return connection


def say(path: Path, raw: bytes) -> Json:
    """The first reply to whatever `raw` is."""
    with connect(path) as connection:
        connection.sendall(raw)
        found: Json = json.loads(connection.makefile().readline())
        return found


def test_a_question_is_answered(node: FakeNode) -> None:
    assert client.ask(node.path, {"do": "status"}) == home()


def test_a_stream_ends_with_its_answer(node: FakeNode) -> None:
    request = {"do": "ping", "peer": "ab" * 32, "count": 2, "interval": 0.01}
    replies = list(client.stream(node.path, request, silence=5))
    assert [reply.get("seq") for reply in replies] == [1, 2, None]
    assert replies[-1] == {"sent": 2, "received": 2}


def test_only_its_user_may_open_it(node: FakeNode) -> None:
    assert stat.S_IMODE(node.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(node.path.with_name("home.sock.lock").stat().st_mode) == 0o600


@pytest.mark.parametrize("raw", [b"\n", b"{}\n", b"\xff\x00\n", b'{"do":"dance"}\n', b"[" * 60_000 + b"\n"])
def test_what_is_malformed_is_told(node: FakeNode, raw: bytes) -> None:
    assert say(node.path, raw)["error"]["code"] == "malformed"
    assert client.ask(node.path, {"do": "status"})


def test_a_line_without_end_is_cut_off(node: FakeNode) -> None:
    with connect(node.path) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(40):
            connection.sendall(b"x" * 65_536)
    assert client.ask(node.path, {"do": "status"})


def test_who_hangs_up_at_once_does_no_harm(node: FakeNode) -> None:
    for raw in (b"", b"{", b'{"do":"status"}\n', b'{"do":"ping","peer":"%s"}\n' % (b"ab" * 32)):
        for _ in range(20):
            with connect(node.path) as connection:
                connection.sendall(raw)
    assert answers_again(node.path)


def test_silent_clients_are_bounded_and_told(node: FakeNode) -> None:
    silent = [connect(node.path) for _ in range(MOST_CONNECTIONS)]
    with pytest.raises(OverlayError, match="busy"):
        client.ask(node.path, {"do": "status"})
    for connection in silent:
        connection.close()
    assert answers_again(node.path)


def answers_again(path: Path) -> bool:
    """True once the node has noticed who hung up."""
    for _ in range(1000):
        try:
            return bool(client.ask(path, {"do": "status"}))
        except OverlayError:
            continue
    return False


def test_silent_and_slow_clients_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_S", 0.05)
    monkeypatch.setattr(server, "SEND_S", 0.05)

    async def flood(request: Json) -> AsyncIterator[Json]:
        while True:
            yield {"text": "x" * 100_000}

    with listening(tmp_path / "s.sock", flood):
        with connect(tmp_path / "s.sock") as silent:
            assert silent.recv(1) == b""
        with connect(tmp_path / "s.sock") as slow:
            slow.sendall(b'{"do":"status"}\n')
            while slow.recv(1, socket.MSG_PEEK) and not _closed(slow):
                pass


def _closed(connection: socket.socket) -> bool:
    """True once the other side has closed, whatever is still to be read."""
    connection.settimeout(5)
    try:
        connection.send(b"x")
    except BrokenPipeError:
        return True
    return False


def test_a_fault_of_the_answer_is_told_and_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def answer(request: Json) -> AsyncIterator[Json]:
        if request["do"] == "leave":
            raise OverlayError("not now", "later", code="later", exit_code=4)
        yield {"n": 1}
        raise ZeroDivisionError

    with listening(tmp_path / "s.sock", answer):
        with pytest.raises(OverlayError) as caught:
            client.ask(tmp_path / "s.sock", {"do": "leave"})
        assert (caught.value.text, caught.value.exit_code) == ("not now", 4)
        with pytest.raises(OverlayError, match="failed to answer"):
            list(client.stream(tmp_path / "s.sock", {"do": "status"}, silence=5))
    assert "ZeroDivisionError" in caplog.text


def test_an_endless_answer_ends_when_its_reader_has_gone(tmp_path: Path) -> None:
    ended = []

    async def answer(request: Json) -> AsyncIterator[Json]:
        try:
            while True:
                yield {"n": 1}
                await anyio.sleep(0.001)
        finally:
            ended.append(True)

    with listening(tmp_path / "s.sock", answer):
        stream = client.stream(tmp_path / "s.sock", {"do": "status"}, silence=5)
        next(stream)
        stream.close()
        for _ in range(100):
            if ended or client.look(tmp_path / "s.sock") != client.LIVE:
                break
        with connect(tmp_path / "s.sock") as again:
            again.sendall(b'{"do":"status"}\n')
            assert again.recv(100)
    assert ended


def test_a_second_node_at_one_socket_is_refused_and_changes_nothing(node: FakeNode) -> None:
    with pytest.raises(AlreadyRunning):
        ControlSocket(node.path)
    assert client.ask(node.path, {"do": "status"})


def test_what_a_dead_node_left_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "home.sock"
    code = (
        "import os, sys; from pathlib import Path; from overlay.control.server import ControlSocket\n"
        "ControlSocket(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.is_socket()
    assert client.look(path) == client.DEAD
    with running(FakeNode(path)):
        assert client.ask(path, {"do": "status"})


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary")
    with pytest.raises(OverlayError, match=r"notes\.txt"):
        ControlSocket(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "dear diary"


def test_the_folder_is_its_users_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(NotPermitted):
        ControlSocket(tmp_path / "s.sock")


def test_a_path_too_long_is_said(tmp_path: Path) -> None:
    with pytest.raises(OverlayError, match="too long"):
        ControlSocket(tmp_path / ("x" * 120))


def test_closing_takes_the_socket_away(tmp_path: Path) -> None:
    ear = ControlSocket(tmp_path / "s.sock")
    ear.close()
    assert not (tmp_path / "s.sock").exists()
    ControlSocket(tmp_path / "s.sock").close()


def test_the_umask_is_as_before(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        ControlSocket(tmp_path / "s.sock").close()
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


@pytest.mark.kernel
def test_another_user_is_not_answered_even_where_modes_were_loosened(node: FakeNode) -> None:
    for path in (node.path, *list(node.path.parents)[:-2]):
        path.chmod(path.stat().st_mode | 0o007 if path == node.path else path.stat().st_mode | 0o005)
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        's.sendall(b\'{"do":"status"}\\n\')\n'
        "print(s.recv(9))"
    )
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [*drop, "/usr/bin/python3", "-c", code, str(node.path)], check=False, capture_output=True, text=True
    )
    assert done.stdout == "b''\n" or "ConnectionReset" in done.stderr or "BrokenPipe" in done.stderr
    assert node.asked == []
