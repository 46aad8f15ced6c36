from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest

from overlay.cli import main
from overlay.cli.group import overlay
from overlay.errors import (
    AlreadyRunning,
    NoReply,
    NoSuchPeer,
    NotPermitted,
    NotRunning,
    OverlayError,
    UsageError,
)
from tests.overlay.control.fake import FakeNode

Capture = pytest.CaptureFixture[str]

EXIT = [
    (OverlayError, 1),
    (UsageError, 2),
    (NotRunning, 3),
    (NoReply, 4),
    (NotPermitted, 5),
    (NoSuchPeer, 6),
    (AlreadyRunning, 7),
]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Put an exception in: `overlay status` raises it."""
    to_raise: list[BaseException] = []

    def fail() -> None:
        raise to_raise[0]

    command = click.Command("status", callback=fail, params=[click.Option(["--json"], expose_value=False)])
    monkeypatch.setattr(overlay, "get_command", lambda context, name: command)
    return to_raise


@pytest.mark.parametrize(("kind", "code"), EXIT)
def test_every_error_has_its_exit_code_text_and_fix(
    failing: list[BaseException], capsys: Capture, kind: type[OverlayError], code: int
) -> None:
    failing.append(kind("what is wrong", "what to do"))
    assert main(["status"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "overlay: what is wrong\n  fix: what to do\n"


@pytest.mark.parametrize(("kind", "code"), EXIT)
def test_as_json_it_is_one_object_on_stdout(
    failing: list[BaseException], capsys: Capture, kind: type[OverlayError], code: int
) -> None:
    failing.append(kind("what", "fix", code="word"))
    assert main(["status", "--json", "x"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out) == {"schema": 1, "error": {"code": "word", "text": "what", "fix": "fix"}}
    assert err == ""


def test_json_by_the_environment(
    failing: list[BaseException], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERLAY_JSON", "1")
    failing.append(NotRunning("what"))
    assert main(["status"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not_running"


def test_wrong_usage_as_json(capsys: Capture) -> None:
    assert main(["status", "--wach", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_wrong_usage_names_the_help(capsys: Capture) -> None:
    assert main(["ping"]) == 2
    assert "overlay ping --help" in capsys.readouterr().err


def test_foreign_text_cannot_steer_the_terminal(failing: list[BaseException], capsys: Capture) -> None:
    failing.append(OverlayError("a\x1b[31mb\x07\r\x9b", "c\x1bd\ne"))
    main(["status"])
    err = capsys.readouterr().err
    assert err.count("\n") == 3
    assert {character for character in err if not character.isprintable()} == {"\n"}


def test_a_fault_of_ours_is_told_with_its_traceback(failing: list[BaseException], capsys: Capture) -> None:
    failing.append(ZeroDivisionError("oh"))
    assert main(["status"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "fault of ours" in err


def test_ctrl_c_is_quiet(failing: list[BaseException], capsys: Capture) -> None:
    failing.append(KeyboardInterrupt())
    assert main(["status"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("words", [["status", "--watch"], ["status"], ["--help"]])
def test_a_closed_pipe_ends_quietly(node: FakeNode, words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "overlay", *words]
    done = subprocess.run(argv, check=False, stdout=writer, stderr=subprocess.PIPE, timeout=20)
    os.close(writer)
    assert done.returncode in (0, 141)
    assert done.stderr == b""


def test_stdout_may_be_closed_or_full(node: FakeNode) -> None:
    argv = f"{sys.executable} -m overlay status"
    closed = subprocess.run(["sh", "-c", f"{argv} >&-"], check=False, capture_output=True, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")
    full = subprocess.run(["sh", "-c", f"{argv} >/dev/full"], check=False, capture_output=True, text=True)
    assert full.returncode == 1
    assert full.stderr == "overlay: the output cannot be written: No space left on device\n  fix: make room\n"


def on_terminal(argv: list[str], environ: dict[str, str]) -> bytes:
    """What `argv` prints on a terminal of its own."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, stdout=theirs, stderr=theirs, stdin=theirs, env={**os.environ, **environ}) as process:
        os.close(theirs)
        said = b""
        try:
            while data := os.read(ours, 65536):
                said += data
        except OSError:  # the terminal's other end is closed
            pass
        process.wait(20)
    os.close(ours)
    return said


def test_colour_on_a_terminal_only_and_never_with_no_color(node: FakeNode) -> None:
    argv = [sys.executable, "-m", "overlay", "status"]
    assert b"\x1b[" in on_terminal(argv, {"TERM": "xterm"})
    assert b"\x1b[" not in on_terminal(argv, {"TERM": "xterm", "NO_COLOR": "1"})
    assert b"\x1b[" not in on_terminal(argv, {"TERM": "dumb"})
    assert b"\x1b[" not in subprocess.run(argv, check=True, capture_output=True).stdout


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_any_locale_will_do(node: FakeNode, locale: str, tmp_path: Path) -> None:
    environ = {**os.environ, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    argv = [sys.executable, "-m", "overlay", "status"]
    done = subprocess.run(argv, check=True, capture_output=True, env=environ)
    assert b"phone" in done.stdout
    assert done.stdout.isascii() == (locale == "C")
